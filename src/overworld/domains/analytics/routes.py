"""Analytics over HTTP."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter, QueryParameter

from overworld.domains.analytics.asking import (
    NAMES_MAX,
    WEEK,
    WITHIN_MAX_S,
    box_of,
    cursor_of,
    instant,
    place_in,
    span_of,
)
from overworld.domains.analytics.errors import BadQuestion, NoBoard
from overworld.domains.analytics.messages import (
    Count,
    Funnel,
    Heatmap,
    Overview,
    PlayerMetrics,
    RankedBoard,
    Rankings,
    Realtime,
    Retention,
)
from overworld.domains.analytics.service import Answers
from overworld.domains.analytics.types import AGES_MAX, COHORTS_MAX, STEPS_MAX, By, Dimension, Period, Span
from overworld.geo.box import Box
from overworld.kernel.clock import Clock
from overworld.kernel.identity import Scope
from overworld.platform.columns.errors import TooLong
from overworld.platform.http import Caller, CursorQuery, LimitQuery, Page, needs
from overworld.platform.http.errors import BadCursor, BadRequest, NotFound
from overworld.platform.http.paging import LIMIT_DEFAULT
from overworld.platform.http.problems import fault

SinceQuery = Annotated[
    str | None,
    Parameter(
        schema_extra={"format": "date-time"},
        max_length=40,
        description="Only what happened then or later (RFC 3339; else UTC); left out, a week before `until`.",
    ),
]
UntilQuery = Annotated[
    str | None,
    Parameter(
        schema_extra={"format": "date-time"}, max_length=40, description="Only what happened before; left out, now."
    ),
]
PeriodQuery = Annotated[Period, QueryParameter(description="How far back.")]
NamesQuery = Annotated[
    list[str] | None,
    QueryParameter(
        name="name", max_items=NAMES_MAX, description="Only events of this name; may be there several times."
    ),
]
ByQuery = Annotated[By, QueryParameter(description="What time is divided into.")]
DimensionQuery = Annotated[Dimension, QueryParameter(description="What else is divided by.")]
StepsQuery = Annotated[
    list[str],
    QueryParameter(name="step", min_items=2, max_items=STEPS_MAX, description="The names of events, in their order."),
]
WithinQuery = Annotated[
    float, QueryParameter(name="within_s", gt=0, le=WITHIN_MAX_S, description="Longest from the first to the last.")
]
FirstQuery = Annotated[date | None, QueryParameter(name="first", description="The first cohort; left out, a week ago.")]
CohortsQuery = Annotated[int, QueryParameter(name="cohorts", ge=1, le=COHORTS_MAX, description="How many cohorts.")]
AgesQuery = Annotated[int, QueryParameter(name="days", ge=1, le=AGES_MAX, description="How many days after the first.")]
BoxQuery = Annotated[
    str,
    QueryParameter(
        name="bbox",
        max_length=120,
        description="West, south, east, north in degrees, with commas; west above east crosses the date line.",
    ),
]
CurrencyQuery = Annotated[
    str | None,
    QueryParameter(name="currency", min_length=1, max_length=32, description="Tell what players hold of this one."),
]
LevelQuery = Annotated[int, QueryParameter(name="res", ge=1, le=30, description="S2 level of the cells.")]
BoardQuery = Annotated[
    str, QueryParameter(name="board", min_length=1, max_length=64, description="A board of the game.")
]
PlayerPath = Annotated[UUID, Parameter(description="The player's id.")]


def routes(answers: Answers, *, clock: Clock) -> list[HTTPRouteHandler]:
    """The handlers under `/v1/analytics`."""
    return [*_of_the_caller(answers), *_counted(answers, clock), *_asked(answers, clock)]


def _of_the_caller(answers: Answers) -> list[HTTPRouteHandler]:
    @get("/v1/analytics/me", opt=needs(Scope.GAME_READ, refusals=(TooLong,)))
    async def analytics_me(*, caller: Caller, period: PeriodQuery = Period.WEEK) -> PlayerMetrics:
        """What the caller did: collected, walked, played. At most ten seconds old."""
        return await answers.player(caller.principal.account_id, period)

    @get("/v1/analytics/leaderboard", opt=needs(Scope.GAME_READ, refusals=(NoBoard,)))
    async def analytics_leaderboard(
        *, caller: Caller, board: BoardQuery = "global", limit: LimitQuery = LIMIT_DEFAULT
    ) -> RankedBoard:
        """The best places of a board of the game, and the caller's own."""
        return await answers.board(board, player_id=caller.principal.account_id, limit=limit)

    @get("/v1/analytics/rankings", opt=needs(Scope.GAME_READ))
    async def analytics_rankings(*, caller: Caller) -> Rankings:
        """The caller's place on every board of the game, and the best three of each."""
        return await answers.rankings(caller.principal.account_id)

    return [analytics_me, analytics_leaderboard, analytics_rankings]


