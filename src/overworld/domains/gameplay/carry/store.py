"""Items, tools, boosts and badges in PostgreSQL: sets in, sets out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from overworld.domains.gameplay.carry.pack import Loaded, Pack
from overworld.domains.gameplay.carry.types import STACK, Bearer, Item, Running, Tool
from overworld.kernel.clock import from_us, to_us
from overworld.kernel.ports import Tx

_HOLDERS = """
SELECT type, count(DISTINCT player_id) AS holders FROM (
    SELECT type, player_id FROM gameplay.item WHERE type = ANY($1::text[]) AND count > 0
    UNION ALL
    SELECT type, player_id FROM gameplay.tool WHERE type = ANY($2::text[])
) AS held GROUP BY type"""


async def holders(tx: Tx, *, items: Sequence[str], tools: Sequence[str]) -> dict[str, int]:
    """How many players have something of some types, those alone of which anybody has. One round trip."""
    return {row["type"]: row["holders"] for row in await tx.fetch(_HOLDERS, list(items), list(tools))}


class Wanted(Struct, frozen=True, kw_only=True):
    """What a batch may touch: stacks by player and type; tools and boosts of players; badges by name; supplies."""

    player_ids: Collection[UUID]
    stacks: Collection[tuple[UUID, str]] = ()
    with_tools: Collection[UUID] = ()
    badges: Collection[str] = ()
    supplies: Collection[str] = ()


_BEARERS = "SELECT id, experience, level, gear, collected FROM gameplay.lock_players($1::uuid[])"
_ITEMS = """
SELECT item.* FROM unnest($1::uuid[], $2::text[]) AS wanted (player_id, type)
JOIN gameplay.item ON item.player_id = wanted.player_id AND item.type = wanted.type AND item.id = $5
UNION ALL
SELECT item.* FROM unnest($3::uuid[], $4::uuid[]) AS wanted (player_id, id)
JOIN gameplay.item ON item.id = wanted.id AND item.player_id = wanted.player_id
    AND item.id <> '00000000-0000-0000-0000-000000000000'"""
_TOOLS = """
SELECT player_id, id, type, level, wear, attempts, equipped_at, since FROM gameplay.tool
WHERE player_id = ANY($1::uuid[])"""
_BOOSTS = "SELECT player_id, what, type, multiplier_bp, until FROM gameplay.boost WHERE player_id = ANY($1::uuid[])"
_BADGES = "SELECT player_id, name FROM gameplay.badge WHERE player_id = ANY($1::uuid[]) AND name = ANY($2::text[])"
_SUPPLIES = "SELECT type, issued FROM gameplay.lock_supply($1::text[])"


async def lock_bearers(tx: Tx, player_ids: Collection[UUID]) -> dict[UUID, Bearer]:
    """The players, made where they are missing and locked until the transaction ends, in id order. One round trip."""
    rows = await tx.fetch(_BEARERS, sorted(player_ids))
    return {row["id"]: Bearer(**row) for row in rows}


async def load(tx: Tx, wanted: Wanted, bearers: dict[UUID, Bearer]) -> Loaded:
    """What a batch may touch, of players who are locked; supplies are locked too, in the order of their types.

    A round trip for each kind of thing that is wanted, none for the others.
    """
    player_ids = list(wanted.player_ids)
    items = await items_of(tx, stacks=wanted.stacks) if wanted.stacks else []
    tools = await tools_of(tx, wanted.with_tools) if wanted.with_tools else []
    boosts = await boosts_of(tx, wanted.with_tools) if wanted.with_tools else []
    badges = await tx.fetch(_BADGES, player_ids, list(wanted.badges)) if wanted.badges else []
    supplies = await tx.fetch(_SUPPLIES, sorted(wanted.supplies)) if wanted.supplies else []
    return Loaded(
        bearers=bearers,
        items=items,
        tools=tools,
        boosts=boosts,
        badges={(row["player_id"], row["name"]) for row in badges},
        issued={row["type"]: row["issued"] for row in supplies},
    )


async def items_of(
    tx: Tx, *, stacks: Collection[tuple[UUID, str]] = (), instances: Collection[tuple[UUID, UUID]] = ()
) -> list[Item]:
    """Stacks by player and type, and instances by player and id; what is not there is left out. One round trip."""
    rows = await tx.fetch(
        _ITEMS,
        [player_id for player_id, _ in stacks],
        [item_type for _, item_type in stacks],
        [player_id for player_id, _ in instances],
        [instance_id for _, instance_id in instances],
        STACK,
    )
    return [Item(**row) for row in rows]


async def tools_of(tx: Tx, player_ids: Collection[UUID]) -> list[Tool]:
    """The tools of players, without those of the beginning that are no rows yet. One round trip."""
    return [Tool(**row) for row in await tx.fetch(_TOOLS, list(player_ids))]


async def boosts_of(tx: Tx, player_ids: Collection[UUID]) -> list[Running]:
    """The boosts of players, those that have ended included. One round trip."""
    rows = await tx.fetch(_BOOSTS, list(player_ids))
    return [
        Running(
            player_id=row["player_id"],
            what=row["what"],
            type=row["type"],
            multiplier_bp=row["multiplier_bp"],
            until_us=to_us(row["until"]),
        )
        for row in rows
    ]


_SAVE_BEARERS = """
UPDATE gameplay.player SET experience = new.experience, level = new.level, gear = new.gear
FROM unnest($1::uuid[], $2::bigint[], $3::integer[], $4::bigint[]) AS new (id, experience, level, gear)
WHERE player.id = new.id"""
_SAVE_ITEMS = """
INSERT INTO gameplay.item (player_id, type, id, count, used, since)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::bigint[], $5::bigint[], $6::timestamptz[])
ORDER BY 1, 2, 3
ON CONFLICT (player_id, type, id) DO UPDATE
SET count = excluded.count, used = excluded.used, since = excluded.since"""
# The one that was put away goes first, so that at no time two are in hand.
_SAVE_TOOLS = """
INSERT INTO gameplay.tool (player_id, id, type, level, wear, attempts, equipped_at, since)
SELECT new.* FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::integer[], $5::bigint[], $6::bigint[], $7::bigint[],
    $8::timestamptz[]) AS new (player_id, id, type, level, wear, attempts, equipped_at, since)
