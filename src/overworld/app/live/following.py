"""One player on the live map: what they hold, what they are at, and where they stand."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from uuid import UUID

from msgspec import Struct

from overworld.app.live.messages import LiveBalance, LivePlayer, LiveQuest, LiveRival, LiveStanding
from overworld.domains.accounts.service import Directory, Profiles
from overworld.domains.gameplay.boards.messages import LeaderboardPage
from overworld.domains.gameplay.boards.service import Asked, Boards
from overworld.domains.gameplay.boards.types import GLOBAL
from overworld.domains.gameplay.carry.reading import Reading
from overworld.domains.gameplay.quests.messages import QuestSeen
from overworld.domains.gameplay.quests.showing import Showing
from overworld.domains.gameplay.quests.types import State
from overworld.domains.ledger.service import Ledger
from overworld.domains.world.service import World

BOARDS = ("daily", GLOBAL)
ITEMS_MAX = 50
QUESTS_MAX = 20
_PLACES = 5


class Following(Struct, frozen=True, kw_only=True):
    """Puts together what the domains know of one player; it keeps nothing."""

    profiles: Profiles
    directory: Directory
    ledger: Ledger
    carried: Reading
    quests: Showing
    boards: Boards
    world: World

    async def player(self, player_id: UUID) -> LivePlayer:
        """What the map shows of a player; each part as it is at a moment of its own. About 15 round trips.

        Raises: TokenRevoked when there is no such account any more.
        """
        me, balances, items, tools, standings = await asyncio.gather(
            self.profiles.me(player_id),
            self.ledger.balances(player_id),
            self.carried.inventory(player_id, limit=ITEMS_MAX),
            self.carried.tools(player_id),
            self._standings(player_id),
        )
        quests = await self.quests.of(player_id, memberships=me.memberships)
        level_from, level_to = _bounds(me.level, self.carried.kit.levels)
        currencies = self.ledger.currencies
        return LivePlayer(
            id=self.world.located_id(player_id),
            name=me.username,
            level=me.level,
            experience=me.experience,
            level_from=level_from,
            level_to=level_to,
            balances=[LiveBalance(one.currency, currencies[one.currency].format(one.posted_minor)) for one in balances],
            items=[item for _, item in items],
            tool=next((tool for tool in tools if tool.equipped), None),
            quests=_in_hand(quests),
            standings=standings,
        )

    async def _standings(self, player_id: UUID) -> list[LiveStanding]:
        asked = [Asked(player_id=player_id, board=board, around_me=True, limit=_PLACES) for board in BOARDS]
        pages = [(await self.boards.page(each))[0] for each in asked]
        names = await self.directory.usernames([place.player_id for page in pages for place in page.items])
        return [_standing(page, names, of=player_id) for page in pages]


def _bounds(level: int, levels: Sequence[int]) -> tuple[int, int | None]:
    """The totals of experience at which a level begins and ends; the last one never ends."""
    return (levels[level - 2] if level > 1 else 0), (levels[level - 1] if level <= len(levels) else None)


def _in_hand(quests: Sequence[QuestSeen]) -> list[LiveQuest]:
    return [
        LiveQuest(
            id=quest.id,
            type=quest.type,
            title=quest.title,
            met=quest.met,
            objectives=quest.objectives,
            closes_at=quest.closes_at,
        )
        for quest in quests
        if quest.state == State.ACTIVE.wire
    ][:QUESTS_MAX]


def _standing(page: LeaderboardPage, names: Mapping[UUID, str], *, of: UUID) -> LiveStanding:
    return LiveStanding(
        board=page.board,
        counts=page.counts,
        rank=page.me.rank if page.me else None,
        players=page.players,
        around=[
            LiveRival(
                rank=place.rank,
                name=names.get(place.player_id, ""),
                score=place.score,
                is_player=place.player_id == of,
            )
            for place in page.items
        ],
    )
