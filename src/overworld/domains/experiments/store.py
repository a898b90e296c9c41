"""The tables of experiments: sets in, values out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from overworld.domains.experiments.types import Definition, Exposure, Fact, Flag
from overworld.kernel.clock import to_us
from overworld.kernel.ports import Tx

_definition = msgspec.json.Decoder(Definition).decode
_encode = msgspec.json.Encoder().encode


class Met(NamedTuple):
    """When a player first met the variant that chance gave; no variant where it was not always the same."""

    player_id: UUID
    variant: str
    at_us: int


_EVERY = """
SELECT id, key, definition::text, revision, allocation, allocated_at, created_at, updated_at
FROM experiments.flag
ORDER BY key"""
_ONE = """
SELECT id, key, definition::text, revision, allocation, allocated_at, created_at, updated_at
FROM experiments.flag
WHERE key = $1"""
_LOCK_CHANGES = "SELECT pg_advisory_xact_lock(1869047398)"  # `owff`; docs/locks.md has all of them


async def lock_changes(tx: Tx) -> None:
    """Lets one transaction at a time make flags, so that there are not too many; until the end of it."""
    await tx.execute(_LOCK_CHANGES)


async def count(tx: Tx) -> int:
    """How many flags there are."""
    found: int = await tx.fetchval("SELECT count(*) FROM experiments.flag")
    return found


async def every(tx: Tx) -> list[Flag]:
    """All flags, by key. One round trip."""
    return [_flag(row) for row in await tx.fetch(_EVERY)]


async def one(tx: Tx, key: str) -> Flag | None:
    """A flag, if it is there."""
    row = await tx.fetchrow(_ONE, key)
    return None if row is None else _flag(row)


async def locked(tx: Tx, key: str) -> Flag | None:
    """A flag, locked until the transaction ends."""
    row = await tx.fetchrow(f"{_ONE} FOR UPDATE", key)
    return None if row is None else _flag(row)


_INSERT = """
INSERT INTO experiments.flag (id, key, definition, revision, allocation, allocated_at, created_at, updated_at)
VALUES ($1, $2, $3::json, $4, $5, $6, $7, $8)"""
_CHANGE = """
UPDATE experiments.flag
SET definition = $2::json, revision = $3, allocation = $4, allocated_at = $5, updated_at = $6
WHERE id = $1"""


async def insert(tx: Tx, flag: Flag) -> None:
    """Keeps a new flag."""
    counted = (flag.revision, flag.allocation, flag.allocated_at, flag.created_at, flag.updated_at)
    await tx.execute(_INSERT, flag.id, flag.key, _encode(flag.definition).decode(), *counted)


async def change(tx: Tx, flag: Flag) -> None:
    """Keeps what a locked flag is now."""
    counted = (flag.revision, flag.allocation, flag.allocated_at, flag.updated_at)
    await tx.execute(_CHANGE, flag.id, _encode(flag.definition).decode(), *counted)


async def delete(tx: Tx, flag_id: UUID) -> None:
    """Lets a flag go; its exposures are cleared away later."""
    await tx.execute("DELETE FROM experiments.flag WHERE id = $1", flag_id)


_EXPOSE = """
INSERT INTO experiments.exposure (flag_id, allocation, player_id, day, variant, randomised, at)
SELECT flag_id, allocation, player_id, day, variant, randomised, at
FROM unnest($1::uuid[], $2::int[], $3::uuid[], $4::date[], $5::text[], $6::bool[], $7::timestamptz[])
    AS shown (flag_id, allocation, player_id, day, variant, randomised, at)
