"""Partitions made ahead and dropped behind, and the repair after a restore into another cluster."""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from overworld.kernel.ports import Tx
from overworld.platform.eventlog import letters
from overworld.platform.eventlog.settings import EventLogSettings
from overworld.platform.eventlog.topics import Topics
from overworld.platform.postgres import Database, DatabaseTimeout
from overworld.platform.postgres.partitions import alone, days_of, midnight, partition_of

_LOCK_KEY = 0x6F77_656C  # "owel": one process maintains at a time
_TABLE = "eventlog.outbox"

_log = logging.getLogger(__name__)


async def maintain(database: Database, *, now: datetime, settings: EventLogSettings) -> None:
    """One round: partitions for today and the days ahead, old ones dropped, marks of old events forgotten.

    A day is dropped when it is past what is kept and no cursor stands before its last batch; a dead letter after what
    `topics.toml` says of `dlq.failed.events`, unless staff want it handled again. Processes take turns;
    a lock that does not come within 2 s ends the round, and the next one goes on.
    """
    today = now.astimezone(UTC).date()
    try:
        async with alone(database, lock_key=_LOCK_KEY) as tx:
            await _repair(tx)
        async with alone(database, lock_key=_LOCK_KEY) as tx:
            await _make_ahead(tx, today, days_ahead=settings.days_ahead)
        async with alone(database, lock_key=_LOCK_KEY) as tx:
            await _drop_behind(tx, today - kept(settings))
        async with alone(database, lock_key=_LOCK_KEY) as tx:
            if dropped := await letters.forget(tx, before=now - Topics.read().failed_kept):
                _log.warning("%d dead letters were too old to be kept", dropped)
    except DatabaseTimeout as error:
        _log.warning("the event log was not maintained this time: %s", error)


def kept(settings: EventLogSettings) -> timedelta:
    """How long events are kept: as set, else as `topics.toml` says of `events.*`."""
    return timedelta(days=settings.retention_days) if settings.retention_days else Topics.read().events_kept


async def _repair(tx: Tx) -> None:
    if await tx.fetchval(_IS_RESTORED):
        _log.warning("the event log comes from another cluster: its stamps are made anew")
        await tx.execute(_MAKE_STAMPS_ANEW)


_IS_RESTORED = """
SELECT EXISTS (SELECT FROM eventlog.outbox WHERE stamp > pg_snapshot_xmax(pg_current_snapshot()))
    OR EXISTS (SELECT FROM eventlog.cursor WHERE stamp > pg_snapshot_xmax(pg_current_snapshot()))"""

_MAKE_STAMPS_ANEW = """
LOCK TABLE eventlog.outbox IN ACCESS EXCLUSIVE MODE;
UPDATE eventlog.cursor
SET stamp = '3', id = coalesce(
    (SELECT min(id) - 1 FROM eventlog.outbox WHERE (outbox.stamp, outbox.id) > (cursor.stamp, cursor.id)),
    (SELECT last_value FROM eventlog.outbox_id));
UPDATE eventlog.outbox SET stamp = '3';
UPDATE eventlog.era SET number = number + 1"""


async def _make_ahead(tx: Tx, today: date, *, days_ahead: int) -> None:
    have = await days_of(tx, _TABLE)
    for day in (today + timedelta(days=n) for n in range(days_ahead + 1)):
        if day not in have:
            await tx.execute(_make_day(day))


def _make_day(day: date) -> str:
    """Makes a day's table beside the log, moves what already lies in `outbox_other`, and attaches it.

    Writers wait at the log itself: one that had already chosen `outbox_other` would find the day no longer allowed.
    """
    name, start, end = _name(day), midnight(day), midnight(day + timedelta(days=1))
    return f"""
    LOCK TABLE eventlog.outbox IN SHARE ROW EXCLUSIVE MODE;
    LOCK TABLE eventlog.outbox_other IN ACCESS EXCLUSIVE MODE;
    CREATE TABLE {name} (LIKE eventlog.outbox INCLUDING ALL);
    WITH moved AS (DELETE FROM eventlog.outbox_other WHERE at >= '{start}' AND at < '{end}' RETURNING *)
    INSERT INTO {name} SELECT * FROM moved;
    ALTER TABLE eventlog.outbox ATTACH PARTITION {name} FOR VALUES FROM ('{start}') TO ('{end}')"""  # noqa: S608


async def _drop_behind(tx: Tx, before: date) -> None:
    if past := [day for day in await days_of(tx, _TABLE) if day < before]:
        await tx.execute(_LOCK_LOG)
    for day in past:
        if await tx.fetchval(_unread(_name(day))):
            _log.warning("%s stays: a consumer has not passed it", _name(day))
        else:
            await tx.execute(f"DROP TABLE {_name(day)}")
    await tx.execute(_DROP_OTHER, datetime.combine(before, time(), UTC))
    await tx.execute(_FORGET_HANDLED, _first_id_of(before))


# Readers lock the log before its days; dropping a day alone would lock them the other way round.
_LOCK_LOG = """
LOCK TABLE eventlog.outbox IN ACCESS EXCLUSIVE MODE"""


def _unread(table: str) -> str:
    return f"""
    SELECT EXISTS (
        SELECT FROM {table} AS day JOIN eventlog.cursor ON (day.stamp, day.id) > (cursor.stamp, cursor.id)
    )"""  # noqa: S608


_DROP_OTHER = """
DELETE FROM eventlog.outbox_other AS other
WHERE at < $1
  AND NOT EXISTS (SELECT FROM eventlog.cursor WHERE (other.stamp, other.id) > (cursor.stamp, cursor.id))"""

_FORGET_HANDLED = """
DELETE FROM eventlog.handled WHERE event_id < $1"""


def _name(day: date) -> str:
    return partition_of(_TABLE, day)


def _first_id_of(day: date) -> UUID:
    """The lowest UUIDv7 of a day."""
    return UUID(int=int(datetime.combine(day, time(), UTC).timestamp() * 1000) << 80)
