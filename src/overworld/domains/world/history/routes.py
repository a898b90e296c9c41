"""History over HTTP: decode, call, encode."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import delete, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter

from overworld.domains.world.history.messages import PlaceRecorded
from overworld.domains.world.history.service import History
from overworld.kernel.identity import Scope
from overworld.platform.http import Caller, CursorQuery, LimitQuery, Page, decode_cursor, encode_cursor, needs
from overworld.platform.http.errors import BadCursor, BadRequest, NotFound
from overworld.platform.http.paging import LIMIT_DEFAULT
from overworld.platform.http.problems import fault

_TIME_LENGTH_MAX = 40

FromQuery = Annotated[
    str | None,
    QueryParameter(
        name="from",
        schema_extra={"format": "date-time"},
        max_length=_TIME_LENGTH_MAX,
        description="The first instant asked for (RFC 3339; UTC where it says no zone); left out, all that is kept.",
    ),
]
ToQuery = Annotated[
    str | None,
    QueryParameter(
        name="to",
        schema_extra={"format": "date-time"},
        max_length=_TIME_LENGTH_MAX,
        description="The instant before which places are asked for; left out, up to now.",
    ),
]


def routes(history: History) -> list[HTTPRouteHandler]:
    """The handlers."""

    @get("/v1/location/history", opt=needs(Scope.LOCATION_READ, refusals=(BadCursor,)))
    async def location_history(
        *,
        caller: Caller,
        start: FromQuery = None,
        end: ToQuery = None,
        limit: LimitQuery = LIMIT_DEFAULT,
        cursor: CursorQuery = None,
    ) -> Page[PlaceRecorded]:
        """Where the player was, newest first: every 25 m or 60 s of its way, of the last days. For its own eyes."""
        found = await history.own(
            caller.principal.account_id, start=_instant("from", start), end=_end(end, cursor), limit=limit + 1
        )
        return _page(found, limit)

    @delete("/v1/location/history", opt=needs(Scope.LOCATION_WRITE))
    async def erase_location_history(*, caller: Caller) -> None:
        """Erases all that is kept of where the player was. What it walks from now on is recorded again."""
        await history.erase(caller.principal.account_id)

    @get("/v1/admin/location/{player:uuid}/history", opt=needs(Scope.LOCATION_AUDIT, refusals=(BadCursor, NotFound)))
    async def player_location_history(
        *,
        caller: Caller,
        player: UUID,
        start: FromQuery = None,
        end: ToQuery = None,
        limit: LimitQuery = LIMIT_DEFAULT,
        cursor: CursorQuery = None,
    ) -> Page[PlaceRecorded]:
        """Where a player was, newest first, for staff. Each look is kept in the audit log with what it asked for."""
        found = await history.of_player(
            player, staff=caller.staff, start=_instant("from", start), end=_end(end, cursor), limit=limit + 1
        )
        return _page(found, limit)

    return [location_history, erase_location_history, player_location_history]


def _page(found: list[PlaceRecorded], limit: int) -> Page[PlaceRecorded]:
    shown = found[:limit]
    return Page(shown, encode_cursor(shown[-1].recorded_at) if len(found) > limit else None)


def _end(text: str | None, cursor: str | None) -> datetime | None:
    """Where the page ends: before what was asked for, and before the last one shown. Raises: BadRequest; BadCursor."""
    end = _instant("to", text)
    if cursor is None:
        return end
    shown: datetime = decode_cursor(cursor, (datetime,))[0]
    if shown.tzinfo is None:
        raise BadCursor
    return shown if end is None else min(end, shown)


def _instant(name: str, text: str | None) -> datetime | None:
    """The instant that a query names. Raises: BadRequest."""
    if text is None:
        return None
    try:
        instant: datetime = msgspec.convert(text, datetime)
    except msgspec.ValidationError as error:
        raise BadRequest(errors=[fault("query", name, "There is no such time")]) from error
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
