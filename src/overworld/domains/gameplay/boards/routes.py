"""Leaderboards over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec
from litestar import get
from litestar.params import Parameter
from litestar.types import ControllerRouterHandler
from msgspec.structs import replace

from overworld.domains.gameplay.boards.errors import NoBoard
from overworld.domains.gameplay.boards.messages import LeaderboardPage
from overworld.domains.gameplay.boards.service import Asked, Boards
from overworld.domains.gameplay.boards.types import GLOBAL
from overworld.kernel.identity import Scope
from overworld.platform.http import Caller, CursorQuery, LimitQuery, decode_cursor, encode_cursor, needs
from overworld.platform.http.errors import BadCursor, BadRequest
from overworld.platform.http.paging import LIMIT_DEFAULT
from overworld.platform.http.problems import fault

_START_MAX = 2**31

BoardQuery = Annotated[
    str,
    Parameter(
        min_length=1,
        max_length=64,
        description="A board of the game (`global`, `daily`, `weekly`, ...), a membership, or the token of a region.",
    ),
]
AroundQuery = Annotated[
    Literal["me"] | None, Parameter(description="`me`: the places around the caller's own, as many above as below.")
]
AtQuery = Annotated[
    str | None,
    Parameter(
        schema_extra={"format": "date-time"},
        max_length=40,
        description="An instant in the window asked for (RFC 3339; UTC where it says no zone); left out, it is now.",
    ),
]


def routes(boards: Boards) -> list[ControllerRouterHandler]:
    """The handler."""

    @get("/v1/game/leaderboard", opt=needs(Scope.GAME_READ, refusals=(NoBoard, BadCursor)))
    async def leaderboard(
        *,
        caller: Caller,
        board: BoardQuery = GLOBAL,
        around: AroundQuery = None,
        at: AtQuery = None,
        limit: LimitQuery = LIMIT_DEFAULT,
        cursor: CursorQuery = None,
    ) -> LeaderboardPage:
        """Who has collected most: the places of a board, best first, and the caller's own.

        Of equal scores the one that was reached first stands before the others. Windows that are over show the results
        that are kept of them.
        """
        page, after = await boards.page(
            Asked(
                player_id=caller.principal.account_id,
                board=board,
                around_me=around == "me",
                start=0 if cursor is None else _start_in(cursor),
                limit=limit,
                at=None if at is None else _instant_in(at),
            )
        )
        return page if after is None else replace(page, cursor=encode_cursor(after))

    return [leaderboard]


def _instant_in(at: str) -> datetime:
    """The instant that a query names. Raises: BadRequest."""
    try:
        instant = msgspec.convert(at, datetime)
    except msgspec.ValidationError as error:
        raise BadRequest(errors=[fault("query", "at", "There is no such day or time")]) from error
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _start_in(cursor: str) -> int:
    """How many places were shown. Raises: BadCursor."""
    [start] = decode_cursor(cursor, (int,))
    if not 0 <= start <= _START_MAX:
        raise BadCursor
    return int(start)
