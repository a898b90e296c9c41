"""Fixes on their way into history: chosen by the pass, kept within a bound, and written in batches by COPY."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Collection, Sequence
from datetime import date
from itertools import islice
from uuid import UUID

import numpy as np

from overworld.domains.world.engine.engine import Pass
from overworld.domains.world.engine.players import Players
from overworld.domains.world.engine.verdicts import TELL_MOVED
from overworld.domains.world.history import store
from overworld.domains.world.history.days import kept_days, make_days
from overworld.domains.world.history.types import HistorySettings, Sample
from overworld.domains.world.rules import OWN_TIMELINE
from overworld.geo import cells as geo_cells
from overworld.kernel.clock import Clock, from_us
from overworld.kernel.waiting import Marks
from overworld.platform.postgres import CheckViolation, Database

_BATCH_MAX = 10_000


class Recorder:
    """A bounded queue of fixes; a crash loses those not yet written, as it loses the positions.

    `written` counts those that are kept, `dropped` those that came while the queue was full or could not be written
    before the end, `late` those of days that are not kept.
    """

    def __init__(
        self, *, players: Players, database: Database, clock: Clock, settings: HistorySettings, coarse_level: int
    ) -> None:
        self.written = 0
        self.dropped = 0
        self.late = 0
        self._players = players
        self._database = database
        self._clock = clock
        self._settings = settings
        self._coarse_level = coarse_level
        self._marks = Marks(monotonic_s=clock.monotonic_s)
        self._waiting: deque[Sample] = deque()
        self._days: frozenset[date] = frozenset()
        self._writing = asyncio.Lock()

    @property
    def waiting(self) -> int:
        """How many fixes are not written yet."""
        return len(self._waiting)

    @property
    def waiting_max(self) -> int:
        """How many may wait."""
        return self._settings.waiting_max

    @property
    def oldest_s(self) -> float:
        """For how long the first of them has waited."""
        return self._marks.oldest_s

    @property
    def refused(self) -> int:
        """How many were dropped."""
        return self.dropped

    def tell(self, batch: Pass) -> None:
        """Queues the fixes of a pass that are told as `events.location.updated`, none on a time line of its own."""
        if self._settings.precision == "none":
            return
        rows = ((batch.judged["tell"] == TELL_MOVED) & (batch.fix["flags"] & OWN_TIMELINE == 0)).nonzero()[0]
        if rows.size == 0:
            return
        room = self._settings.waiting_max - len(self._waiting)
        self.dropped += max(0, rows.size - room)
        self._marks.put(min(rows.size, room))
        fix, cell = batch.fix[rows[:room]], batch.judged["cell"][rows[:room]].astype(np.int64)
        columns = (fix["slot"], fix["time_us"], fix["lat_deg"], fix["lng_deg"], cell, fix["accuracy_m"])
        for slot, time_us, *place, bits, accuracy_m in zip(*(column.tolist() for column in columns), strict=True):
            self._waiting.append(
                Sample(
                    self._players.id(slot),
                    from_us(time_us),
                    *self._kept_place(*place),
                    bits,
                    None if math.isnan(accuracy_m) or self._is_coarse else accuracy_m,
                )
            )

    async def write(self) -> None:
        """Writes what waits, in batches of one transaction each; one call at a time, others wait for it.

        Raises: Fault, and then what is left still waits.
        """
        async with self._writing:
            while self._waiting:
                samples = list(islice(self._waiting, _BATCH_MAX))
                try:
                    await self._add(samples)
                except CheckViolation:
                    self._days = frozenset()  # another server has taken a day out: look again
                    await self._add(samples)
                for _ in samples:
                    self._waiting.popleft()
                self._marks.take(len(samples))

    async def forget(self, player_ids: Collection[UUID]) -> None:
        """Erases players: those of their fixes that wait, and those that are written, a COPY in flight included.

        Raises: Fault; nothing of theirs waits any more, and it has to be asked for again.
        """
        async with self._writing:
            before = len(self._waiting)
            self._waiting = deque(sample for sample in self._waiting if sample.player_id not in player_ids)
            self._marks.take(before - len(self._waiting))
            async with self._database.transaction() as tx:
                await store.erase(tx, sorted(player_ids))

    def give_up(self) -> None:
        """Counts what waits as lost: the server ends."""
        self.dropped += len(self._waiting)
        self._marks.take(len(self._waiting))
        self._waiting.clear()

    @property
    def _is_coarse(self) -> bool:
        return self._settings.precision == "coarse"

    def _kept_place(self, lat_deg: float, lng_deg: float) -> tuple[float, float]:
        if not self._is_coarse:
            return lat_deg, lng_deg
        return geo_cells.centre_deg(geo_cells.cell_of(lat_deg, lng_deg, self._coarse_level))

    async def _add(self, samples: Sequence[Sample]) -> None:
        first, last = kept_days(self._clock.now(), self._settings)
        wanted = {day for sample in samples if first <= (day := sample.recorded_at.date()) <= last}
        if not wanted <= self._days:
            self._days = await make_days(self._database, wanted)
        kept = [sample for sample in samples if (day := sample.recorded_at.date()) in wanted and day in self._days]
        if kept:
            async with self._database.transaction() as tx:
                await store.add(tx, kept)
        self.written += len(kept)
        self.late += len(samples) - len(kept)
