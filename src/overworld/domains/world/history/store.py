"""The tables of history: days made and taken away, fixes in by COPY, a player's own out again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

from overworld.domains.world.history.types import Sample, Span
from overworld.kernel.ports import Tx
from overworld.platform.postgres.partitions import day_in, days_of, midnight, partition_of

TABLE = "world.location"

_READ = """
SELECT DISTINCT ON (recorded_at) player_id, recorded_at, lat_deg, lng_deg, cell, accuracy_m
FROM world.location
WHERE player_id = $1 AND recorded_at >= $2 AND recorded_at < $3
ORDER BY recorded_at DESC
LIMIT $4"""

_ERASE = """
DELETE FROM world.location
WHERE player_id = ANY($1::uuid[])"""

_LOCK = """
LOCK TABLE world.location IN ACCESS EXCLUSIVE MODE"""

_TAKEN_OUT = """
SELECT relname FROM pg_class
WHERE relnamespace = to_regnamespace('world') AND relname LIKE 'location\\_%' AND relkind = 'r' AND NOT relispartition
ORDER BY relname"""

_FORGET_HOURS = """
DELETE FROM world.location_hour
WHERE hour < $1"""


async def add(tx: Tx, samples: Iterable[Sample]) -> None:
    """Adds fixes by COPY, all or none; each needs the partition of its day. Raises: CheckViolation without one."""
    await tx.copy_records_to_table("location", records=samples, columns=Sample._fields, schema_name="world")


async def read(tx: Tx, player_id: UUID, span: Span, *, limit: int) -> list[Sample]:
    """A player's fixes in a span, newest first, one an instant. One round trip."""
    return [Sample(*row) for row in await tx.fetch(_READ, player_id, span.start, span.end, limit)]


async def erase(tx: Tx, player_ids: Sequence[UUID]) -> None:
    """Deletes all fixes of players. One round trip."""
    await tx.execute(_ERASE, player_ids)


async def days(tx: Tx) -> list[date]:
    """The days that fixes can be added to, in order. One round trip."""
    return await days_of(tx, TABLE)


async def days_taken_out(tx: Tx) -> list[date]:
    """The days that are no longer part of the table and wait to be counted, in order. One round trip."""
    found = [day_in(row["relname"].removeprefix("location")) for row in await tx.fetch(_TAKEN_OUT)]
    return [day for day in found if day is not None]


async def make_day(tx: Tx, day: date) -> None:
    """Makes a day beside the table and attaches it, which holds up neither those who write nor those who read."""
    name, start, end = partition_of(TABLE, day), midnight(day), midnight(day + timedelta(days=1))
    await tx.execute(f"""
    CREATE TABLE {name} (LIKE {TABLE} INCLUDING ALL);
    ALTER TABLE {TABLE} ATTACH PARTITION {name} FOR VALUES FROM ('{start}') TO ('{end}')""")


async def take_out(tx: Tx, some_days: Sequence[date]) -> None:
    """Makes days tables of their own, which nobody reads or writes any more.

    Readers lock the table before its days; so does this.
    """
    await tx.execute(_LOCK)
    for day in some_days:
        await tx.execute(f"ALTER TABLE {TABLE} DETACH PARTITION {partition_of(TABLE, day)}")


async def count_and_drop(tx: Tx, day: date) -> None:
    """Adds a day that was taken out to the counts by cell and hour, and drops it.

    An hour has counts already only where a day was made again; players who are in both are not told apart.
    """
    name = partition_of(TABLE, day)
    await tx.execute(f"""
    INSERT INTO world.location_hour AS kept (hour, cell, fixes, players)
    SELECT date_trunc('hour', recorded_at, 'UTC'), cell, count(*), count(DISTINCT player_id)
    FROM {name}
    GROUP BY 1, 2
    ON CONFLICT (hour, cell) DO UPDATE
    SET fixes = kept.fixes + excluded.fixes, players = greatest(kept.players, excluded.players);
    DROP TABLE {name}""")  # noqa: S608 - the name is made of a date


async def forget_hours(tx: Tx, before: datetime) -> None:
    """Deletes the counts of hours before a moment. One round trip."""
    await tx.execute(_FORGET_HOURS, before)
