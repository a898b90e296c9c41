"""History as it is read and erased: a player's own, or a player's by staff."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, time
from uuid import UUID

from overworld.domains.world.history import store
from overworld.domains.world.history.days import kept_days
from overworld.domains.world.history.messages import HistoryErased, PlaceRecorded
from overworld.domains.world.history.recorder import Recorder
from overworld.domains.world.history.types import HistorySettings, Sample, Span
from overworld.geo import cells as geo_cells
from overworld.kernel.audit import Staff
from overworld.kernel.clock import Clock, rfc3339
from overworld.kernel.ports import AuditTrail, Outbox, Tx
from overworld.platform.postgres import Database

READ_BY_STAFF = "location.read_history"
_CELL_MASK = 2**64 - 1


class History:
    """Where players have been."""

    def __init__(
        self,
        *,
        recorder: Recorder,
        database: Database,
        clock: Clock,
        outbox: Outbox,
        audit: AuditTrail,
        settings: HistorySettings,
        coarse_level: int,
    ) -> None:
        self._recorder = recorder
        self._database = database
        self._clock = clock
        self._outbox = outbox
        self._audit = audit
        self._settings = settings
        self._coarse_level = coarse_level

    async def own(
        self, player_id: UUID, *, start: datetime | None, end: datetime | None, limit: int
    ) -> list[PlaceRecorded]:
        """A player's places from one moment to before another, newest first. One round trip. Raises: Fault."""
        async with self._database.read() as tx:
            return await self._read(tx, player_id, self._span(start, end), limit=limit)

    async def of_player(
        self, player_id: UUID, *, staff: Staff, start: datetime | None, end: datetime | None, limit: int
    ) -> list[PlaceRecorded]:
        """The same for staff; that they looked, at whom and at which time, is kept with it. Raises: Fault."""
        span = self._span(start, end)
        note = f"{rfc3339(span.start)} to {rfc3339(end) if end else 'now'}"
        async with self._database.transaction() as tx:
            await self._audit.record(tx, [staff.did(READ_BY_STAFF, player_id, note=note)])
            return await self._read(tx, player_id, span, limit=limit)

    async def erase(self, player_id: UUID) -> None:
        """Erases all of a player's history, what waits to be written included; the other servers hear of it.

        Counts by cell and hour stay: they tell of nobody. Raises: Fault; when that comes, ask again.
        """
        async with self._database.transaction() as tx:
            await store.erase(tx, [player_id])
            await self._outbox.append(tx, [HistoryErased(player_id=player_id)], at=self._clock.now())
        await self.follow([player_id])

    async def follow(self, player_ids: Collection[UUID]) -> None:
        """Forgets what this server knows of erased players. Raises: Fault; when that comes, ask again."""
        await self._recorder.forget(player_ids)

    async def _read(self, tx: Tx, player_id: UUID, span: Span, *, limit: int) -> list[PlaceRecorded]:
        if self._settings.precision == "none":
            return []
        return [self._shown(sample) for sample in await store.read(tx, player_id, span, limit=limit)]

    def _span(self, start: datetime | None, end: datetime | None) -> Span:
        """What was asked for, as far back as anything is kept."""
        first, _ = kept_days(self._clock.now(), self._settings)
        earliest = datetime.combine(first, time(), UTC)
        return Span(max(start or earliest, earliest), end or datetime.max.replace(tzinfo=UTC))

    def _shown(self, sample: Sample) -> PlaceRecorded:
        """A place as the setting has it now, also one that was kept more exactly before."""
        lat_deg, lng_deg, accuracy_m = sample.lat_deg, sample.lng_deg, sample.accuracy_m
        if self._settings.precision == "coarse":
            lat_deg, lng_deg = geo_cells.centre_deg(geo_cells.cell_of(lat_deg, lng_deg, self._coarse_level))
            accuracy_m = None
        return PlaceRecorded(
            recorded_at=sample.recorded_at,
            lat=lat_deg,
            lng=lng_deg,
            accuracy_m=accuracy_m,
            cell=geo_cells.token(sample.cell & _CELL_MASK),
        )
