"""`gameplay.held` in PostgreSQL. Whoever writes it holds the locks of the players' rows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from overworld.domains.gameplay.held.types import Hold, HoldState
from overworld.kernel.ports import Tx

_KEEP = """
INSERT INTO gameplay.held (transfer_id, player_id, collectible_id, type, reference, payer_id, currency, amount,
    experience, lat_deg, lng_deg, held_at, expires_at, due_at)
SELECT *, expires_at FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::uuid[], $6::uuid[], $7::text[],
    $8::bigint[], $9::bigint[], $10::float8[], $11::float8[], $12::timestamptz[], $13::timestamptz[])
    AS new (transfer_id, player_id, collectible_id, type, reference, payer_id, currency, amount, experience, lat_deg,
        lng_deg, held_at, expires_at)
ORDER BY transfer_id"""


async def keep(tx: Tx, holds: Sequence[Hold]) -> None:
    """Keeps what is held from now on; this transaction makes the promises. One round trip, none without holds."""
    if not holds:
        return
    await tx.execute(
        _KEEP,
        [one.transfer_id for one in holds],
        [one.player_id for one in holds],
        [one.collectible_id for one in holds],
        [one.type for one in holds],
        [one.reference for one in holds],
        [one.payer_id for one in holds],
        [one.currency for one in holds],
        [one.amount_minor for one in holds],
        [one.experience for one in holds],
        [one.lat_deg for one in holds],
        [one.lng_deg for one in holds],
        [one.held_at for one in holds],
        [one.expires_at for one in holds],
    )


_COLUMNS = """transfer_id, player_id, collectible_id, type, reference, payer_id, currency, amount AS amount_minor,
    experience, lat_deg, lng_deg, held_at, expires_at, state, settled_at"""

_HELD = f"""
SELECT {_COLUMNS} FROM gameplay.held
WHERE player_id = $1 AND state = 1 AND held_at <= $2 AND due_at <= $3 AND transfer_id > $4
ORDER BY transfer_id LIMIT $5"""  # noqa: S608


async def held(tx: Tx, player_id: UUID, *, held_by: datetime, due_by: datetime, after: UUID, limit: int) -> list[Hold]:
    """The first `limit` that are held of a player, by then, and due by then, with greater ids than `after`."""
    return [_hold(row) for row in await tx.fetch(_HELD, player_id, held_by, due_by, after, limit)]


_SETTLE = """
UPDATE gameplay.held SET state = $2, settled_at = $3 WHERE transfer_id = ANY($1::uuid[]) AND state = 1"""


async def settle(tx: Tx, ids: Sequence[UUID], state: HoldState, *, at: datetime) -> None:
    """Writes what became of holds. One round trip, none without any."""
    if ids:
        await tx.execute(_SETTLE, ids, state, at)


_PUT_OFF = "UPDATE gameplay.held SET due_at = greatest(due_at, $2) WHERE transfer_id = ANY($1::uuid[]) AND state = 1"


async def put_off(tx: Tx, ids: Sequence[UUID], *, until: datetime) -> None:
    """Lets what the books would not take wait for another try. One round trip, none without any."""
    if ids:
        await tx.execute(_PUT_OFF, ids, until)


_WITH_HELD = "SELECT DISTINCT player_id FROM gameplay.held WHERE state = 1 AND player_id = ANY($1::uuid[])"


async def with_held(tx: Tx, player_ids: Collection[UUID]) -> set[UUID]:
    """Of whom of some players something is held. One round trip."""
    return {row["player_id"] for row in await tx.fetch(_WITH_HELD, list(player_ids))}


_DUE = """
SELECT player_id FROM (SELECT player_id, due_at FROM gameplay.held WHERE state = 1 AND due_at <= $1
    ORDER BY due_at LIMIT $2) AS due
GROUP BY player_id ORDER BY min(due_at)"""


async def due(tx: Tx, at: datetime, *, limit: int) -> list[UUID]:
    """Whose the `limit` are that are due and have waited longest, the longest first. One round trip."""
    return [row["player_id"] for row in await tx.fetch(_DUE, at, limit)]


_WAITING = """
SELECT DISTINCT player_id FROM gameplay.held WHERE state = 1 AND player_id > $1 ORDER BY player_id LIMIT $2"""


async def waiting(tx: Tx, *, after: UUID, limit: int) -> list[UUID]:
    """The first players beyond an id of whom something is held, in the order of ids. One round trip."""
    return [row["player_id"] for row in await tx.fetch(_WAITING, after, limit)]


_SHOWN = f"""
SELECT {_COLUMNS} FROM gameplay.held WHERE player_id = $1 AND (held_at, transfer_id) < ($2, $3)
ORDER BY held_at DESC, transfer_id DESC LIMIT $4"""  # noqa: S608


async def shown(tx: Tx, player_id: UUID, *, before: tuple[datetime, UUID], limit: int) -> list[Hold]:
    """What is or was held of a player, newest first, before an instant and id. One round trip."""
    return [_hold(row) for row in await tx.fetch(_SHOWN, player_id, *before, limit)]


def _hold(row: Any) -> Hold:
    return Hold(**{**row, "state": HoldState(row["state"])})
