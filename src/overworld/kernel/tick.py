"""The tick: what is true only now (positions, zones, presence) moves in passes over columns.

Inputs land as bytes side by side, each of one or more records. A pass takes all of them through the stages at once;
what became visible is published at a slower cadence. Nothing in either may wait: no I/O, no await. The event loop's
thread owns the state.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from msgspec import Struct

from overworld.kernel import tracing
from overworld.kernel.refusals import Busy

_SOON_S = 0.0005
_NEVER_S = float("inf")


class Timer(Protocol):
    """A callback that was asked for and can be called off."""

    def cancel(self) -> None: ...


class Timers(Protocol):
    """The part of an asyncio event loop that a tick uses."""

    def call_soon(self, callback: Callable[[], None], /) -> Timer: ...

    def call_later(self, delay: float, callback: Callable[[], None], /) -> Timer: ...


class Batch(Struct, frozen=True):
    """What the first stage gets: what was put since the last pass side by side, how many records that is, and the
    pass's number from 1.
    """

    inbox: bytearray
    count: int
    tick: int


class Stage(Struct, frozen=True):
    """One step of a pass: a pure function of columns. It gets what the stage before it gave."""

    name: str
    run: Callable[[Any], Any]


class Tick:
    """Runs a pass when there is input and the last pass ended at least `gap_s` ago: a lonely record runs at once.

    A loop that reads a thousand sockets comes to its timers only afterwards. So whoever puts what it reads there calls
    `keep_up` from `latest_s` on: when the first record has waited for `gap_s`, the pass runs between two reads.

    A pass that begins more than `gap_s` after it was due is counted in `late`, one that takes longer than `budget_s` in
    `over_budget`; both are counted, never hidden, and nothing is skipped to catch up. When a stage raises, `failed` is
    called with the error, the pass's records are lost, and the error goes to the loop's exception handler. `on_pass`,
    when somebody sets it, hears of each pass: how late it began and how long it took, in seconds.

    `waiting` is how many records the coming pass will take. The counters are public: `passes`, `records`, `late`,
    `late_max_s`, `over_budget`, `longest_s`, `refused_full`, `broken`, and `stage_s`, the seconds spent in each
    stage so far.
    """

    def __init__(
        self,
        *,
        name: str,
        stages: Sequence[Stage],
        failed: Callable[[Exception], None],
        loop: Timers,
        monotonic_s: Callable[[], float],
        records_max: int = 65_536,
        gap_s: float = 0.002,
        budget_s: float = 0.01,
    ) -> None:
        self.name = name
        self.passes = self.records = self.late = self.over_budget = self.refused_full = self.broken = 0
        self.late_max_s = self.longest_s = 0.0
        self.stage_s = dict.fromkeys((stage.name for stage in stages), 0.0)
        self._stages = tuple(stages)
        self._failed = failed
        self._loop = loop
        self._monotonic_s = monotonic_s
        self._records_max = records_max
        self._gap_s = gap_s
        self._budget_s = budget_s
        self._limit = records_max
        self._inbox = bytearray()
        self.waiting = 0
        self._timer: Timer | None = None
        self._running = False
        self._due_s = 0.0
        self.latest_s = _NEVER_S
        self._ended_s = float("-inf")
        self.on_pass: Callable[[float, float], None] | None = None

    @property
    def waiting_max(self) -> int:
        """How many records may wait."""
        return self._records_max

    @property
    def oldest_s(self) -> float:
        """For how long the first of them has waited."""
        return max(0.0, self._monotonic_s() - (self.latest_s - self._gap_s)) if self.waiting else 0.0

    @property
    def refused(self) -> int:
        """How many were refused because too many waited."""
        return self.refused_full

    def put(self, data: bytes, records: int = 1) -> None:
        """Queues one input of so many records. Raises: Busy when they do not all fit; then none is queued."""
        if self.waiting + records > self._limit:
            self.refused_full += records
            raise Busy(f"{self.name} takes no more for the moment")
        self._inbox += data
        self.waiting += records
        if self._timer is None and not self._running:
            self._schedule()

    def hold(self, is_held: bool) -> None:
        """Takes no more input while somebody behind the passes is full; `put` refuses it. What waits is still run."""
        self._limit = -1 if is_held else self._records_max

    def keep_up(self) -> None:
        """Runs a pass now if one waits. Raises nothing: its errors, too, go to the loop's exception handler."""
        if self._timer is None:
            return
        self._timer.cancel()
        try:
            self._run()
        except Exception as error:
            self._loop.call_soon(partial(_raise, error))

    def flush(self) -> None:
        """Runs a pass now if anything waits; for the end of a server's life."""
        if self._timer is not None:
            self._timer.cancel()
            self._run()

    def _schedule(self) -> None:
        now_s = self._monotonic_s()
        wait_s = self._ended_s + self._gap_s - now_s
        self.latest_s = now_s + self._gap_s
        if wait_s < _SOON_S:
            self._due_s = now_s
            self._timer = self._loop.call_soon(self._run)
        else:
            self._due_s = now_s + wait_s
            self._timer = self._loop.call_later(wait_s, self._run)

    def _run(self) -> None:
        taken, self._inbox = self._inbox, bytearray()
        count, self.waiting = self.waiting, 0
        self._timer = None
        self.latest_s = _NEVER_S
        self._running = True
        self.passes += 1
        self.records += count
        started_s = self._monotonic_s()
        try:
            # Whoever put the first record had the pass scheduled: its trace is not that of the others.
            with tracing.at(None):
                self._through_stages(Batch(taken, count, self.passes), started_s)
        except Exception as error:
            self.broken += 1
            self._failed(error)
            raise
        finally:
            self._ended_s = self._monotonic_s()
            self._count(late_s=started_s - self._due_s, took_s=self._ended_s - started_s)
            self._running = False
            if self._inbox:
                self._schedule()

    def _through_stages(self, value: Any, began_s: float) -> None:
        for stage in self._stages:
            value = stage.run(value)
            ended_s = self._monotonic_s()
            self.stage_s[stage.name] += ended_s - began_s
            began_s = ended_s

    def _count(self, *, late_s: float, took_s: float) -> None:
        self.late += late_s > self._gap_s
        self.late_max_s = max(self.late_max_s, late_s)
        self.over_budget += took_s > self._budget_s
        self.longest_s = max(self.longest_s, took_s)
        if self.on_pass is not None:
            self.on_pass(max(0.0, late_s), took_s)


