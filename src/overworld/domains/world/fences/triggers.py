"""The stage `trigger` of the tick: fences over the fixes that a pass accepted, and what verdicts tell of that."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from overworld.domains.world.engine.engine import Engine, Pass
from overworld.domains.world.engine.inbox import NOBODY
from overworld.domains.world.engine.players import NO_SLOT
from overworld.domains.world.engine.verdicts import GONE
from overworld.domains.world.fences import store
from overworld.domains.world.fences.index import Index
from overworld.domains.world.fences.kernels import CROSSED, DWELT, ENTERED, LEFT, WAITS
from overworld.domains.world.fences.store import Pair
from overworld.domains.world.fences.tracking import Inside, Tracking
from overworld.domains.world.fences.writing import Seen, Writer, ZoneEvent
from overworld.domains.world.messages import Trigger, Verdict
from overworld.domains.world.rules import SECOND_US
from overworld.kernel.cancelling import end_if_cancelled
from overworld.kernel.refusals import Busy, Fault
from overworld.platform.postgres import Database

TYPES = {ENTERED: "zone.entered", LEFT: "zone.left", CROSSED: "zone.crossed", DWELT: "zone.dwelt"}
READ_MAX = 5_000
_AGAIN_S = 0.2
_NONE: tuple[Trigger, ...] = ()
_log = logging.getLogger(__name__)


class _Waiting(Struct):
    """Fixes of players whose fences are being read: rows as they were judged, and who waits for a verdict on each."""

    fix: list[NDArray[Any]]
    judged: list[NDArray[Any]]
    count: int = 0


class _Held(NamedTuple):
    """A verdict that waits for its triggers."""

    verdict: asyncio.Future[Verdict]
    cell: str


class Triggers:
    """Judges fixes by fences. Call `run` in each pass after the moves; then `of` and `hold` speak of its rows.

    A player who is new to this process, or of whom another server has told something, has its fences read before its
    next fix is judged by them; until then its fixes wait here, in order, and so do verdicts that somebody waits for:
    those no longer than the first reading that fails.
    """

    def __init__(
        self, *, engine: Engine, database: Database, writer: Writer, waiting_max: int, fix_kept_s: int
    ) -> None:
        self.tracking = Tracking(engine.players)
        self.writer = writer
        self.on_full: Callable[[bool], None] = _ignore
        self.follow: Callable[[], Awaitable[None]] = _nothing
        self._engine = engine
        self._database = database
        self.waiting_max = waiting_max
        self.refused = 0
        self._since_s: float | None = None
        self._fix_kept_us = fix_kept_s * SECOND_US
        self._told: dict[int, list[Trigger]] = {}
        self._waits: dict[int, int] = {}
        self._waiting = _Waiting([], [])
        self._held: dict[int, _Held] = {}
        self._heard: set[UUID] = set()
        self._reading: asyncio.Task[None] | None = None
        self._is_full = False
        writer.on_stale = self.forget
        writer.on_full = self._press

    @property
    def waiting(self) -> int:
        """How many fixes wait until it is known which fences their players are in."""
        return self._waiting.count

    @property
    def oldest_s(self) -> float:
        """For how long some have waited without a break."""
        return time.monotonic() - self._since_s if self._since_s is not None else 0.0

    def run(self, batch: Pass) -> Pass:
        """Compares every accepted fix with the fences, and queues what comes of it."""
        if self._told:
            self._told = {}
        if self._waits:
            self._waits = {}
        hits = self.tracking.run(batch)
        if hits.size:
            self._take(batch, hits)
        return batch

    def of(self, row: int) -> tuple[Trigger, ...]:
        """What the fix in a row of the last pass set off."""
        told = self._told.get(row)
        return tuple(told) if told else _NONE

    def hold(self, row: int, verdict: asyncio.Future[Verdict], cell: str) -> bool:
        """Whether the fix in a row of the last pass waits; then its verdict is told from here, later."""
        number = self._waits.get(row)
        if number is None:
            return False
        self._held[number] = _Held(verdict, cell)
        return True

    def look(self, *, now_us: int) -> None:
        """Tells who has dwelt, among those who are silent for less than a while."""
        hits = self.tracking.dwelt(now_us=now_us, fixed_since_us=now_us - self._fix_kept_us)
        if hits.size:
            self.writer.put(self._seen(hits))

    def put(self, index: Index) -> None:
        """Judges by other fences from the next pass on."""
        self.tracking.put(index)

    def hear(self, events: Iterable[ZoneEvent]) -> None:
        """Learns what the log says; of players of ours about whom another server wrote, the fences are read again."""
        self.forget({event.player_id for event in events if not self.writer.is_own(event)})

    def forget(self, player_ids: Iterable[UUID]) -> None:
        """Has the fences of players read before their next fix is judged."""
        ids = list(player_ids)
        slots = [slot for slot in map(self._engine.players.slot, ids) if slot != NO_SLOT]
        if slots:
            self.tracking.forget(slots)
        if self._reading is not None:
            self._heard.update(ids)

    async def stop(self) -> None:
        """Reads for nobody any more; verdicts that are held are told as they are."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        self._let_go()

    async def settle(self) -> None:
        """Waits until nothing waits here, and everything seen is written. Raises: Fault."""
        while self._reading is not None:
            await asyncio.wait([self._reading])
        await self.writer.write()

    def _take(self, batch: Pass, hits: NDArray[Any]) -> None:
        """Queues what was seen, and puts aside what has to wait."""
        is_waiting = hits["kind"] == WAITS
        if is_waiting.any():
            self._put_aside(batch, hits["row"][is_waiting])
            hits = hits[~is_waiting]
        if not hits.size:
            return
        seen = self._seen(hits)
        self.writer.put(seen)
        is_single = batch.fix["reporter"][hits["row"]] == NOBODY
        if is_single.any():
            for k, row in zip(is_single.nonzero()[0].tolist(), hits["row"][is_single].tolist(), strict=True):
                self._told.setdefault(row, []).append(_trigger(seen[k]))

    def _seen(self, hits: NDArray[Any]) -> list[Seen]:
        """What the log has to say of hits, in their order."""
        listed, players = self.tracking.index.listed, self._engine.players
        names = ("kind", "slot", "fence", "since_us", "time_us")
        seen = []
        for kind, slot, row, since_us, time_us in zip(*(hits[name].tolist() for name in names), strict=True):
            fence = listed[row]
            if fence is None:
                raise LookupError(f"no fence in row {row}")
            pair = Pair(players.id(slot), fence.id)
            seen.append(Seen(kind, pair, fence.name, fence.shape_number, fence.dwell_s, since_us, time_us))
        return seen

    def _put_aside(self, batch: Pass, rows: NDArray[Any]) -> None:
        waiting = self._waiting
        self._waits = dict(zip(rows.tolist(), range(waiting.count, waiting.count + rows.size), strict=True))
        waiting.fix.append(batch.fix[rows])
        waiting.judged.append(batch.judged[rows])
        waiting.count += rows.size
        self._press()
        if self._reading is None:
            self._reading = asyncio.get_running_loop().create_task(self._read_all(), name="world.fences_of_players")

    async def _read_all(self) -> None:
        """Reads for as long as somebody waits."""
        while self._waiting.count:
            try:
                await self._read()
            except (Fault, Busy) as error:
                end_if_cancelled()
                _log.warning("cannot read who is in which fence: %s", error)
                self._let_go()
                await asyncio.sleep(_AGAIN_S)
            except Exception:
                end_if_cancelled()
                self._let_go()
                _log.exception("reading who is in which fence failed")
                await asyncio.sleep(_AGAIN_S)
        self._reading = None

    async def _read(self) -> None:
        """Reads the fences of some who wait, and judges their fixes.

        What this process has seen of them is written before: else it would be read too early.
        """
        player_ids = self._unknown()
        self._heard.clear()
        await self.writer.write()
        kept = await self._kept(list(player_ids))
        rows = self.tracking.index.row
        if any(pair.fence_id not in rows for pair, _ in kept):
            await self.follow()
            kept, rows = await self._kept(list(player_ids)), self.tracking.index.row
        read = {player_id: slot for player_id, slot in player_ids.items() if player_id not in self._heard}
        # A slot may have been given away meanwhile.
        read = {one: slot for one, slot in read.items() if self._engine.players.slot(one) == slot}
        inside = [
            Inside(read[pair.player_id], rows[pair.fence_id], stay.since_us, stay.dwelt)
            for pair, stay in kept
            if pair.player_id in read and pair.fence_id in rows
        ]
        self.tracking.install(list(read.values()), inside)
        self._judge_waiting()

    def _unknown(self) -> dict[UUID, int]:
        """Some of those who wait and are not known, with their slots."""
        players, fix = self._engine.players, np.concatenate(self._waiting.fix)
        is_current = players.generation[fix["slot"]] == fix["generation"]
        slots = np.unique(fix["slot"][is_current])[:READ_MAX].tolist()
        return {players.id(slot): slot for slot in slots if not self.tracking.is_known(slot)}

    async def _kept(self, player_ids: Sequence[UUID]) -> list[tuple[Pair, store.Stay]]:
        if not player_ids:
            return []
        async with self._database.read() as tx:
            return await store.of_players(tx, player_ids)

    def _judge_waiting(self) -> None:
        """Judges what waits, in order; who is still unknown goes on waiting."""
        waiting, held = self._waiting, self._held
        self._waiting, self._held = _Waiting([], []), {}
        fix, judged = np.concatenate(waiting.fix), np.concatenate(waiting.judged)
        generation = self._engine.players.generation[fix["slot"]]
        # The fix of somebody who was forgotten meanwhile is nobody's.
        judged["reason"][generation != fix["generation"]] = GONE
        self.run(Pass(fix=fix, judged=judged, now_us=0))
        for number, one in held.items():
            if not self.hold(number, one.verdict, one.cell):
                _tell(one, self.of(number))
        self._told, self._waits = {}, {}
        self._press()

    def _press(self) -> None:
        """Lets no more fixes in while too much waits here or to be written."""
        self._since_s = (self._since_s or time.monotonic()) if self._waiting.count else None
        is_full = self.writer.is_full or self._waiting.count >= self.waiting_max
        if is_full != self._is_full:
            self._is_full = is_full
            self.refused += is_full
            self.on_full(is_full)

    def _let_go(self) -> None:
        held, self._held = self._held, {}
        for one in held.values():
            _tell(one, _NONE)


def _tell(held: _Held, triggers: tuple[Trigger, ...]) -> None:
    if not held.verdict.done():
        held.verdict.set_result(Verdict(accepted=True, cell=held.cell, triggers=triggers))


def _trigger(seen: Seen) -> Trigger:
    return Trigger(type=TYPES[seen.kind], fence_id=seen.pair.fence_id, name=seen.name)


def _ignore(_is_full: bool) -> None:
    """What is heard before anybody listens."""


async def _nothing() -> None:
    """What `follow` is until the fences have a service."""
