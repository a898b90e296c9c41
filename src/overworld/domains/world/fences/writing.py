"""What fences tell on its way to the log: none is dropped, and what is kept agrees with what was told.

An event counts when it changes what is kept (`world.fence_inside`), and then it is written in the same transaction.
So the log alternates for each player and fence, whatever happens to a process: what one had seen and could not write is
seen again by the next fix. When another server was quicker, or the fence got another shape meanwhile, an event changes
nothing and is not written; the player's fences are then read again before its next fix is judged.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import islice
from typing import Literal, NamedTuple
from uuid import UUID

from msgspec import Struct

from overworld.domains.world.fences import store
from overworld.domains.world.fences.kernels import CROSSED, DWELT, ENTERED, LEFT
from overworld.domains.world.fences.messages import ZoneCrossed, ZoneDwelt, ZoneEntered, ZoneLeft
from overworld.domains.world.fences.store import Pair, Stay
from overworld.kernel.cancelling import end_if_cancelled
from overworld.kernel.clock import Clock, from_us
from overworld.kernel.ports import Outbox, Tx
from overworld.kernel.refusals import Busy, Fault
from overworld.kernel.waiting import Marks
from overworld.platform.postgres import Database, run_again

BATCH_MAX = 5_000
_RUNS_MAX = 8
_AGAIN_S = 0.2
_AFTER_BUG_S = 5.0
_OWN_MAX = 200_000
_log = logging.getLogger(__name__)

ZoneEvent = ZoneEntered | ZoneLeft | ZoneCrossed | ZoneDwelt


class Seen(NamedTuple):
    """What a pass saw: a kind of `kernels`, whose, and which fence as it was then."""

    kind: int
    pair: Pair
    name: str
    shape_number: int
    dwell_s: int | None
    since_us: int
    time_us: int


class _Raced(Exception):
    """Another server began a stay while this transaction ran: run again, now it is seen."""


class Settled(Struct, frozen=True):
    """What became of a batch: the events that were written, and whose seen ones changed nothing."""

    events: list[ZoneEvent]
    stale: set[UUID]


class Writer:
    """A queue of what was seen. `made` were put in, `written` are in the log, `void` changed nothing.

    It drains by itself as soon as something is put. `is_full` says that no more should come (from `waiting_max` on,
    until half of that is written) and `on_full` hears of each change; what is put is taken all the same. `on_stale`
    hears whose fences must be read again. `refused` counts how often it was full: then fixes are, not events.
    """

    def __init__(self, *, database: Database, outbox: Outbox, clock: Clock, waiting_max: int, follows: bool) -> None:
        self.made = self.written = self.void = 0
        self.on_full: Callable[[], None] = _nothing
        self.on_stale: Callable[[Sequence[UUID]], None] = _ignore
        self._database = database
        self._outbox = outbox
        self._clock = clock
        self.waiting_max = waiting_max
        self.refused = 0
        self._marks = Marks(monotonic_s=clock.monotonic_s)
        self._follows = follows
        self._waiting: deque[Seen] = deque()
        self._own: Counter[tuple[str, UUID, UUID, int]] = Counter()
        self._draining: asyncio.Task[None] | None = None
        self._writing = asyncio.Lock()
        self.is_full = False

    @property
    def waiting(self) -> int:
        """How many are not settled yet."""
        return len(self._waiting)

    @property
    def oldest_s(self) -> float:
        """For how long the first of them has waited."""
        return self._marks.oldest_s

    def put(self, seen: Iterable[Seen]) -> None:
        """Queues what was seen, in order."""
        before = len(self._waiting)
        self._waiting.extend(seen)
        self.made += len(self._waiting) - before
        self._marks.put(len(self._waiting) - before)
        if len(self._waiting) >= self.waiting_max and not self.is_full:
            self.is_full = True
            self.refused += 1
            self.on_full()
        if self._waiting and self._draining is None:
            self._draining = asyncio.get_running_loop().create_task(self._drain(), name="world.fence_events")

    async def write(self) -> None:
        """Settles everything that waits. Raises: Fault, and then what is left still waits."""
        async with self._writing:
            while self._waiting:
                batch = list(islice(self._waiting, BATCH_MAX))
                settled = await self._settle(batch)
                for _ in batch:
                    self._waiting.popleft()
                self._marks.take(len(batch))
                self.written += len(settled.events)
                self.void += len(batch) - len(settled.events)
                if settled.stale:
                    self.on_stale(sorted(settled.stale))
                if self.is_full and len(self._waiting) < self.waiting_max // 2:
                    self.is_full = False
                    self.on_full()

    def is_own(self, event: ZoneEvent) -> bool:
        """Whether this process wrote an event that comes out of the log; asked once for each."""
        key = _name_of(event)
        if key not in self._own:
            return False
        self._own[key] -= 1
        if self._own[key] <= 0:
            del self._own[key]
        return True

    async def stop(self) -> None:
        """Writes no more by itself."""
        if self._draining is not None:
            self._draining.cancel()
            await asyncio.gather(self._draining, return_exceptions=True)

    async def _drain(self) -> None:
        while self._waiting:
            try:
                await self.write()
            except (Fault, Busy) as error:
                end_if_cancelled()
                _log.warning("fence events wait: %s", error)
                await asyncio.sleep(_AGAIN_S)
            except Exception:
                end_if_cancelled()
                _log.exception("writing fence events failed")
                await asyncio.sleep(_AFTER_BUG_S)
        self._draining = None

    async def _settle(self, batch: Sequence[Seen]) -> Settled:
        """Six round trips at most, however many there are."""
        once = partial(self._settle_once, batch)
        for _ in range(_RUNS_MAX - 1):
            try:
                return await run_again(once)
            except _Raced:
                continue
        return await run_again(once)

    async def _settle_once(self, batch: Sequence[Seen]) -> Settled:
        at = self._clock.now()
        names: list[tuple[str, UUID, UUID, int]] = []
        try:
            async with self._database.transaction() as tx:
                shapes = await store.shapes_of(tx, sorted({one.pair.fence_id for one in batch}))
                before = await store.stays(tx, sorted({one.pair for one in batch}))
                settled, after = decide(batch, shapes=shapes, before=before)
                await _keep(tx, before=before, after=after)
                if self._follows and len(self._own) < _OWN_MAX:
                    names = [_name_of(event) for event in settled.events]
                    self._own.update(names)
                await self._outbox.append(tx, settled.events, at=at)
        except BaseException:
            self._own -= Counter(names)
            raise
        return settled


def decide(
    batch: Sequence[Seen], *, shapes: dict[UUID, int], before: dict[Pair, Stay]
) -> tuple[Settled, dict[Pair, Stay]]:
    """Which of what was seen counts, in order, and the stays after it; pure."""
    stays, events, stale = dict(before), list[ZoneEvent](), set[UUID]()
    for one in batch:
        event = _event(one, stays) if shapes.get(one.pair.fence_id) == one.shape_number else None
        if event is None:
            stale.add(one.pair.player_id)
        else:
            events.append(event)
    return Settled(events, stale), stays


def left(pair: Pair, since_us: int, *, name: str, at_us: int, reason: Literal["changed", "deleted"]) -> ZoneLeft:
    """The end of a stay in a fence that is no longer what it was."""
    return ZoneLeft(
        player_id=pair.player_id, fence_id=pair.fence_id, name=name, at=from_us(at_us), entered_at=from_us(since_us),
        reason=reason,
    )  # fmt: skip


def _event(one: Seen, stays: dict[Pair, Stay]) -> ZoneEvent | None:
    """The event, after what it means for the stays; None when it means nothing any more."""
    pair, at = one.pair, from_us(one.time_us)
    stay = stays.get(pair)
    if one.kind == ENTERED and stay is None:
        stays[pair] = Stay(one.since_us, dwelt=False)
        return ZoneEntered(player_id=pair.player_id, fence_id=pair.fence_id, name=one.name, at=at)
    if one.kind == CROSSED and stay is None:
        return ZoneCrossed(player_id=pair.player_id, fence_id=pair.fence_id, name=one.name, at=at)
    if one.kind == LEFT and stay is not None:
        del stays[pair]
        return ZoneLeft(
            player_id=pair.player_id, fence_id=pair.fence_id, name=one.name, at=at, entered_at=from_us(stay.since_us)
        )
    if one.kind == DWELT and stay is not None and not stay.dwelt and one.dwell_s is not None:
        stays[pair] = Stay(stay.since_us, dwelt=True)
        return ZoneDwelt(
            player_id=pair.player_id, fence_id=pair.fence_id, name=one.name, at=at, entered_at=from_us(stay.since_us),
            dwell_s=one.dwell_s,
        )  # fmt: skip
    return None


async def _keep(tx: Tx, *, before: dict[Pair, Stay], after: dict[Pair, Stay]) -> None:
    """Raises: _Raced."""
    if ended := sorted(before.keys() - after.keys()):
        await store.end(tx, ended)
    if changed := [(pair, stay) for pair, stay in after.items() if pair in before and before[pair] != stay]:
        await store.change(tx, changed)
    begun = [(pair, stay) for pair, stay in after.items() if pair not in before]
    if begun and await store.begin(tx, begun) < len(begun):
        raise _Raced


def _name_of(event: ZoneEvent) -> tuple[str, UUID, UUID, int]:
    return event.topic, event.player_id, event.fence_id, round(event.at.timestamp() * 1_000_000)


def _ignore(_player_ids: Sequence[UUID]) -> None:
    """What is heard before anybody listens."""


def _nothing() -> None:
    """The same."""
