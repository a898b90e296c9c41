"""Players, collections and the spawn secret in PostgreSQL: sets in, sets out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec.structs import astuple

from overworld.domains.gameplay.rules import Taking, Wait, Win
from overworld.domains.gameplay.types import NOBODY, Mode, Placement, Player, Progress
from overworld.kernel.clock import from_us, to_us
from overworld.kernel.ports import Tx

_LOCK_PLAYERS = "SELECT id, experience, level, day, collected_on_day FROM gameplay.lock_players($1::uuid[])"


async def lock_players(tx: Tx, ids: Sequence[UUID]) -> dict[UUID, Player]:
    """The players, made where they are missing and locked until the transaction ends.

    One round trip; rows are created and then locked in id order, so crossing batches cannot deadlock.
    """
    rows = await tx.fetch(_LOCK_PLAYERS, list(ids))
    return {row["id"]: Player(**row) for row in rows}


_PROGRESS = "SELECT id, experience, level FROM gameplay.player WHERE id = ANY($1::uuid[])"


async def progress(tx: Tx, ids: Sequence[UUID]) -> dict[UUID, Progress]:
    """How far players have come; those who never claimed are absent. One round trip."""
    rows = await tx.fetch(_PROGRESS, list(ids))
    return {row["id"]: Progress(row["experience"], row["level"]) for row in rows}


_UPDATE_PLAYERS = """
UPDATE gameplay.player
SET experience = new.experience, level = new.level, day = new.day, collected_on_day = new.collected_on_day
FROM unnest($1::uuid[], $2::bigint[], $3::integer[], $4::date[], $5::integer[])
    AS new (id, experience, level, day, collected_on_day)
WHERE player.id = new.id"""


async def update_players(tx: Tx, players: Sequence[Player]) -> None:
    """Writes players as they are now; the caller holds their locks. One round trip."""
    await tx.execute(
        _UPDATE_PLAYERS,
        [player.id for player in players],
        [player.experience for player in players],
        [player.level for player in players],
        [player.day for player in players],
        [player.collected_on_day for player in players],
    )


_COLLECT = """
INSERT INTO gameplay.collection (collectible_id, taker_id, player_id, collected_at)
SELECT collectible_id, taker_id, player_id, $4
FROM unnest($1::bytea[], $2::uuid[], $3::uuid[]) AS wanted (collectible_id, taker_id, player_id)
ORDER BY collectible_id, taker_id
ON CONFLICT (collectible_id, taker_id) DO NOTHING
RETURNING collectible_id, taker_id"""


async def collect(tx: Tx, wins: Sequence[Win], *, at: datetime) -> set[Taking]:
    """Takes each collectible for its winner, unless somebody has it; gives what was taken.

    No taking may come twice. A rival who is taking the same in an open transaction is waited for. One round trip;
    rows are written in key order, so crossing batches cannot deadlock.
    """
    takings = [win.taking for win in wins]
    rows = await tx.fetch(
        _COLLECT,
        [collectible_id for collectible_id, _ in takings],
        [taker_id for _, taker_id in takings],
        [win.player_id for win in wins],
        at,
    )
    return {(row["collectible_id"], row["taker_id"]) for row in rows}


_TAKEN = """
SELECT collectible_id FROM gameplay.collection
WHERE collectible_id = ANY($1::bytea[]) AND taker_id = ANY($2::uuid[])"""


async def taken(tx: Tx, collectible_ids: Sequence[bytes], *, player_id: UUID) -> set[bytes]:
    """Which collectibles are gone for a player: shared ones that anybody took, of personal ones their own. One trip."""
    rows = await tx.fetch(_TAKEN, list(collectible_ids), [NOBODY, player_id])
    return {row["collectible_id"] for row in rows}


_KEEP_VALUE = "INSERT INTO gameplay.secret (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING"
_VALUE = "SELECT value FROM gameplay.secret WHERE name = $1"


async def secret(tx: Tx, name: str, *, otherwise: bytes) -> bytes:
    """The secret of a name, shared by all servers on this database; `otherwise` becomes it when there is none yet.

    Two round trips.
    """
    await tx.execute(_KEEP_VALUE, name, otherwise)
    value: bytes = await tx.fetchval(_VALUE, name)
    return value


_WAITS = """
SELECT player_id, type, until FROM gameplay.wait
WHERE player_id = ANY($1::uuid[]) AND type = ANY($2::text[])"""


async def waits(tx: Tx, player_ids: Collection[UUID], types: Collection[str]) -> dict[Wait, int]:
    """Until when (us) players may not take another of some types; the caller holds their locks. One round trip."""
    rows = await tx.fetch(_WAITS, list(player_ids), list(types))
    return {(row["player_id"], row["type"]): to_us(row["until"]) for row in rows}


_WAIT = """
INSERT INTO gameplay.wait (player_id, type, until)
SELECT player_id, type, until FROM unnest($1::uuid[], $2::text[], $3::timestamptz[]) AS new (player_id, type, until)
ORDER BY player_id, type
ON CONFLICT (player_id, type) DO UPDATE SET until = excluded.until"""


async def wait(tx: Tx, begun: Mapping[Wait, int]) -> None:
    """Lets players wait until an instant (us) for the next of a type; the caller holds their locks. One round trip."""
    player_ids, types = map(list, zip(*begun, strict=True))
    await tx.execute(_WAIT, player_ids, types, [from_us(until_us) for until_us in begun.values()])


_PLACE = """
INSERT INTO gameplay.placed (
    collectible_id, lat_deg, lng_deg, type, value_minor, currency, experience, mode, opens_at, closes_at, payer_id,
    placed_by, placed_at
)
SELECT new.*, $12, $13 FROM unnest(
    $1::bytea[], $2::double precision[], $3::double precision[], $4::text[], $5::bigint[], $6::text[], $7::bigint[],
    $8::text[], $9::timestamptz[], $10::timestamptz[], $11::uuid[]
) AS new
ORDER BY 1
ON CONFLICT (collectible_id) DO NOTHING"""


async def place(tx: Tx, placements: Sequence[Placement], *, by: UUID, at: datetime) -> int:
    """Writes placements and gives how many were new; a key that there is keeps its row. One round trip."""
    columns = zip(*(astuple(one)[:-1] for one in placements), strict=True)
    return int((await tx.execute(_PLACE, *map(list, columns), by, at)).rpartition(" ")[2])


_PLACED = """
SELECT collectible_id AS key, lat_deg, lng_deg, type, value_minor, currency, experience, mode, opens_at, closes_at,
    payer_id, withdrawn_at
