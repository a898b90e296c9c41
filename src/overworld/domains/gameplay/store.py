"""Players, collections and the spawn secret in PostgreSQL: sets in, sets out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from overworld.domains.gameplay.rules import Taking, Win
from overworld.domains.gameplay.types import NOBODY, Player, Progress
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
