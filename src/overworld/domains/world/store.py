"""What the world keeps: last fixes that several servers share, and who is invisible.

The fixes are unlogged: after a crash of the database the next ones bring them back.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from overworld.domains.world.messages import Fix
from overworld.kernel.ports import Tx

FIXES_MAX = 10_000


class SharedFixes(Struct, frozen=True):
    """Last fixes as columns, aligned, (n,), at most `FIXES_MAX`; each player once.

    `anchored` is False while a player's refused fixes speak for another place, and while it travels in a mode by which
    nothing is earned: then nothing must be earned by the fix.
    """

    player_id: Sequence[UUID]
    lat_deg: Sequence[float]
    lng_deg: Sequence[float]
    at_us: Sequence[int]
    anchored: Sequence[bool]


_WRITE = """
INSERT INTO world.last_fix AS kept (player_id, lat_deg, lng_deg, at_us, anchored)
SELECT player_id, lat_deg, lng_deg, at_us, anchored
FROM unnest($1::uuid[], $2::float8[], $3::float8[], $4::int8[], $5::bool[])
    AS given (player_id, lat_deg, lng_deg, at_us, anchored)
WHERE at_us > 0
ORDER BY player_id
ON CONFLICT (player_id) DO UPDATE
SET lat_deg = excluded.lat_deg, lng_deg = excluded.lng_deg, at_us = excluded.at_us, anchored = excluded.anchored
WHERE excluded.at_us >= kept.at_us"""

_READ = """
SELECT player_id, lat_deg, lng_deg, at_us
FROM world.last_fix
WHERE player_id = ANY($1::uuid[]) AND at_us >= $2 AND (anchored OR NOT $3)"""

_DELETE = """
DELETE FROM world.last_fix
WHERE player_id IN (SELECT player_id FROM world.last_fix WHERE at_us < $1 FOR UPDATE SKIP LOCKED)"""


async def write_fixes(tx: Tx, fixes: SharedFixes) -> None:
    """Keeps each fix that is not older than the one kept. One round trip; rows are locked in id order."""
    await tx.execute(_WRITE, fixes.player_id, fixes.lat_deg, fixes.lng_deg, fixes.at_us, fixes.anchored)


async def read_fixes(tx: Tx, player_ids: Sequence[UUID], *, since_us: int, anchored: bool) -> dict[UUID, Fix]:
    """The fixes accepted since a moment, or only those that are `anchored`; players without one are absent.

    One round trip.
    """
    rows = await tx.fetch(_READ, player_ids, since_us, anchored)
    return {row["player_id"]: Fix(row["lat_deg"], row["lng_deg"], row["at_us"]) for row in rows}


async def delete_fixes(tx: Tx, *, before_us: int) -> None:
    """Deletes the fixes accepted before a moment, but those that are being replaced just now. One round trip."""
    await tx.execute(_DELETE, before_us)


_HIDE = """
INSERT INTO world.invisible (player_id, since)
VALUES ($1, $2)
ON CONFLICT (player_id) DO NOTHING
RETURNING true"""

_SHOW = """
DELETE FROM world.invisible
WHERE player_id = $1
RETURNING true"""

_READ_INVISIBLE = """
SELECT player_id
FROM world.invisible
WHERE player_id = ANY($1::uuid[])"""

_READ_ALL_INVISIBLE = """
SELECT player_id
FROM world.invisible"""


async def write_visible(tx: Tx, player_id: UUID, *, visible: bool, at: datetime) -> bool:
    """Keeps a player's choice; gives whether it is another one than before. One round trip; locks the player's row."""
    changed = await (tx.fetchval(_SHOW, player_id) if visible else tx.fetchval(_HIDE, player_id, at))
    return bool(changed)


async def read_invisible(tx: Tx, player_ids: Sequence[UUID]) -> set[UUID]:
    """Those of the players who are invisible. One round trip."""
    return {row["player_id"] for row in await tx.fetch(_READ_INVISIBLE, player_ids)}


async def read_all_invisible(tx: Tx) -> set[UUID]:
    """Everybody who is invisible. One round trip."""
    return {row["player_id"] for row in await tx.fetch(_READ_ALL_INVISIBLE)}
