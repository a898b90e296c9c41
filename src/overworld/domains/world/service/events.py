"""What is told of movement: events chosen by the pass, kept within a bound, and written in batches later."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from itertools import islice
from typing import NamedTuple

from overworld.domains.world.engine.engine import Engine, Pass
from overworld.domains.world.engine.verdicts import TELL_MOVED
from overworld.domains.world.messages import LocationUpdated, MovementObserved, MovementRejected
from overworld.domains.world.service.observed import events_of
from overworld.domains.world.types import Reason
from overworld.geo import cells as geo_cells
from overworld.kernel.clock import Clock, from_us
from overworld.kernel.ports import Outbox
from overworld.kernel.waiting import Marks
from overworld.platform.postgres import Database

_BATCH_MAX = 5_000


class _Row(NamedTuple):
    """What of one fix goes into its event; an accuracy that the client did not tell is NaN."""

    tell: int
    slot: int
    time_us: int
    lat_deg: float
    lng_deg: float
    accuracy_m: float
    cell: int
    reason: int
    amount: float
    speed_m_s: float


class MovementEvents:
    """A bounded queue of events on their way to the log. What comes when it is full is counted in `dropped`.

    They are samples of what is in memory only: a crash loses those not yet written, as it loses the positions.
    """

    def __init__(self, *, engine: Engine, database: Database, outbox: Outbox, clock: Clock, waiting_max: int) -> None:
        self.dropped = 0
        self._engine = engine
        self._players = engine.players
        self._database = database
        self._outbox = outbox
        self._clock = clock
        self.waiting_max = waiting_max
        self._marks = Marks(monotonic_s=clock.monotonic_s)
        self._waiting: deque[LocationUpdated | MovementRejected | MovementObserved] = deque()
        self._writing = asyncio.Lock()

    @property
    def waiting(self) -> int:
        """How many events are not written yet."""
        return len(self._waiting)

    @property
    def oldest_s(self) -> float:
        """For how long the first of them has waited."""
        return self._marks.oldest_s

    @property
    def refused(self) -> int:
        """How many were dropped."""
        return self.dropped

    def tell(self, batch: Pass) -> None:
        """Queues the events that a pass has chosen."""
        rows = batch.judged["tell"].nonzero()[0]
        if rows.size == 0:
            return
        room = self.waiting_max - len(self._waiting)
        self.dropped += max(0, rows.size - room)
        rows = rows[:room]
        fix, judged = batch.fix[rows], batch.judged[rows]
        columns = (
            judged["tell"],
            fix["slot"],
            fix["time_us"],
            fix["lat_deg"],
            fix["lng_deg"],
            fix["accuracy_m"],
            judged["cell"],
            judged["reason"],
            judged["amount"],
            self._players.tracks["speed_m_s"][fix["slot"]],
        )
        self._waiting.extend(
            self._event(_Row(*row)) for row in zip(*(column.tolist() for column in columns), strict=True)
        )
        self._marks.put(len(rows))

    def tell_observed(self) -> None:
        """Queues the windows that were closed since the last call: how players moved."""
        observed = self._engine.take_observed()
        room = min(observed.slot.size, self.waiting_max - len(self._waiting))
        self.dropped += observed.slot.size - room + observed.lost
        if room == 0:
            return
        self._waiting.extend(
            events_of(observed.first(room), player_id=self._players.id, mode_names=self._engine.mode_names)
        )
        self._marks.put(room)

    async def write(self) -> None:
        """Writes what waits, in batches of one transaction each; one call at a time, others wait for it.

        Raises: Fault, and then what is left still waits.
        """
        async with self._writing:
            while self._waiting:
                events = list(islice(self._waiting, _BATCH_MAX))
                async with self._database.transaction() as tx:
                    await self._outbox.append(tx, events, at=self._clock.now())
                for _ in events:
                    self._waiting.popleft()
                self._marks.take(len(events))

    def _event(self, row: _Row) -> LocationUpdated | MovementRejected:
        player_id, recorded_at = self._players.id(row.slot), from_us(row.time_us)
        accuracy_m = None if math.isnan(row.accuracy_m) else row.accuracy_m
        if row.tell == TELL_MOVED:
            return LocationUpdated(
                player_id=player_id,
                lat_deg=row.lat_deg,
                lng_deg=row.lng_deg,
                accuracy_m=accuracy_m,
                speed_m_s=row.speed_m_s,
                metres=row.amount,
                cell=geo_cells.token(row.cell),
                recorded_at=recorded_at,
            )
        return MovementRejected(
            player_id=player_id,
            reason=Reason(row.reason).wire,
            count=int(row.amount),
            lat_deg=row.lat_deg,
            lng_deg=row.lng_deg,
            accuracy_m=accuracy_m,
            recorded_at=recorded_at,
        )
