"""Held rewards over HTTP: what a player waits for, and what staff see of it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from litestar import get
from litestar.params import Parameter
from litestar.types import ControllerRouterHandler

from overworld.domains.gameplay.held.messages import HeldReward
from overworld.domains.gameplay.held.service import HeldRewards
from overworld.kernel.audit import Staff
from overworld.kernel.identity import Scope
from overworld.platform.http import (
    Caller,
    CursorQuery,
    LimitQuery,
    Page,
    decode_cursor,
    encode_cursor,
    needs,
)
from overworld.platform.http.errors import BadCursor, NotFound
from overworld.platform.http.paging import LIMIT_DEFAULT

PlayerPath = Annotated[UUID, Parameter(description="The player's account id.")]


def routes(rewards: HeldRewards) -> list[ControllerRouterHandler]:
    """The handlers."""

    @get("/v1/game/rewards/held", opt=needs(Scope.GAME_READ, refusals=(BadCursor,)))
    async def rewards_held(
        *, caller: Caller, limit: LimitQuery = LIMIT_DEFAULT, cursor: CursorQuery = None
    ) -> Page[HeldReward]:
        """Your rewards that wait for a review, and what became of those that did, newest first."""
        return await _page(rewards, caller.principal.account_id, limit=limit, cursor=cursor)

    @get("/v1/admin/trust/{player:uuid}/held", opt=needs(Scope.TRUST_READ, refusals=(NotFound, BadCursor)))
    async def player_rewards_held(
        *, caller: Caller, player: PlayerPath, limit: LimitQuery = LIMIT_DEFAULT, cursor: CursorQuery = None
    ) -> Page[HeldReward]:
        """What a player waits for, and what became of what they waited for, newest first.

        The call is written into the audit log.
        """
        return await _page(rewards, player, limit=limit, cursor=cursor, staff=caller.staff)

    return [rewards_held, player_rewards_held]


async def _page(
    rewards: HeldRewards, player_id: UUID, *, limit: int, cursor: str | None, staff: Staff | None = None
) -> Page[HeldReward]:
    before = None if cursor is None else _place_in(cursor)
    found = await rewards.shown(player_id, before=before, limit=limit + 1, staff=staff)
    shown = found[:limit]
    more = encode_cursor(shown[-1].held_at, shown[-1].id) if len(found) > limit else None
    return Page(shown, more)


def _place_in(cursor: str) -> tuple[datetime, UUID]:
    """The time and id of the last one shown. Raises: BadCursor."""
    at, shown_id = decode_cursor(cursor, (datetime, UUID))
    if at.tzinfo is None:
        raise BadCursor
    return at, shown_id
