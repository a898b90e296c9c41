"""What players carry, read without a lock; and what of it multiplies their claims."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from overworld.domains.gameplay.carry import store
from overworld.domains.gameplay.carry.messages import BadgeSeen, BoostSeen, ItemSeen, ToolSeen
from overworld.domains.gameplay.carry.pack import with_starter
from overworld.domains.gameplay.carry.rules import strongest, worn_of
from overworld.domains.gameplay.carry.showing import boost_seen, item_seen, tool_seen
from overworld.domains.gameplay.carry.types import STACK, Kit
from overworld.domains.gameplay.types import WHOLE_BP, Worn
from overworld.kernel.clock import Clock, from_us, rfc3339, to_us
from overworld.kernel.ports import Tx
from overworld.platform.postgres import Database

_FIRST = ("", STACK)


class Reading:
    """Inventories, tools, boosts and badges. Implements gameplay's `Gear`. `kit` may be exchanged."""

    def __init__(self, *, database: Database, clock: Clock, kit: Kit) -> None:
        self.kit = kit
        self._database = database
        self._clock = clock

    async def holders(self, tx: Tx, *, items: Sequence[str], tools: Sequence[str]) -> dict[str, int]:
        """How many players have something of some types, those alone of which anybody has. One round trip."""
        return await store.holders(tx, items=items, tools=tools)

    async def inventory(
        self, player_id: UUID, *, after: tuple[str, UUID] | None = None, limit: int
    ) -> list[tuple[tuple[str, UUID], ItemSeen]]:
        """What a player has, with its place: by type, stacks before instances; the first `limit` beyond a place.

        One round trip.
        """
        async with self._database.read() as tx:
            items = await store.inventory(tx, player_id, after=after or _FIRST, limit=limit)
        return [((item.type, item.id), item_seen(item, self.kit)) for item in items]

    async def tools(self, player_id: UUID) -> list[ToolSeen]:
        """A player's tools, the one in hand first. Those of types that the game has no more are left out."""
        now = self._clock.now()
        async with self._database.read() as tx:
            bearers = await store.bearers_of(tx, [player_id])
            tools = {tool.id: tool for tool in await store.tools_of(tx, [player_id])}
            boosts = await store.boosts_of(tx, [player_id])
        collected = bearers[player_id].collected if player_id in bearers else 0
        boost_bp = strongest(boosts, "upgrade", now_us=to_us(now))
        known = [
            tool for tool in with_starter(tools, player_id, self.kit, at=now).values() if tool.type in self.kit.tools
        ]
        known.sort(key=lambda tool: (tool.equipped_at is None, tool.id))
        return [tool_seen(tool, self.kit, collected=collected, boost_bp=boost_bp) for tool in known]

    async def boosts(self, player_id: UUID) -> list[BoostSeen]:
        """The boosts that run, the one that ends first before the others. One round trip."""
        now_us = self._clock.now_us()
        async with self._database.read() as tx:
            boosts = await store.boosts_of(tx, [player_id])
        running = sorted((one for one in boosts if one.until_us > now_us), key=lambda one: one.until_us)
        return [boost_seen(one) for one in running]

    async def badges(self, player_id: UUID) -> list[BadgeSeen]:
        """Every badge of the game, in the order of its definition, with when the player earned it. One round trip."""
        async with self._database.read() as tx:
            earned = await store.badges_of(tx, player_id)
        return [
            BadgeSeen(
                id=badge_id,
                kind=badge.kind,
                name=badge.name,
                text=badge.text,
                icon=badge.icon,
                earned_at=rfc3339(earned[badge_id]) if badge_id in earned else None,
            )
            for badge_id, badge in self.kit.badges.items()
        ]

    async def badges_of(self, player_ids: Sequence[UUID]) -> list[tuple[str, ...]]:
        """The names of the badges that each has earned, (n,), in the order of the game's definition. One round trip."""
        async with self._database.read() as tx:
            earned = await store.badges_earned(tx, player_ids)
        return [tuple(name for name in self.kit.badges if (one, name) in earned) for one in player_ids]

    async def of(self, tx: Tx, player_ids: Sequence[UUID], *, now_us: int) -> dict[UUID, Worn]:
        """What multiplies the claims of each; who never played has the tool of the beginning. One round trip."""
        hands = await store.hands(tx, player_ids, now_us=now_us)
        return {hand.bearer.id: self._worn(hand, now_us=now_us) for hand in hands}

    def _worn(self, hand: store.Hand, *, now_us: int) -> Worn:
        tool = hand.tool
        if tool is None:
            theirs = with_starter({}, hand.bearer.id, self.kit, at=from_us(now_us))
            tool = next(iter(theirs.values()), None)
        kind = None if tool is None else self.kit.tools.get(tool.type)
        return worn_of(hand.bearer, tool, kind, boost_bp=hand.boost_bp or WHOLE_BP, boost_until_us=hand.boost_until_us)
