"""One membership of a group: the partitions that Kafka gives this process, and what comes of them."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from overworld.kernel.clock import Clock
from overworld.platform.kafka import places
from overworld.platform.kafka.arriving import Run, beyond, part_of, runs_of
from overworld.platform.kafka.client import KafkaLost, failing_as_lost
from overworld.platform.kafka.places import Part, Read
from overworld.platform.kafka.thread import Thread, back_on
from overworld.platform.postgres import Database

_POLL_S = 0.1
_WATERMARK_S = 10.0
_CALLBACK_S = 60.0
_WAIT_BEFORE_PAUSE_S = 1.0
_TOLD_EVERY_S = 1.0
_FETCH_MAX = 2_000

Lost = Callable[[str, Part, int, int, int], None]
"""Hears of offsets that are gone: consumer, partition, the offset that came next, the first and the last there is."""

_log = logging.getLogger(__name__)


class Membership:
    """Polls Kafka without a pause, so that the group keeps us, and hands out what came.

    When more than `waiting_max` messages wait, it stops fetching until half of them are taken; a partition whose reader
    is slow is paused, not lost. Partitions that go to another process are first finished with, for `hand_over_s`; after
    that the session is cut, so that nothing of what is in hand can be committed.

    Kafka's client is called in one thread alone. It takes a call at a time, and its callbacks wait for the loop: a call
    from there, while partitions change hands, would wait for what waits for it.
    """

    def __init__(
        self,
        name: str,
        *,
        config: dict[str, Any],
        session: asyncpg.Connection,
        database: Database,
        clock: Clock,
        waiting_max: int,
        hand_over_s: float,
        leave_s: float,
        lost: Lost,
        leaving: set[asyncio.Task[None]],
    ) -> None:
        self._name = name
        self._session = session
        self._database = database
        self._clock = clock
        self._waiting_max = waiting_max
        self._hand_over_s = hand_over_s
        self._leave_s = leave_s
        self._lost = lost
        self._leaving = leaving
        self._loop = asyncio.get_running_loop()
        self._thread = Thread(f"kafka-{name}")
        self._consumer = Consumer(config)
        self._subscribed: frozenset[str] = frozenset()
        self._waiting: deque[Run] = deque()
        self._in_hand: frozenset[Part] = frozenset()
        self._read: dict[Part, Read] = {}
        self._untold: dict[Part, int] = {}
        self._arrived = asyncio.Event()
        self._taken = asyncio.Event()
        self._finished = asyncio.Event()
        self._finished.set()
        self._told_s = 0.0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Membership]:
        """Polls while the block runs, then leaves the group; also when it is cancelled while it does.

        A member that did not leave would keep its partitions from all others for minutes: its client lives on.
        """
        self._pump = asyncio.create_task(self._poll_on(), name=f"kafka-{self._name}")
        try:
            yield self
        finally:
            leaving = asyncio.create_task(self._leave(), name=f"kafka-{self._name}-leaves")
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)
            await asyncio.shield(leaving)

    async def _leave(self) -> None:
        self._in_hand = frozenset()
        self._finished.set()
        self._pump.cancel()
        await asyncio.wait([self._pump])
        try:
            async with asyncio.timeout(self._leave_s):
                await self._thread.call(self._consumer.close)
        except TimeoutError:
            _log.warning("consumer %s leaves its group without a word: the group does not answer", self._name)
        finally:
            self._thread.close()

    async def subscribe(self, topics: frozenset[str]) -> None:
        """Chooses the topics, by Kafka's names."""
        if topics == self._subscribed:
            return
        self._subscribed = topics
        if topics:
            await self._thread.call(
                self._consumer.subscribe,
                sorted(topics),
                on_assign=self._on_assign,
                on_revoke=self._on_revoke,
                on_lost=self._on_lost,
            )
        else:
            await self._thread.call(self._consumer.unsubscribe)

    async def take(self, count_max: int, *, until: asyncio.Event) -> list[Run]:
        """Messages in the order of each partition, once there are any; they are in hand until `done`.

        Maybe none once `until` is set. Raises: what ended the polling.
        """
        await self._until_some(until)
        taken: list[Run] = []
        while self._waiting and count_max > 0:
            run = self._waiting.popleft()
            read = self._read.get(run.part)
            messages = beyond(run.messages, read.offset) if read is not None else []
            if len(messages) > count_max:
                self._waiting.appendleft(Run(run.part, messages[count_max:]))
                messages = messages[:count_max]
            if messages:
                taken.append(Run(run.part, messages))
                count_max -= len(messages)
        self._taken.set()
        self._in_hand = frozenset(run.part for run in taken)
        if taken:
            self._finished.clear()
        return taken

    def read_of(self, part: Part) -> Read:
        """How far a partition in hand has been taken. Raises: KafkaLost when it went to somebody else."""
        found = self._read.get(part)
        if found is None:
            raise KafkaLost(f"{part[0]}/{part[1]} was taken away with events in hand")
        return found

    def know(self, part: Part, read: Read) -> None:
        """Hears how far a partition has been taken."""
        self._read[part] = read

    def done(self) -> None:
        """What was in hand is handled and kept."""
        self._untold.update((part, self._read[part].offset) for part in self._in_hand if part in self._read)
        self._in_hand = frozenset()
        self._finished.set()

    async def _until_some(self, until: asyncio.Event) -> None:
        leaving = asyncio.ensure_future(until.wait())
        try:
            while not self._waiting and not until.is_set():
                if self._pump.done():
                    raise self._pump.exception() or KafkaLost("the polling has ended")
                self._arrived.clear()
                await self._until_arrived(leaving)
        finally:
            leaving.cancel()

    async def _until_arrived(self, leaving: asyncio.Task[Any]) -> None:
        arrived = asyncio.ensure_future(self._arrived.wait())
        try:
            await asyncio.wait([arrived, leaving, self._pump], return_when=asyncio.FIRST_COMPLETED)
        finally:
            arrived.cancel()

    async def _poll_on(self) -> None:
        with failing_as_lost():
            while True:
                await self._thread.call(self._fetch, self._to_tell())
                if self._waiting:
                    self._arrived.set()
                if self._waiting_count() >= self._waiting_max:
                    await self._until_room()

    def _waiting_count(self) -> int:
        """How many messages wait; asked between two polls, as those add to them."""
        return sum(len(run.messages) for run in self._waiting)

    def _to_tell(self) -> list[TopicPartition]:
        """What Kafka is told now and then about how far we are, for its own tools; we never ask it."""
        now_s = self._loop.time()
        if now_s - self._told_s < _TOLD_EVERY_S:
            return []
        self._told_s = now_s
        untold, self._untold = self._untold, {}
        return [TopicPartition(*part, offset) for part, offset in untold.items()]

    def _fetch(self, told: list[TopicPartition]) -> None:
        """Everything that is there, after a short wait for the first.

        Two calls, because one for many waits until it has as many. What came is put down before the next call: that one
        may take partitions away, with what waits of them.
        """
        if told:
            with suppress(KafkaException):  # such as in the middle of a rebalance
                self._consumer.commit(offsets=told, asynchronous=True)
        first = self._consumer.consume(1, _POLL_S)
        self._put(first)
        if first:
            self._put(self._consumer.consume(_FETCH_MAX, 0))

    def _put(self, messages: Sequence[Message]) -> None:
        self._waiting += runs_of(message for message in messages if self._is_sound(message))

    def _is_sound(self, message: Message) -> bool:
        error = message.error()
        if error is not None:
            self._hear(message, error)
        return error is None

    def _hear(self, message: Message, error: KafkaError) -> None:
        if error.code() == KafkaError._AUTO_OFFSET_RESET:
            raise KafkaLost(f"what came next in {part_of(message)} is gone: {error}")
        if error.fatal():
            raise KafkaException(error)
        _log.warning("consumer %s hears from Kafka: %s", self._name, error)

    async def _until_room(self) -> None:
        """Waits until half of what waits is taken; when that takes long, keeps polling with all partitions paused."""
        paused = False
        while not await self._has_room(wait_s=_WAIT_BEFORE_PAUSE_S):
            if not paused:
                _log.info("consumer %s pauses: %d messages wait to be handled", self._name, self._waiting_count())
                paused = True
            await self._thread.call(self._poll_paused)
        if paused:
            await self._thread.call(lambda: self._consumer.resume(self._consumer.assignment()))

    async def _has_room(self, *, wait_s: float) -> bool:
        """However often some is taken meanwhile, it waits no longer than that."""
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                while self._waiting_count() > self._waiting_max // 2:
                    self._taken.clear()
                    await self._taken.wait()
                return True
        return False

    def _poll_paused(self) -> None:
        """What was given to us meanwhile is paused too."""
        self._consumer.pause(self._consumer.assignment())
        self._put(self._consumer.consume(1, 0))

    def _on_assign(self, consumer: Consumer, given: list[TopicPartition]) -> None:
        """In the polling thread: partitions are ours from where we stopped reading them, or somebody else did."""
        with failing_as_lost():
            kept = {_part(one): consumer.get_watermark_offsets(one, timeout=_WATERMARK_S) for one in given}
            starts = back_on(self._loop, self._open(kept), timeout_s=_CALLBACK_S)
            consumer.incremental_assign([TopicPartition(*part, offset) for part, offset in starts.items()])

    def _on_revoke(self, consumer: Consumer, taken: list[TopicPartition]) -> None:
        self._give_up(consumer, taken, wait_s=self._hand_over_s)

    def _on_lost(self, consumer: Consumer, taken: list[TopicPartition]) -> None:
        """The group has given them to others already."""
        self._give_up(consumer, taken, wait_s=0)

    def _give_up(self, consumer: Consumer, taken: list[TopicPartition], *, wait_s: float) -> None:
        parts = frozenset(map(_part, taken))
        with failing_as_lost():
            back_on(self._loop, self._let_go(parts, wait_s=wait_s), timeout_s=_CALLBACK_S + wait_s)
            consumer.incremental_unassign(taken)

    async def _open(self, kept: dict[Part, tuple[int, int]]) -> dict[Part, int]:
        """Where to begin in each partition. What is gone, because it was not read in time, is told loudly."""
        self._drop_waiting(kept.keys())
        at = self._clock.now()
        firsts = {part: first for part, (first, _) in kept.items()}
        async with self._database.read() as tx:
            found = await places.open_places(tx, self._name, firsts, at=at)
            for part, (first, last) in kept.items():
                read = found[part]
                if not first <= read.offset <= last:
                    self._lost(self._name, part, read.offset, first, last)
                    await places.put(tx, self._name, part, offset=first, at=at)
                    found[part] = Read(first, read.seen)
        self._read.update(found)
        return {part: read.offset for part, read in found.items()}

    async def _let_go(self, parts: frozenset[Part], *, wait_s: float) -> None:
        """Forgets what waits of some partitions, and waits for what is in hand of them; then the session is cut."""
        self._drop_waiting(parts)
        if self._in_hand & parts:
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._finished.wait()
        if self._in_hand & parts:
            _log.warning("consumer %s loses partitions with events in hand", self._name)
            self._session.terminate()
        for part in parts:
            self._read.pop(part, None)
            self._untold.pop(part, None)

    def _drop_waiting(self, parts: AbstractSet[Part]) -> None:
        """In a callback: the polling thread adds nothing meanwhile."""
        staying = [run for run in self._waiting if run.part not in parts]
        self._waiting.clear()
        self._waiting.extend(staying)
        self._taken.set()


def _part(one: TopicPartition) -> Part:
    return one.topic, one.partition
