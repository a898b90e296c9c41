"""What fences keep: the fences themselves, and who is in which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from msgspec import Raw, Struct

from overworld.domains.world.fences.types import Fence
from overworld.kernel.ports import Tx


class Pair(NamedTuple):
    """A player and a fence; they sort as the rows are locked."""

    player_id: UUID
    fence_id: UUID


class Stay(NamedTuple):
    """Since when a player is in a fence, and whether dwelling was told."""

    since_us: int
    dwelt: bool


class Numbers(Struct, frozen=True):
    """How many fences and corners there are."""

    fences: int
    vertices: int


_READ = """
SELECT id, name, source, shape, dwell_s, shape_number, revision, lat_deg, lng_deg, reach_m, vertices, created_at,
    updated_at
FROM world.fence
WHERE id = ANY($1::uuid[])
ORDER BY id"""

_READ_OF_GAME = """
SELECT id, name, source, shape, dwell_s, shape_number, revision, lat_deg, lng_deg, reach_m, vertices, created_at,
    updated_at
FROM world.fence
WHERE source = 'game'"""

_LOCK = """
SELECT id, name, source, shape, dwell_s, shape_number, revision, lat_deg, lng_deg, reach_m, vertices, created_at,
    updated_at
FROM world.fence
WHERE id = $1
FOR UPDATE"""

_LOCK_CHANGES = "SELECT pg_advisory_xact_lock(1869047397)"  # `owfe`; docs/locks.md has all of them


async def lock_changes(tx: Tx) -> None:
    """Lets one transaction at a time change fences, so that bounds hold; until the end of it. One round trip."""
    await tx.execute(_LOCK_CHANGES)


async def numbers(tx: Tx) -> Numbers:
    """How many fences and corners there are. One round trip."""
    row = await tx.fetchrow("SELECT count(*) AS fences, coalesce(sum(vertices), 0) AS vertices FROM world.fence")
    return Numbers(row["fences"], row["vertices"])


async def all_revisions(tx: Tx) -> dict[UUID, int]:
    """Every fence's revision. One round trip."""
    return {row["id"]: row["revision"] for row in await tx.fetch("SELECT id, revision FROM world.fence")}


async def read(tx: Tx, ids: Sequence[UUID]) -> list[Fence]:
    """Those fences that there are, in the order of their ids. One round trip."""
    rows = await tx.fetch(_READ, ids)
    return [_fence(row) for row in rows]


async def read_of_game(tx: Tx) -> list[Fence]:
    """The fences of the game's definition. One round trip."""
    return [_fence(row) for row in await tx.fetch(_READ_OF_GAME)]


async def lock(tx: Tx, fence_id: UUID) -> Fence | None:
    """A fence, locked against events about it until the transaction ends. One round trip."""
    row = await tx.fetchrow(_LOCK, fence_id)
    return None if row is None else _fence(row)


_WRITE = """
INSERT INTO world.fence AS kept (id, name, source, shape, dwell_s, shape_number, revision, lat_deg, lng_deg, reach_m,
    vertices, created_at, updated_at)
SELECT *
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::int4[], $6::int4[], $7::int4[], $8::float8[],
    $9::float8[], $10::float8[], $11::int4[], $12::timestamptz[], $13::timestamptz[]) AS given (id)
ORDER BY id
ON CONFLICT (id) DO UPDATE
SET name = excluded.name, shape = excluded.shape, dwell_s = excluded.dwell_s, shape_number = excluded.shape_number,
    revision = excluded.revision, lat_deg = excluded.lat_deg, lng_deg = excluded.lng_deg, reach_m = excluded.reach_m,
    vertices = excluded.vertices, updated_at = excluded.updated_at"""


async def write(tx: Tx, fences: Sequence[Fence]) -> None:
    """Keeps fences, new ones and new revisions. One round trip, none for none; rows are locked in id order."""
    if not fences:
        return
    rows = [
        (
            one.id, one.name, one.source, bytes(one.shape).decode(), one.dwell_s, one.shape_number, one.revision,
            one.lat_deg, one.lng_deg, one.reach_m, one.vertices, one.created_at, one.updated_at,
        )
        for one in fences
    ]  # fmt: skip
    await tx.execute(_WRITE, *(list(column) for column in zip(*rows, strict=True)))


_LOCK_MANY = "SELECT id FROM world.fence WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE"
_DELETE = "DELETE FROM world.fence WHERE id = ANY($1::uuid[])"
_EMPTY = """
WITH inside AS (
    SELECT player_id, fence_id
    FROM world.fence_inside
    WHERE fence_id = ANY($1::uuid[])
    ORDER BY player_id, fence_id
    FOR UPDATE
)
DELETE FROM world.fence_inside
USING inside
WHERE fence_inside.player_id = inside.player_id AND fence_inside.fence_id = inside.fence_id
RETURNING fence_inside.player_id, fence_inside.fence_id, since_us"""


