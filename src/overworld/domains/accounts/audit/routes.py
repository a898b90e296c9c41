"""The audit log over HTTP, for auditors and administrators."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter
from msgspec import Meta

from overworld.domains.accounts.audit.messages import AuditItem, item_of
from overworld.domains.accounts.audit.reading import Reading
from overworld.domains.accounts.audit.types import Asked
from overworld.kernel.clock import FIRST_US, LAST_US, from_us, to_us
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
from overworld.platform.http.errors import BadCursor, BadRequest
from overworld.platform.http.paging import LIMIT_DEFAULT
from overworld.platform.http.problems import fault

_ACTOR = Annotated[UUID | None, QueryParameter(description="Only what this account did.")]
_ACTION = Annotated[
    str | None,
    QueryParameter(max_length=64, description="Only this action, or those that begin with it and a dot."),
]
_TARGET = Annotated[str | None, QueryParameter(max_length=256, description="Only what was done to this.")]
_FROM = Annotated[str | None, QueryParameter(name="from", format="date-time", description="Only from then on.")]
_TO = Annotated[str | None, QueryParameter(name="to", format="date-time", description="Only before that.")]
_Instant = Annotated[datetime, Meta(tz=True)]


def routes(reading: Reading) -> list[HTTPRouteHandler]:
    """The handlers under `/v1/admin/audit`."""

    @get("/v1/admin/audit", opt=needs(Scope.AUDIT_READ, refusals=(BadCursor,)))
    async def audit_log(
        *,
        caller: Caller,
        actor: _ACTOR = None,
        action: _ACTION = None,
        target: _TARGET = None,
        since: _FROM = None,
        until: _TO = None,
        limit: LimitQuery = LIMIT_DEFAULT,
        cursor: CursorQuery = None,
    ) -> Page[AuditItem]:
        """What staff did, newest first.

        A number and a hash come a second later than the entry.
        """
        asked = Asked(
            actor_id=actor, action=action, target=target, since=_instant(since, "from"), until=_instant(until, "to")
        )
        before = None if cursor is None else _place_in(cursor)
        found = await reading.found(asked, before=before, limit=limit + 1)
        more = encode_cursor(to_us(found[limit - 1].at), found[limit - 1].id) if len(found) > limit else None
        return Page([item_of(kept) for kept in found[:limit]], more)

    return [audit_log]


def _instant(text: str | None, name: str) -> datetime | None:
    """The instant in UTC; what an offset puts beyond the years that UTC can name is their nearest end.

    Raises: BadRequest for a text that is no instant.
    """
    if text is None:
        return None
    try:
        at: datetime = msgspec.convert(text, _Instant)
    except msgspec.ValidationError as error:
        raise BadRequest(errors=[fault("query", name, "Expected an RFC 3339 time with its offset")]) from error
    return from_us(min(max(to_us(at), FIRST_US), LAST_US))


def _place_in(cursor: str) -> tuple[datetime, UUID]:
    """The time and id of the last one shown. Raises: BadCursor."""
    at_us, shown_id = decode_cursor(cursor, (int, UUID))
    if not FIRST_US <= at_us <= LAST_US:
        raise BadCursor
    return from_us(at_us), shown_id
