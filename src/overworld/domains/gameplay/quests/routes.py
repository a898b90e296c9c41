"""Quests over HTTP: decode, call, encode."""

from __future__ import annotations

from typing import Annotated

from litestar import get, post
from litestar.params import Parameter
from litestar.response import Response
from litestar.types import ControllerRouterHandler

from overworld.domains.gameplay.errors import LowTrust
from overworld.domains.gameplay.quests.completing import Completing
from overworld.domains.gameplay.quests.errors import (
    BadQuest,
    NoSuchQuest,
    QuestEnded,
    QuestLocked,
    QuestNameTaken,
    QuestNotMet,
    QuestNotOpen,
    QuestUnpaid,
)
from overworld.domains.gameplay.quests.messages import (
    CompleteQuest,
    NoBody,
    QuestBody,
    QuestDone,
    QuestMade,
    QuestRun,
    QuestSeen,
    StartQuest,
)
from overworld.domains.gameplay.quests.showing import Showing
from overworld.domains.gameplay.quests.starting import Starting
from overworld.kernel.identity import Scope
from overworld.platform.http import (
    Caller,
    CursorQuery,
    LimitQuery,
    Page,
    decode_cursor,
    encode_cursor,
    keyed_reply,
    needs,
)
from overworld.platform.http.errors import BadCursor
from overworld.platform.http.paging import LIMIT_DEFAULT
from overworld.platform.postgres.idempotency import KeyReused

_RUN_MAX = 2**31 - 1
QuestPath = Annotated[str, Parameter(max_length=64, description="The quest's id.")]


def routes(*, showing: Showing, starting: Starting, completing: Completing) -> list[ControllerRouterHandler]:
    """The handlers under `/v1/game/quests`."""

    @get("/v1/game/quests", opt=needs(Scope.GAME_READ, refusals=(BadCursor,)))
    async def quests(
        *, caller: Caller, limit: LimitQuery = LIMIT_DEFAULT, cursor: CursorQuery = None
    ) -> Page[QuestSeen]:
        """The quests that you can begin, have in hand, or have done in this run of them."""
        after = decode_cursor(cursor, (str, int)) if cursor is not None else ("", -1)
        principal = caller.principal
        found = await showing.of(principal.account_id, memberships=principal.memberships)
        left = [quest for quest in found if (quest.id, quest.run or 0) > after]
        shown = left[:limit]
        more = encode_cursor(shown[-1].id, shown[-1].run or 0) if len(left) > limit else None
        return Page(shown, more)

    @post(
        "/v1/game/quests/{id:str}/start",
        opt=needs(Scope.GAME_PLAY, refusals=(NoSuchQuest, QuestNotOpen, QuestEnded, QuestLocked)),
        status_code=200,
    )
    async def quest_start(*, caller: Caller, id: QuestPath, data: NoBody) -> QuestSeen:
        """Begins a quest. One that you have in hand stays as it is."""
        principal = caller.principal
        command = StartQuest(player_id=principal.account_id, quest=id, memberships=principal.memberships)
        return await showing.one(await starting.start(command))

    @post(
        "/v1/game/quests/{id:str}/complete",
        opt=needs(
            Scope.GAME_PLAY,
            key_required=True,
            refusals=(KeyReused, NoSuchQuest, QuestNotMet, QuestEnded, LowTrust, QuestUnpaid),
        ),
        status_code=200,
    )
    async def quest_complete(
        *, caller: Caller, idempotency_key: str | None, id: QuestPath, data: NoBody
    ) -> Response[QuestDone]:
        """Gives you the rewards of a quest whose objectives are met, once.

        Of several runs that are met, the oldest is completed.
        """
        command = CompleteQuest(player_id=caller.principal.account_id, quest=id, key=idempotency_key or "")
        return keyed_reply(await completing.complete(command))

    @get("/v1/game/quests/{id:str}/history", opt=needs(Scope.GAME_READ, refusals=(NoSuchQuest, BadCursor)))
    async def quest_history(
        *, caller: Caller, id: QuestPath, limit: LimitQuery = LIMIT_DEFAULT, cursor: CursorQuery = None
    ) -> Page[QuestRun]:
        """Your runs of a quest, newest first, with what became of them."""
        before_run = _run_in(cursor) if cursor is not None else _RUN_MAX
        found = await showing.history(caller.principal.account_id, id, before_run=before_run, limit=limit + 1)
        shown = found[:limit]
        return Page(shown, encode_cursor(shown[-1].run) if len(found) > limit else None)

    @post(
        "/v1/game/quests",
        opt=needs(Scope.GAME_PLACE, refusals=(NoSuchQuest, QuestNameTaken, BadQuest, QuestNotOpen, QuestEnded)),
        status_code=201,
    )
    async def quest_make(*, caller: Caller, data: QuestBody) -> QuestMade:
        """Makes a quest, assigns one to players, or both. The same again changes nothing.

        The definition is written as in the game's. To whom it is assigned, it is whatever it asks of others.
        """
        return await starting.make(data, by=caller.principal.account_id, staff=caller.staff)

    return [quests, quest_start, quest_complete, quest_history, quest_make]


def _run_in(cursor: str) -> int:
    """The run of the last one shown. Raises: BadCursor."""
    run: int
    [run] = decode_cursor(cursor, (int,))
    if not 0 <= run <= _RUN_MAX:
        raise BadCursor
    return run