ORDER BY player_id, equipped_at IS NOT NULL, id
ON CONFLICT (player_id, id) DO UPDATE SET level = excluded.level, wear = excluded.wear, attempts = excluded.attempts,
    equipped_at = excluded.equipped_at"""
_SAVE_BOOSTS = """
INSERT INTO gameplay.boost (player_id, what, type, multiplier_bp, until)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::integer[], $5::timestamptz[])
ORDER BY 1, 2, 3
ON CONFLICT (player_id, what, type) DO UPDATE SET multiplier_bp = excluded.multiplier_bp, until = excluded.until"""
_SAVE_BADGES = """
INSERT INTO gameplay.badge (player_id, name, earned_at)
SELECT player_id, name, $3 FROM unnest($1::uuid[], $2::text[]) AS new (player_id, name) ORDER BY player_id, name"""
_SAVE_SUPPLIES = """
UPDATE gameplay.supply SET issued = new.issued FROM unnest($1::text[], $2::bigint[]) AS new (type, issued)
WHERE supply.type = new.type"""


async def save(tx: Tx, pack: Pack) -> None:
    """Writes what has changed in a pack; the caller holds its players' locks. A round trip for each kind of thing."""
    bearers = [pack.bearers[player_id] for player_id in pack.changed_bearers]
    if bearers:
        await tx.execute(
            _SAVE_BEARERS,
            [one.id for one in bearers],
            [one.experience for one in bearers],
            [one.level for one in bearers],
            [one.gear for one in bearers],
        )
    await _save_items(tx, list(pack.changed_items.values()))
    await _save_tools(tx, list(pack.changed_tools.values()))
    await _save_boosts(tx, list(pack.changed_boosts.values()))
    if pack.new_badges:
        player_ids, names = map(list, zip(*pack.new_badges, strict=True))
        await tx.execute(_SAVE_BADGES, player_ids, names, pack.at)
    if pack.changed_supplies:
        types = list(pack.changed_supplies)
        await tx.execute(_SAVE_SUPPLIES, types, [pack.issued[one] for one in types])


async def _save_items(tx: Tx, items: Sequence[Item]) -> None:
    if not items:
        return
    await tx.execute(
        _SAVE_ITEMS,
        [one.player_id for one in items],
        [one.type for one in items],
        [one.id for one in items],
        [one.count for one in items],
        [one.used for one in items],
        [one.since for one in items],
    )


