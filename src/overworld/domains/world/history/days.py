"""The days of history: made ahead of the fixes, taken out behind them, counted and dropped."""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta

from overworld.domains.world.history import store
from overworld.domains.world.history.types import HistorySettings
from overworld.platform.postgres import Database, DatabaseTimeout
from overworld.platform.postgres.partitions import alone

_MAKE_KEY = 0x6F77_6864  # "owhd": one process makes and takes out days at a time
_COUNT_KEY = 0x6F77_6863  # "owhc": one process counts and drops them at a time
_COUNT_TIMEOUT_MS = 600_000

_log = logging.getLogger(__name__)


def kept_days(now: datetime, settings: HistorySettings) -> tuple[date, date]:
    """The first and the last day of UTC whose fixes are kept."""
    today = now.astimezone(UTC).date()
    return today - timedelta(days=settings.fix_days), today + timedelta(days=settings.days_ahead)


async def make_days(database: Database, wanted: Collection[date]) -> frozenset[date]:
    """Makes the days that are not there; gives all to which fixes can be added.

    A day that waits to be counted is not made again. Several servers may ask at once. Raises: Fault.
    """
    async with alone(database, lock_key=_MAKE_KEY) as tx:
        there = set(await store.days(tx))
        missing = sorted(set(wanted) - there)
        if missing:
            over = await store.days_taken_out(tx)
            for day in missing:
                if day not in over:
                    await store.make_day(tx, day)
                    there.add(day)
    return frozenset(there)


async def maintain(database: Database, *, now: datetime, settings: HistorySettings) -> None:
    """One round: days made ahead, those whose time is over taken out, counted and dropped, old counts deleted.

    A day is taken out in a moment and counted at leisure, in a transaction that also drops it: whatever ends a round,
    the next one goes on, and nothing is counted twice. Servers take turns; a lock that does not come within 2 s ends
    the round.
    """
    first, last = kept_days(now, settings)
    try:
        await make_days(database, [last - timedelta(days=n) for n in range(settings.days_ahead + 1)])
        async with alone(database, lock_key=_MAKE_KEY) as tx:
            over = [day for day in await store.days(tx) if day < first]
            if over:
                await store.take_out(tx, over)
        while await _count_one(database):
            pass
        forgotten = now.astimezone(UTC).date() - timedelta(days=settings.hour_days)
        async with database.transaction() as tx:
            await store.forget_hours(tx, datetime.combine(forgotten, time(), UTC))
    except DatabaseTimeout as error:
        _log.warning("the history was not maintained this time: %s", error)


async def _count_one(database: Database) -> bool:
    """Counts and drops the first day that was taken out; False when there is none."""
    async with alone(database, lock_key=_COUNT_KEY) as tx:
        over = await store.days_taken_out(tx)
        if not over:
            return False
        await tx.execute(f"SET LOCAL statement_timeout = {_COUNT_TIMEOUT_MS}")
        await store.count_and_drop(tx, over[0])
    return True
