"""The tables `world.share` and `world.home`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from overworld.domains.world.shares.types import Home, Share
from overworld.kernel.ports import Tx

_LOCK_OWNER = """
SELECT pg_advisory_xact_lock(hashtextextended('world.share ' || $1::text, 0))"""

_COUNT = """
SELECT count(*)
FROM world.share
WHERE owner_id = $1 AND viewer_id <> $2 AND expires_at > $3"""

_GRANT = """
INSERT INTO world.share (id, owner_id, viewer_id, sight, granted_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (owner_id, viewer_id) DO UPDATE
SET id = excluded.id, sight = excluded.sight, granted_at = excluded.granted_at, expires_at = excluded.expires_at"""

_END = """
DELETE FROM world.share
WHERE id = $1 AND $2 IN (owner_id, viewer_id) AND expires_at > $3
RETURNING id, owner_id, viewer_id, sight, granted_at, expires_at"""

_GIVEN = """
SELECT id, owner_id, viewer_id, sight, granted_at, expires_at
FROM world.share
WHERE owner_id = $1 AND expires_at > $2
ORDER BY id"""

_RECEIVED = """
SELECT share.id, owner_id, viewer_id, sight, granted_at, expires_at, lat_deg, lng_deg, radius_m
FROM unnest($1::uuid[]) AS viewer (wanted_id)
CROSS JOIN LATERAL (
    SELECT * FROM world.share
    WHERE viewer_id = wanted_id AND expires_at > $2 AND id > $3
    ORDER BY id
    LIMIT $4
) AS share
LEFT JOIN world.home ON home.player_id = owner_id
ORDER BY share.id"""

_DELETE_ENDED = """
DELETE FROM world.share
WHERE id IN (SELECT id FROM world.share WHERE expires_at <= $1 FOR UPDATE SKIP LOCKED)"""

_WRITE_HOME = """
INSERT INTO world.home (player_id, lat_deg, lng_deg, radius_m, since)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (player_id) DO UPDATE
SET lat_deg = excluded.lat_deg, lng_deg = excluded.lng_deg, radius_m = excluded.radius_m, since = excluded.since"""

_READ_HOME = """
SELECT lat_deg, lng_deg, radius_m
FROM world.home
WHERE player_id = $1"""

_DELETE_HOME = """
DELETE FROM world.home
WHERE player_id = $1
RETURNING true"""

FIRST_ID = UUID(int=0)


async def lock_owner(tx: Tx, owner_id: UUID) -> None:
    """Lets one transaction at a time change what a player shares. One round trip; take it before anything else."""
    await tx.execute(_LOCK_OWNER, str(owner_id))


async def count_others(tx: Tx, owner_id: UUID, *, viewer_id: UUID, at: datetime) -> int:
    """To how many players but one a player shows its place. One round trip."""
    count: int = await tx.fetchval(_COUNT, owner_id, viewer_id, at)
    return count


async def grant(tx: Tx, share: Share) -> None:
    """Keeps a share in the place of one from the same player to the same other. One round trip."""
    await tx.execute(_GRANT, share.id, share.owner_id, share.viewer_id, share.sight, share.granted_at, share.expires_at)


async def end(tx: Tx, share_id: UUID, *, player_id: UUID, at: datetime) -> Share | None:
    """Ends a share that a player gave or got; None when there is none that lives. One round trip."""
    row = await tx.fetchrow(_END, share_id, player_id, at)
    return None if row is None else _share(row)


async def given(tx: Tx, owner_id: UUID, *, at: datetime) -> list[Share]:
    """The shares a player gives, by id. One round trip."""
    return [_share(row) for row in await tx.fetch(_GIVEN, owner_id, at)]


async def received(
    tx: Tx, viewer_ids: Sequence[UUID], *, at: datetime, after: UUID = FIRST_ID, limit: int
) -> list[Share]:
    """The shares that players get, with the homes of the owners, by id; of each viewer so many. One round trip."""
    return [_share(row, home=_home(row)) for row in await tx.fetch(_RECEIVED, viewer_ids, at, after, limit)]


async def delete_ended(tx: Tx, *, at: datetime) -> None:
    """Deletes the shares that are over. One round trip."""
    await tx.execute(_DELETE_ENDED, at)


async def write_home(tx: Tx, player_id: UUID, home: Home, *, at: datetime) -> None:
    """Keeps where a player lives. One round trip."""
    await tx.execute(_WRITE_HOME, player_id, home.lat_deg, home.lng_deg, home.radius_m, at)


async def read_home(tx: Tx, player_id: UUID) -> Home | None:
    """Where a player lives, if it told. One round trip."""
    row = await tx.fetchrow(_READ_HOME, player_id)
    return None if row is None else _home(row)


async def delete_home(tx: Tx, player_id: UUID) -> bool:
    """Forgets where a player lives; whether that was known. One round trip."""
    return bool(await tx.fetchval(_DELETE_HOME, player_id))


def _share(row: Any, *, home: Home | None = None) -> Share:
    return Share(
        id=row["id"],
        owner_id=row["owner_id"],
        viewer_id=row["viewer_id"],
        sight=row["sight"],
        granted_at=row["granted_at"],
        expires_at=row["expires_at"],
        home=home,
    )


def _home(row: Any) -> Home | None:
    if row["radius_m"] is None:
        return None
    return Home(lat_deg=row["lat_deg"], lng_deg=row["lng_deg"], radius_m=row["radius_m"])