async def _save_tools(tx: Tx, tools: Sequence[Tool]) -> None:
    if not tools:
        return
    await tx.execute(
        _SAVE_TOOLS,
        [one.player_id for one in tools],
        [one.id for one in tools],
        [one.type for one in tools],
        [one.level for one in tools],
        [one.wear for one in tools],
        [one.attempts for one in tools],
        [one.equipped_at for one in tools],
        [one.since for one in tools],
    )


async def _save_boosts(tx: Tx, boosts: Sequence[Running]) -> None:
    if not boosts:
        return
    await tx.execute(
        _SAVE_BOOSTS,
        [one.player_id for one in boosts],
        [one.what for one in boosts],
        [one.type for one in boosts],
        [one.multiplier_bp for one in boosts],
        [from_us(one.until_us) for one in boosts],
    )


_INVENTORY = """
SELECT * FROM gameplay.item
WHERE player_id = $1 AND (type, id) > ($2::text COLLATE "C", $3) AND count > 0 ORDER BY type, id LIMIT $4"""


async def inventory(tx: Tx, player_id: UUID, *, after: tuple[str, UUID], limit: int) -> list[Item]:
    """What a player has, by type and id, beyond a type and id. One round trip."""
    return [Item(**row) for row in await tx.fetch(_INVENTORY, player_id, *after, limit)]


_STANDING = "SELECT id, experience, level, gear, collected FROM gameplay.player WHERE id = ANY($1::uuid[])"


async def bearers_of(tx: Tx, player_ids: Collection[UUID]) -> dict[UUID, Bearer]:
    """Players as they are, without a lock; those who never played are absent. One round trip."""
    return {row["id"]: Bearer(**row) for row in await tx.fetch(_STANDING, list(player_ids))}


# One statement, so that a version and what it stands for are of one snapshot.
_GEAR = """
SELECT wanted.id AS player_id, coalesce(player.gear, 0) AS gear, coalesce(player.collected, 0) AS collected,
    tool.id, tool.type, tool.level, tool.wear, tool.equipped_at, boosted.multiplier_bp, boosted.until
FROM unnest($1::uuid[]) AS wanted (id)
LEFT JOIN gameplay.player ON player.id = wanted.id
LEFT JOIN gameplay.tool ON tool.player_id = wanted.id AND tool.equipped_at IS NOT NULL
CROSS JOIN LATERAL (
    SELECT max(multiplier_bp) AS multiplier_bp, min(until) AS until FROM gameplay.boost
    WHERE boost.player_id = wanted.id AND what = 'collect' AND until > $2
) AS boosted"""


class Hand(Struct, frozen=True, kw_only=True):
    """What a player has in hand, None where no row says so, and the boost of collecting that runs until an instant."""

    bearer: Bearer
    tool: Tool | None
    boost_bp: int | None
    boost_until_us: int | None


async def hands(tx: Tx, player_ids: Collection[UUID], *, now_us: int) -> list[Hand]:
    """What counts for claims, of each player; those who never played included. One round trip."""
    now = from_us(now_us)
    return [_hand(row, now) for row in await tx.fetch(_GEAR, list(player_ids), now)]


def _hand(row: Any, now: datetime) -> Hand:
    tool = None
    if row["id"] is not None:
        fields = {name: row[name] for name in ("player_id", "id", "type", "level", "wear", "equipped_at")}
        tool = Tool(**fields, since=now)
    return Hand(
        bearer=Bearer(id=row["player_id"], gear=row["gear"], collected=row["collected"]),
        tool=tool,
        boost_bp=row["multiplier_bp"],
        boost_until_us=None if row["until"] is None else to_us(row["until"]),
    )


_EARNED = "SELECT name, earned_at FROM gameplay.badge WHERE player_id = $1"


async def badges_of(tx: Tx, player_id: UUID) -> dict[str, datetime]:
    """The badges that a player has, and since when. One round trip."""
    return {row["name"]: row["earned_at"] for row in await tx.fetch(_EARNED, player_id)}


_EARNED_BY = "SELECT player_id, name FROM gameplay.badge WHERE player_id = ANY($1::uuid[])"


async def badges_earned(tx: Tx, player_ids: Sequence[UUID]) -> set[tuple[UUID, str]]:
    """The badges that some players have. One round trip."""
    return {(row["player_id"], row["name"]) for row in await tx.fetch(_EARNED_BY, player_ids)}