ORDER BY flag_id, allocation, player_id, day
ON CONFLICT DO NOTHING
RETURNING flag_id, allocation, player_id, day"""


async def expose(tx: Tx, shown: Sequence[Exposure]) -> set[tuple[UUID, int, UUID, date]]:
    """Keeps the first exposure of each player, allocation and day; which were new: (flag, allocation, player, day)."""
    columns = zip(
        *((e.flag_id, e.allocation, e.player_id, e.day, e.variant, e.randomised, e.at) for e in shown), strict=True
    )
    rows = await tx.fetch(_EXPOSE, *(list(column) for column in columns))
    return {(row["flag_id"], row["allocation"], row["player_id"], row["day"]) for row in rows}


_MET = """
SELECT player_id, min(variant) AS variant, count(DISTINCT variant) AS variants, min(at) AS at
FROM experiments.exposure
WHERE flag_id = $1 AND allocation = $2 AND randomised AND ($3::uuid IS NULL OR player_id > $3)
GROUP BY player_id
ORDER BY player_id
LIMIT $4"""
_NAMED = """
SELECT count(DISTINCT player_id) FROM experiments.exposure WHERE flag_id = $1 AND allocation = $2 AND NOT randomised"""


async def met(tx: Tx, flag_id: UUID, *, allocation: int, after: UUID | None, limit: int) -> list[Met]:
    """The next players whom chance gave a variant in one allocation of a flag, by id. One round trip."""
    rows = await tx.fetch(_MET, flag_id, allocation, after, limit)
    return [Met(row["player_id"], row["variant"] if row["variants"] == 1 else "", to_us(row["at"])) for row in rows]


async def named(tx: Tx, flag_id: UUID, *, allocation: int) -> int:
    """How many players a rule gave a variant in one allocation of a flag."""
    found: int = await tx.fetchval(_NAMED, flag_id, allocation)
    return found


_ADD = """
INSERT INTO experiments.fact AS there (metric, player_id, hour, value)
SELECT metric, player_id, date_trunc('hour', at, 'UTC'), sum(value)
FROM unnest($1::text[], $2::uuid[], $3::timestamptz[], $4::float8[]) AS new (metric, player_id, at, value)
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3
ON CONFLICT (metric, player_id, hour) DO UPDATE SET value = there.value + excluded.value"""


async def add(tx: Tx, facts: Sequence[Fact]) -> None:
    """Adds facts to their hours. One round trip."""
    columns = zip(*((one.metric, one.player_id, one.at, one.value) for one in facts), strict=True)
    await tx.execute(_ADD, *(list(column) for column in columns))


_SUMS = """
SELECT subject.n, coalesce(sum(value) FILTER (WHERE hour >= subject.began), 0) AS value,
       coalesce(sum(value) FILTER (WHERE hour < subject.began), 0) AS before
FROM (
    SELECT n, player_id, date_trunc('hour', at, 'UTC') AS began
    FROM unnest($2::uuid[], $3::timestamptz[]) WITH ORDINALITY AS listed (player_id, at, n)
) AS subject
JOIN experiments.fact ON fact.metric = $1 AND fact.player_id = subject.player_id
    AND fact.hour >= subject.began - $5::interval AND fact.hour < subject.began + $4::interval
GROUP BY subject.n"""


async def sums(
    tx: Tx, metric: str, players: Sequence[UUID], at: Sequence[datetime], *, window: timedelta, before: timedelta
) -> tuple[list[float], list[float]]:
    """What players did in a window from the hour of their exposure, and before it; both (n,). One round trip."""
    after, earlier = [0.0] * len(players), [0.0] * len(players)
    for row in await tx.fetch(_SUMS, metric, players, at, window, before):
        after[row["n"] - 1], earlier[row["n"] - 1] = row["value"], row["before"]
    return after, earlier


_FORGET = """
DELETE FROM experiments.{table} WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM experiments.{table} WHERE {column} < $1 LIMIT $2 FOR UPDATE SKIP LOCKED
))"""


async def forget(tx: Tx, before: datetime, *, rows_max: int) -> int:
    """Clears away what is older, at most so many rows of each table; how many."""
    exposures = await tx.execute(_FORGET.format(table="exposure", column="day"), before.date(), rows_max)
    facts = await tx.execute(_FORGET.format(table="fact", column="hour"), before, rows_max)
    return sum(int(tag.rpartition(" ")[2]) for tag in (exposures, facts))


def _flag(row: Any) -> Flag:
    return Flag(**dict(row) | {"definition": _definition(row["definition"])})
