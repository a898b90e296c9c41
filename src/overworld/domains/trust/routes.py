"""Standings over HTTP: a player's own, and what staff see and decide."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from litestar import get, post
from litestar.params import Parameter
from litestar.types import ControllerRouterHandler
from msgspec.structs import replace

from overworld.domains.trust.errors import AlreadyAppealed, BadDecision, NoSuchPlayer, NothingToAppeal
from overworld.domains.trust.messages import (
    Appeal,
    AppealBody,
    AppealSeen,
    Decide,
    DecideBody,
    MyStanding,
    Suspect,
    TrustOfPlayer,
)
from overworld.domains.trust.service import Trust
from overworld.domains.trust.showing import suspect
from overworld.kernel.identity import Scope
from overworld.kernel.standing import Gate
from overworld.platform.http import Caller, CursorQuery, LimitQuery, Page, decode_cursor, encode_cursor, needs
from overworld.platform.http.errors import BadCursor
from overworld.platform.http.paging import LIMIT_DEFAULT

PlayerPath = Annotated[UUID, Parameter(description="A player's account id.")]
GateQuery = Annotated[Gate | None, Parameter(description="Only players at this gate; any but the normal if left out.")]
AppealedQuery = Annotated[bool, Parameter(description="Only players whose appeal waits for an answer.")]


def routes(trust: Trust) -> list[ControllerRouterHandler]:
    """The handlers."""

    @get("/v1/users/me/standing", opt=needs(Scope.ACCOUNT_SELF))
    async def users_me_standing(*, caller: Caller) -> MyStanding:
        """Where you stand, in plain words: what it means for what you collect, why, and until when.

        What the server finds unusual by itself wears off by itself. Who thinks it is wrong can appeal.
        """
        return await trust.mine(caller.principal.account_id)

    @post("/v1/users/me/standing/appeal", opt=needs(Scope.ACCOUNT_SELF, refusals=(NothingToAppeal, AlreadyAppealed)))
    async def users_me_standing_appeal(*, caller: Caller, data: AppealBody) -> AppealSeen:
        """Asks somebody of the staff to look at your standing. One appeal at a time."""
        return await trust.appeal(Appeal(player_id=caller.principal.account_id, text=data.text))

    @get("/v1/admin/trust", opt=needs(Scope.TRUST_READ, refusals=(BadCursor,)))
    async def admin_trust(
        *,
        caller: Caller,
        gate: GateQuery = None,
        appealed: AppealedQuery = False,
        limit: LimitQuery = LIMIT_DEFAULT,
        cursor: CursorQuery = None,
    ) -> Page[Suspect]:
        """Who waits for a look: players whose gate is not the normal one, and who appealed; the longest waiting first.

        The call is written into the audit log.
        """
        after = None if cursor is None else _place_in(cursor)
        found = await trust.queue(staff=caller.staff, gate=gate, appealed=appealed, after=after, limit=limit + 1)
        shown = found[:limit]
        more = encode_cursor(shown[-1].since, shown[-1].player_id) if len(found) > limit else None
        return Page([suspect(row) for row in shown], more)

    @get("/v1/admin/trust/{player:uuid}", opt=needs(Scope.TRUST_READ, refusals=(NoSuchPlayer, BadCursor)))
    async def admin_trust_of(
        *, caller: Caller, player: PlayerPath, limit: LimitQuery = LIMIT_DEFAULT, cursor: CursorQuery = None
    ) -> TrustOfPlayer:
        """Everything about a player's standing: score, gate, the evidence with its figures, decisions and appeals.

        The call is written into the audit log.
        """
        before = None if cursor is None else _id_in(cursor)
        seen, more = await trust.of_player(player, staff=caller.staff, before=before, limit=limit)
        return seen if more is None else replace(seen, cursor=encode_cursor(more))

    @post(
        "/v1/admin/trust/{player:uuid}/decide",
        opt=needs(Scope.TRUST_DECIDE, refusals=(NoSuchPlayer, BadDecision)),
        status_code=200,
    )
    async def admin_trust_decide(*, caller: Caller, player: PlayerPath, data: DecideBody) -> MyStanding:
        """Decides about a player: `clear` dismisses the evidence, `uphold` leaves all as it is, `set` sets a gate.

        An open appeal is answered by it, with `note`, which the player reads. For the days of grace evidence of the
        kinds that were dismissed does not count again. The decision is written into the audit log.
        """
        command = Decide(player_id=player, by_id=caller.principal.account_id, body=data)
        return await trust.decide(command, staff=caller.staff)

    return [users_me_standing, users_me_standing_appeal, admin_trust, admin_trust_of, admin_trust_decide]


def _place_in(cursor: str) -> tuple[datetime, UUID]:
    """The time and id of the last one shown. Raises: BadCursor."""
    since, player_id = decode_cursor(cursor, (datetime, UUID))
    if since.tzinfo is None:
        raise BadCursor
    return since, player_id


def _id_in(cursor: str) -> UUID:
    """The id of the last evidence shown. Raises: BadCursor."""
    [evidence_id] = decode_cursor(cursor, (UUID,))
    return UUID(int=evidence_id.int)