FROM gameplay.placed"""
_OF_KEYS = f"{_PLACED} WHERE collectible_id = ANY($1::bytea[])"
_LIVE = f"""{_PLACED}
WHERE withdrawn_at IS NULL AND (closes_at, collectible_id) > ($1, $2)
ORDER BY closes_at, collectible_id LIMIT $3"""


async def placed(tx: Tx, keys: Sequence[bytes]) -> list[Placement]:
    """The placements of some keys, in no order; unknown keys are left out. One round trip."""
    return [_placement(row) for row in await tx.fetch(_OF_KEYS, list(keys))]


async def live(tx: Tx, *, after: tuple[datetime, bytes], limit: int) -> list[Placement]:
    """Placements that nobody withdrew, by the time they close, beyond an instant and a key. One round trip."""
    return [_placement(row) for row in await tx.fetch(_LIVE, *after, limit)]


_WITHDRAW = """
UPDATE gameplay.placed SET withdrawn_at = $2 WHERE collectible_id = $1 AND withdrawn_at IS NULL RETURNING 1"""


async def withdraw(tx: Tx, key: bytes, *, at: datetime) -> bool:
    """Withdraws a placement; False when that was done before or there is none. One round trip."""
    return await tx.fetchval(_WITHDRAW, key, at) is not None


_WITHDRAWN = """
SELECT collectible_id, withdrawn_at FROM gameplay.placed
WHERE collectible_id = ANY($1::bytea[]) AND withdrawn_at IS NOT NULL"""


async def withdrawn(tx: Tx, keys: Sequence[bytes]) -> dict[bytes, datetime]:
    """Which of some placements somebody has withdrawn, and when. One round trip."""
    return {row["collectible_id"]: row["withdrawn_at"] for row in await tx.fetch(_WITHDRAWN, list(keys))}


def _placement(row: Any) -> Placement:
    return Placement(**{**row, "mode": Mode(row["mode"])})