class Cadence:
    """Publishes what changed, a slice every `every_s / slices`, so that no burst blocks the loop.

    `publish(i)` publishes what changed of slice i and answers whether anything is left in any slice. While something
    is, each slice has its turn once in `every_s`; when nothing is left the cadence sleeps until `wake`, and then begins
    with slice 0. A turn that begins more than `every_s` late is counted in `late`.
    """

    def __init__(
        self,
        *,
        publish: Callable[[int], bool],
        loop: Timers,
        monotonic_s: Callable[[], float],
        every_s: float = 0.1,
        slices: int = 20,
    ) -> None:
        self.turns = self.late = 0
        self._publish = publish
        self._loop = loop
        self._monotonic_s = monotonic_s
        self._every_s = every_s
        self._step_s = every_s / slices
        self._slices = slices
        self._slice = 0
        self._timer: Timer | None = None
        self._due_s = 0.0

    def wake(self) -> None:
        """Says that something changed; cheap, and without effect while the cadence runs."""
        if self._timer is None:
            self._slice = 0
            self._due_s = self._monotonic_s() + self._step_s
            self._timer = self._loop.call_later(self._step_s, self._turn)

    def stop(self) -> None:
        """Publishes no more until the next `wake`."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _turn(self) -> None:
        now_s = self._monotonic_s()
        self.turns += 1
        self.late += now_s - self._due_s > self._every_s
        mine, self._slice = self._slice, (self._slice + 1) % self._slices
        self._due_s = max(self._due_s + self._step_s, now_s)
        self._timer = self._loop.call_later(self._due_s - now_s, self._turn)
        with tracing.at(None):
            if not self._publish(mine):
                self.stop()


def _raise(error: Exception) -> None:
    raise error