def _counted(answers: Answers, clock: Clock) -> list[HTTPRouteHandler]:
    @get("/v1/analytics/global", opt=needs(Scope.ANALYTICS_READ, refusals=(TooLong,)))
    async def analytics_global(*, period: PeriodQuery = Period.DAY) -> Overview:
        """Active and new players, length of sessions, completion of quests, velocity of value."""
        return await answers.overview(period)

    @get("/v1/analytics/events", opt=needs(Scope.ANALYTICS_READ, refusals=(BadQuestion, BadCursor, TooLong)))
    async def analytics_events(
        *,
        since: SinceQuery = None,
        until: UntilQuery = None,
        by: ByQuery = By.HOUR,
        names: NamesQuery = None,
        dimension: DimensionQuery = Dimension.NONE,
        limit: LimitQuery = LIMIT_DEFAULT,
        cursor: CursorQuery = None,
    ) -> Page[Count]:
        """Events by hour or day: how many, of how many players, their mean value. The name "" stands for all.

        Hours and days are those of UTC, and told if they begin in the time asked for.
        """
        found = await answers.counts(
            _span(since, until, clock),
            by=by,
            names=names or [],
            dimension=dimension,
            after=None if cursor is None else place_in(cursor),
            limit=limit + 1,
        )
        last = found[limit - 1] if len(found) > limit else None
        more = None if last is None else cursor_of(last)
        return Page(found[:limit], more)

    @get("/v1/analytics/realtime", opt=needs(Scope.ANALYTICS_READ, refusals=(TooLong,)))
    async def analytics_realtime() -> Realtime:
        """Active players, events per second, the hour's most frequent events. At most two seconds old."""
        return await answers.realtime()

    return [analytics_global, analytics_events, analytics_realtime]


def _asked(answers: Answers, clock: Clock) -> list[HTTPRouteHandler]:
    @get("/v1/analytics/funnel", opt=needs(Scope.ANALYTICS_READ, refusals=(BadQuestion, TooLong)))
    async def analytics_funnel(
        *, steps: StepsQuery, since: SinceQuery = None, until: UntilQuery = None, within_s: WithinQuery = 86_400.0
    ) -> Funnel:
        """How many players did one thing after another, each strictly later than the one before."""
        return await answers.funnel(_span(since, until, clock), steps=steps, within_s=within_s)

    @get("/v1/analytics/retention", opt=needs(Scope.ANALYTICS_READ, refusals=(BadQuestion, TooLong)))
    async def analytics_retention(
        *, first: FirstQuery = None, cohorts: CohortsQuery = 7, ages: AgesQuery = 7
    ) -> Retention:
        """Of the players who were new on a day, how many were there on the days after."""
        return await answers.retention(first or (clock.now() - WEEK).date(), cohorts=cohorts, ages=ages)

    @get("/v1/analytics/heatmap", opt=needs(Scope.ANALYTICS_READ, refusals=(BadQuestion, TooLong)))
    async def analytics_heatmap(
        *,
        bbox: BoxQuery,
        level: LevelQuery = 10,
        since: SinceQuery = None,
        until: UntilQuery = None,
        currency: CurrencyQuery = None,
    ) -> Heatmap:
        """How many players were in which cells, those with most first, and what they hold of a currency on average.

        What they hold is told of cells with at least five players who have a wallet of it.
        """
        return await answers.heatmap(_span(since, until, clock), box=_box_in(bbox), level=level, currency=currency)

    @get(
        "/v1/analytics/users/{player_id:uuid}/metrics",
        opt=needs(Scope.ANALYTICS_READ, refusals=(NotFound, TooLong)),
    )
    async def analytics_user(
        *, caller: Caller, player_id: PlayerPath, period: PeriodQuery = Period.WEEK
    ) -> PlayerMetrics:
        """What a player did: collected, walked, played, and their level. That it was looked at is recorded."""
        return await answers.looked_at(player_id, period, staff=caller.staff)

    return [analytics_funnel, analytics_retention, analytics_heatmap, analytics_user]


def _span(since: str | None, until: str | None, clock: Clock) -> Span:
    begin = None if since is None else _instant_in("since", since)
    end = None if until is None else _instant_in("until", until)
    try:
        return span_of(begin, end, now=clock.now())
    except OverflowError as error:
        raise BadRequest(errors=[fault("query", "until", "There is no week before it")]) from error


def _instant_in(field: str, text: str) -> datetime:
    """The instant that a query names, in UTC. Raises: BadRequest."""
    try:
        return instant(msgspec.convert(text, datetime))
    except (msgspec.ValidationError, OverflowError) as error:
        raise BadRequest(errors=[fault("query", field, "There is no such day or time")]) from error


def _box_in(text: str) -> Box:
    """The box that a query names. Raises: BadRequest."""
    with suppress(ValueError):
        west, south, east, north = map(float, text.split(","))
        return box_of(west, south, east, north)
    raise BadRequest(errors=[fault("query", "bbox", "It is west,south,east,north in degrees")])
