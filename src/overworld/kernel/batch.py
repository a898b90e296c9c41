"""Group commit: commands that must last gather while one batch is being committed, and leave together in the next.

There is no timer. A lone command runs at once; under load the batch grows instead of the queue's latency.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Sequence
from contextvars import copy_context
from copy import copy
from typing import Generic, TypeVar

from overworld.kernel import tracing
from overworld.kernel.refusals import Busy, Fault, Refusal

C = TypeVar("C")
R = TypeVar("R")

_RERUNS_MAX = 64
_LIMIT_FLOOR_PART = 8

_Rider = tuple[float, Hashable, tracing.Trace | None]
"""When a command came, whose it is, and its place in a trace."""


class GroupCommit(Generic[C, R]):
    """One lane of commands of one type: first in, first out, never two batches in flight.

    `run` commits a batch and answers item by item, aligned with it: a result, or a `Refusal` instance that is raised
    to that item's caller alone. What `run` raises is an outcome too:

    - a `Refusal` (or `Fault`) goes to every caller of the batch;
    - any other exception splits the batch and runs the first half, then the second, down to single commands, so that
      one poisonous command fails alone. A batch that raised may still have been committed, and is run again: **a
      lane takes idempotent commands only**. After 64 more runs what is left fails with the last exception.

    `run_one`, when given, is the cheaper way for a batch of one; answering None leaves the command to `run`.

    A caller that goes away while its command waits takes the command with it. A command that was taken into a batch
    completes whatever its caller does. `run` must not submit to its own lane: it would wait for itself.

    The batch limit starts at `batch_max` and is steered by full batches only, for the others were not limited by it:
    one that took longer than `latency_budget_s` cuts the limit by a quarter, one that took less than half of it adds an
    eighth. It stays between an eighth of `batch_max` and `batch_max`, because a slow disk is paid per batch, not per
    command, and smaller batches would only pay it more often.

    `on_batch`, when somebody sets it, is told of each batch: how many commands, and the seconds that it took.
    """

    def __init__(
        self,
        *,
        name: str,
        run: Callable[[Sequence[C]], Awaitable[Sequence[R | Refusal]]],
        run_one: Callable[[C], Awaitable[R | Refusal | None]] | None = None,
        queue_max: int = 4096,
        batch_max: int = 256,
        latency_budget_s: float = 0.02,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        if queue_max < 1 or batch_max < 1 or latency_budget_s <= 0:
            raise ValueError(f"lane {name!r}: its queue, batch and latency budget must be positive")
        self.name = name
        self.batches = 0
        self.items = 0
        self.reruns = 0
        self.refused_full = 0
        self.batch_limit = batch_max
        self.queue_max = queue_max
        self.on_batch: Callable[[int, float], None] | None = None
        self._run = run
        self._run_one = run_one
        self._batch_max = batch_max
        self._latency_budget_s = latency_budget_s
        self._monotonic_s = monotonic_s
        self._waiting: OrderedDict[asyncio.Future[R], C] = OrderedDict()
        self._riders: dict[asyncio.Future[R], _Rider] = {}
        self._worker: asyncio.Task[None] | None = None
        self._closed = False
        self._context = copy_context()

    @property
    def waiting(self) -> int:
        """The same, as every queue tells it."""
        return len(self._waiting)

    @property
    def waiting_max(self) -> int:
        """How many may wait."""
        return self.queue_max

    @property
    def refused(self) -> int:
        """How many were refused because the queue was full."""
        return self.refused_full

    @property
    def queue(self) -> int:
        """How many commands wait for the next batch."""
        return len(self._waiting)

    @property
    def oldest_s(self) -> float:
        """For how long the first of them has waited."""
        for future in self._waiting:
            return self._monotonic_s() - self._riders[future][0]
        return 0.0

    async def submit(self, command: C, *, key: Hashable = None) -> R:
        """The command's own outcome, once its batch is committed. `key` says whose it is.

        Raises: Busy when the queue is full or the lane is closed; Fault when the lane was stopped with the command in
        flight, its outcome unknown; the command's Refusal; whatever `run` raised for it.
        """
        if self._closed:
            raise Busy(f"{self.name} is closing")
        if len(self._waiting) >= self.queue_max:
            self.refused_full += 1
            raise Busy(f"{self.name} is full")
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        waited = tracing.begin("lane", attributes={"lane": self.name})
        self._waiting[future] = command
        self._riders[future] = (self._monotonic_s(), key, waited.trace if waited else tracing.here())
        if self._worker is None or self._worker.done():
            # A context of the lane's own: the trace of whoever came first is not that of the batch.
            self._worker = asyncio.create_task(self._work(), name=f"lane {self.name}", context=self._context.copy())
        try:
            return await future
        finally:
            self._waiting.pop(future, None)
            self._riders.pop(future, None)
            if waited is not None:
                waited.end()

    async def close(self) -> None:
        """Lets everything that was submitted finish, and refuses what comes later. May be called again."""
        self._closed = True
        if self._worker is not None:
            await asyncio.wait([self._worker])

    async def _work(self) -> None:
        batch: list[tuple[asyncio.Future[R], C]] = []
        try:
            while batch := self._take():
                started_s = self._monotonic_s()
                await self._commit(batch)
                took_s = self._monotonic_s() - started_s
                self._steer(len(batch), took_s)
                if self.on_batch is not None:
                    self.on_batch(len(batch), took_s)
        finally:
            _fail(batch, [Fault(f"{self.name} was stopped; the outcome is not known") for _ in batch])
            while batch := self._take():
                _fail(batch, [Busy(f"{self.name} was stopped") for _ in batch])

    def _take(self) -> list[tuple[asyncio.Future[R], C]]:
        batch: list[tuple[asyncio.Future[R], C]] = []
        while self._waiting and len(batch) < self.batch_limit:
            future, command = self._waiting.popitem(last=False)
            if not future.done():
                batch.append((future, command))
        return batch

    async def _commit(self, batch: list[tuple[asyncio.Future[R], C]]) -> None:
        self.batches += 1
        self.items += len(batch)
        pieces, reruns = [batch], -1
        while pieces:
            piece = pieces.pop()
            reruns += 1
            try:
                answers = await self._traced(piece)
            except Refusal as refusal:
                _fail(piece, [_twin(refusal) for _ in piece])
            except Exception as error:
                if len(piece) == 1 or reruns >= _RERUNS_MAX:
                    _fail(piece, [error] * len(piece))
                else:
                    half = len(piece) // 2
                    pieces += [piece[half:], piece[:half]]
            else:
                self._deliver(piece, answers)
        self.reruns += reruns

    async def _traced(self, piece: list[tuple[asyncio.Future[R], C]]) -> Sequence[R | Refusal]:
        commands = [command for _, command in piece]
        riders = [self._riders[future] for future, _ in piece if future in self._riders]
        places = [(key, place) for _, key, place in riders if place is not None]
        if not places:
            return await self._answers(commands)
        with tracing.batch("batch", places, attributes={"lane": self.name, "commands": len(commands)}):
            return await self._answers(commands)

    async def _answers(self, commands: list[C]) -> Sequence[R | Refusal]:
        if self._run_one is not None and len(commands) == 1:
            answer = await self._run_one(commands[0])
            if answer is not None:
                return [answer]
        return await self._run(commands)

    def _deliver(self, piece: list[tuple[asyncio.Future[R], C]], answers: Sequence[R | Refusal]) -> None:
        if len(answers) != len(piece):
            message = f"lane {self.name}: {len(answers)} answers to {len(piece)} commands"
            _fail(piece, [RuntimeError(message) for _ in piece])
            return
        for (future, _), answer in zip(piece, answers, strict=True):
            if future.done():
                continue
            if isinstance(answer, Refusal):
                future.set_exception(answer)
            else:
                future.set_result(answer)

    def _steer(self, size: int, took_s: float) -> None:
        if size < self.batch_limit:
            return
        if took_s > self._latency_budget_s:
            floor = max(1, self._batch_max // _LIMIT_FLOOR_PART)
            self.batch_limit = max(floor, self.batch_limit - max(1, self.batch_limit // 4))
        elif took_s < self._latency_budget_s / 2:
            self.batch_limit = min(self._batch_max, self.batch_limit + max(1, self.batch_limit // 8))


class Lanes(Generic[C, R]):
    """Several lanes behind one door, so that as many batches are in flight: a command's key decides its lane.

    Commands of one key keep their order; those of different keys may overtake each other. Lanes help while they lock
    disjoint rows: keep the key to what a command locks (its player).
    """

    def __init__(self, n: int, *, make: Callable[[int], GroupCommit[C, R]], key: Callable[[C], Hashable]) -> None:
        if n < 1:
            raise ValueError(f"at least one lane: {n}")
        self.lanes = tuple(make(i) for i in range(n))
        self._key = key

    async def submit(self, command: C) -> R:
        """As `GroupCommit.submit`, in the lane of the command's key."""
        key = self._key(command)
        return await self.lanes[hash(key) % len(self.lanes)].submit(command, key=key)

    async def close(self) -> None:
        """Drains every lane and refuses what comes later."""
        await asyncio.gather(*(lane.close() for lane in self.lanes))


def _fail(piece: Sequence[tuple[asyncio.Future[R], C]], errors: Sequence[Exception]) -> None:
    """Gives every waiting caller its error; a bug whose caller has left is told to the event loop instead."""
    for (future, _), error in zip(piece, errors, strict=True):
        if not future.done():
            future.set_exception(error)
        elif not isinstance(error, Refusal):
            context = {"message": "a command failed after its caller had left", "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)


def _twin(refusal: Refusal) -> Refusal:
    """The same refusal for another caller: one exception raised in many tasks would mix up their tracebacks."""
    twin = copy(refusal)
    twin.__cause__ = refusal
    return twin