async def lock_many(tx: Tx, ids: Sequence[UUID]) -> None:
    """Locks fences against events about them until the transaction ends. One round trip; in id order."""
    await tx.execute(_LOCK_MANY, ids)


async def delete(tx: Tx, ids: Sequence[UUID]) -> None:
    """Deletes fences that are locked and empty. One round trip."""
    await tx.execute(_DELETE, ids)


async def empty(tx: Tx, ids: Sequence[UUID]) -> list[tuple[Pair, int]]:
    """Takes everybody out of locked fences; who was in which, and since when, by player. One round trip."""
    rows = await tx.fetch(_EMPTY, ids)
    return sorted((Pair(row["player_id"], row["fence_id"]), row["since_us"]) for row in rows)


_SHAPES = "SELECT id, shape_number FROM world.fence WHERE id = ANY($1::uuid[]) ORDER BY id FOR SHARE"

_STAYS = """
SELECT player_id, fence_id, since_us, dwelt
FROM world.fence_inside
JOIN unnest($1::uuid[], $2::uuid[]) AS wanted (player_id, fence_id) USING (player_id, fence_id)
ORDER BY player_id, fence_id
FOR UPDATE OF fence_inside"""

_END = """
DELETE FROM world.fence_inside
USING unnest($1::uuid[], $2::uuid[]) AS ended (player_id, fence_id)
WHERE fence_inside.player_id = ended.player_id AND fence_inside.fence_id = ended.fence_id"""

_BEGIN = """
WITH begun AS (
    INSERT INTO world.fence_inside (player_id, fence_id, since_us, dwelt)
    SELECT player_id, fence_id, since_us, dwelt
    FROM unnest($1::uuid[], $2::uuid[], $3::int8[], $4::bool[]) AS given (player_id, fence_id, since_us, dwelt)
    ORDER BY player_id, fence_id
    ON CONFLICT (player_id, fence_id) DO NOTHING
    RETURNING 1
)
SELECT count(*) FROM begun"""

_CHANGE = """
UPDATE world.fence_inside AS kept
SET since_us = given.since_us, dwelt = given.dwelt
FROM unnest($1::uuid[], $2::uuid[], $3::int8[], $4::bool[]) AS given (player_id, fence_id, since_us, dwelt)
WHERE kept.player_id = given.player_id AND kept.fence_id = given.fence_id"""

_OF_PLAYERS = "SELECT player_id, fence_id, since_us, dwelt FROM world.fence_inside WHERE player_id = ANY($1::uuid[])"


async def shapes_of(tx: Tx, ids: Sequence[UUID]) -> dict[UUID, int]:
    """The shape numbers of those fences that there are; none changes until the transaction ends. One round trip."""
    return {row["id"]: row["shape_number"] for row in await tx.fetch(_SHAPES, ids)}


async def stays(tx: Tx, pairs: Sequence[Pair]) -> dict[Pair, Stay]:
    """The stays of pairs, locked in order; pairs without one are absent. One round trip."""
    rows = await tx.fetch(_STAYS, [one.player_id for one in pairs], [one.fence_id for one in pairs])
    return {Pair(row["player_id"], row["fence_id"]): Stay(row["since_us"], row["dwelt"]) for row in rows}


async def end(tx: Tx, pairs: Sequence[Pair]) -> None:
    """Ends locked stays. One round trip."""
    await tx.execute(_END, [one.player_id for one in pairs], [one.fence_id for one in pairs])


async def begin(tx: Tx, begun: Sequence[tuple[Pair, Stay]]) -> int:
    """Begins stays; gives how many: fewer when somebody else has begun one meanwhile. One round trip, in order."""
    return int(await tx.fetchval(_BEGIN, *_stay_columns(begun)))


async def change(tx: Tx, changed: Sequence[tuple[Pair, Stay]]) -> None:
    """Changes locked stays. One round trip."""
    await tx.execute(_CHANGE, *_stay_columns(changed))


async def of_players(tx: Tx, player_ids: Sequence[UUID]) -> list[tuple[Pair, Stay]]:
    """The fences that players are in. One round trip."""
    rows = await tx.fetch(_OF_PLAYERS, player_ids)
    return [(Pair(row["player_id"], row["fence_id"]), Stay(row["since_us"], row["dwelt"])) for row in rows]


def _stay_columns(given: Sequence[tuple[Pair, Stay]]) -> tuple[list[Any], ...]:
    rows = [(*pair, *stay) for pair, stay in sorted(given)]
    return tuple(list(column) for column in zip(*rows, strict=True))


def _fence(row: Any) -> Fence:
    values = dict(row)
    values["shape"] = Raw(values["shape"].encode())
    return Fence(**values)
