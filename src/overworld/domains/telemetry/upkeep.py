"""Days of the raw log made ahead and thrown away, and refused events forgotten."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, date, timedelta
from typing import NoReturn

from overworld.domains.telemetry import store
from overworld.domains.telemetry.intake import RAW
from overworld.domains.telemetry.types import TelemetrySettings
from overworld.kernel.cancelling import end_if_cancelled
from overworld.kernel.clock import Clock
from overworld.kernel.ports import Tx
from overworld.kernel.refusals import Busy, Fault
from overworld.platform.postgres import Database, DatabaseTimeout
from overworld.platform.postgres.partitions import alone, days_of, midnight, partition_of

_LOCK_KEY = 0x6F77_7465  # "owte": one process maintains at a time
_TABLE = "telemetry.raw"
_DAYS_AHEAD = 3
_EVERY_S = 3600.0

_log = logging.getLogger(__name__)


class Upkeep:
    """Keeps the raw log in days: what is old goes in one piece, unless the processor has not come to it."""

    def __init__(self, *, database: Database, clock: Clock, settings: TelemetrySettings) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings

    async def run(self) -> NoReturn:
        """Maintains each hour; a loop."""
        while True:
            try:
                await self.maintain()
            except (Fault, Busy, DatabaseTimeout) as error:
                end_if_cancelled()
                _log.warning("the raw log was not maintained this time: %s", error)
            await asyncio.sleep(_EVERY_S)

    async def maintain(self) -> None:
        """Makes days ahead, drops old ones, forgets old refusals and steps. Raises: database faults."""
        now = self._clock.now()
        today = now.astimezone(UTC).date()
        oldest = today - timedelta(days=self._settings.retention_days)
        async with alone(self._database, lock_key=_LOCK_KEY) as tx:
            have = await days_of(tx, _TABLE)
            for day in (today + timedelta(days=n) for n in range(_DAYS_AHEAD + 1)):
                if day not in have:
                    await tx.execute(_make_day(day))
        async with alone(self._database, lock_key=_LOCK_KEY) as tx:
            for day in await days_of(tx, _TABLE):
                if day < oldest:
                    await self._drop(tx, day)
        async with self._database.transaction() as tx:
            await store.forget(
                tx,
                refused_before=now - timedelta(days=self._settings.refused_days),
                steps_before=now - timedelta(days=self._settings.retention_days),
            )

    async def _drop(self, tx: Tx, day: date) -> None:
        name = partition_of(_TABLE, day)
        if await store.has_unread(tx, RAW, table=name):
            _log.warning("%s stays: the processor has not come to its end", name)
        else:
            await tx.execute("LOCK TABLE telemetry.raw IN ACCESS EXCLUSIVE MODE")
            await tx.execute(f"DROP TABLE {name}")


def _make_day(day: date) -> str:
    """A day's table, made beside the log and attached with what already lies in `raw_other`."""
    name, start, end = partition_of(_TABLE, day), midnight(day), midnight(day + timedelta(days=1))
    return f"""
    LOCK TABLE telemetry.raw IN SHARE ROW EXCLUSIVE MODE;
    LOCK TABLE telemetry.raw_other IN ACCESS EXCLUSIVE MODE;
    CREATE TABLE {name} (LIKE telemetry.raw INCLUDING ALL);
    WITH moved AS (DELETE FROM telemetry.raw_other WHERE at >= '{start}' AND at < '{end}' RETURNING *)
    INSERT INTO {name} SELECT * FROM moved;
    ALTER TABLE telemetry.raw ATTACH PARTITION {name} FOR VALUES FROM ('{start}') TO ('{end}')"""  # noqa: S608
