"""The event log over HTTP, for administrators."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter

from overworld.app.event_desk.messages import (
    ConsumerLag,
    DeadLetterSeen,
    ReplayAsked,
    ReplayBody,
    TopicSeen,
    asked,
    lag_seen,
    letter_seen,
)
from overworld.app.event_desk.service import EventDesk
from overworld.kernel.identity import Scope
from overworld.platform.eventlog.topics import NoSuchTopic
from overworld.platform.http import (
    UNCHANGED,
    Caller,
    CursorQuery,
    LimitQuery,
    Page,
    decode_cursor,
    encode_cursor,
    etag_reply,
    needs,
)
from overworld.platform.http.errors import BadCursor
from overworld.platform.http.paging import LIMIT_DEFAULT

_NAME_LENGTH_MAX = 249

_TopicQuery = Annotated[
    str | None,
    QueryParameter(
        name="topic", max_length=_NAME_LENGTH_MAX, pattern="^[a-z][a-z0-9_.-]*$", description="Only of this topic."
    ),
]
_ConsumerQuery = Annotated[
    str | None,
    QueryParameter(
        name="consumer",
        max_length=_NAME_LENGTH_MAX,
        pattern="^[a-z][a-z0-9_.-]*$",
        description="Only what this one gave up on.",
    ),
]


def routes(desk: EventDesk) -> list[HTTPRouteHandler]:
    """The handlers under `/v1/admin/events`."""
    return [*_looking(desk), *_dead_letters(desk)]


def _looking(desk: EventDesk) -> list[HTTPRouteHandler]:
    @get("/v1/admin/events/topics", opt=needs(Scope.EVENTS_READ), responses=UNCHANGED)
    async def event_topics(*, request: Request[Any, Any, Any]) -> Response[Page[TopicSeen]]:
        """Every topic, by name: how it is kept, its schema's version, its dead letters; always one page."""
        return etag_reply(Page(await desk.topics()), request)

    @get("/v1/admin/events/lag", opt=needs(Scope.EVENTS_READ))
    async def event_lag() -> Page[ConsumerLag]:
        """How far each durable consumer of the event log is behind, by name; always one page."""
        return Page([lag_seen(lag) for lag in await desk.lag()])

    return [event_topics, event_lag]


def _dead_letters(desk: EventDesk) -> list[HTTPRouteHandler]:
    @get("/v1/admin/events/dead-letters", opt=needs(Scope.EVENTS_REPLAY, refusals=(BadCursor, NoSuchTopic)))
    async def event_dead_letters(
        *,
        topic: _TopicQuery = None,
        consumer: _ConsumerQuery = None,
        limit: LimitQuery = LIMIT_DEFAULT,
        cursor: CursorQuery = None,
    ) -> Page[DeadLetterSeen]:
        """Events that consumers gave up on, the newest first."""
        before = None if cursor is None else _place_in(cursor)
        found = await desk.dead_letters(topic=topic, consumer=consumer, before=before, limit=limit + 1)
        more = encode_cursor(found[limit - 1].event_id, found[limit - 1].consumer) if len(found) > limit else None
        return Page([letter_seen(letter) for letter in found[:limit]], more)

    @post(
        "/v1/admin/events/dead-letters/replay",
        opt=needs(Scope.EVENTS_REPLAY, refusals=(NoSuchTopic,)),
        status_code=202,
    )
    async def event_replay(*, caller: Caller, data: ReplayBody) -> ReplayAsked:
        """Hands dead letters to the consumers that gave up on them, again, and to nobody else.

        What is handled then is a dead letter no more; what fails again stays one, with more attempts.
        """
        replays = await desk.replay(
            topic=data.topic, consumer=data.consumer, event_ids=data.event_ids, staff=caller.staff
        )
        return asked(replays)

    return [event_dead_letters, event_replay]


def _place_in(cursor: str) -> tuple[UUID, str]:
    """The event and the consumer of the last one shown. Raises: BadCursor."""
    event_id, consumer = decode_cursor(cursor, (UUID, str))
    if "\x00" in consumer:
        raise BadCursor
    return event_id, consumer
