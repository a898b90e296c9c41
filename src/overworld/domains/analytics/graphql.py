"""Analytics over GraphQL: the same answers as the routes give, from the same query layer, for the same scopes."""

from __future__ import annotations

from bisect import bisect_right
from datetime import date, datetime
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta, Struct, field

from overworld.domains.analytics.asking import NAMES_MAX, WEEK, WITHIN_MAX_S, box_of, cursor_of, place_in, span_of
from overworld.domains.analytics.messages import (
    Cohort,
    Count,
    Funnel,
    Heat,
    Heatmap,
    Overview,
    PlayerMetrics,
    RankedBoard,
    RankedPlace,
    Rankings,
    Realtime,
    Retention,
)
from overworld.domains.analytics.service import Answers
from overworld.domains.analytics.types import (
    AGES_MAX,
    COHORTS_MAX,
    STEPS_MAX,
    By,
    Dimension,
    Period,
    Span,
)
from overworld.geo import cells
from overworld.kernel.clock import Clock
from overworld.kernel.identity import Scope
from overworld.platform.graphql import Asker, Catalogue, Connection, Feed, Many, Paged, Part, Question, Ticker, sliced
from overworld.platform.graphql.connections import After
from overworld.platform.graphql.errors import BadArgument
from overworld.platform.http import decode_cursor, encode_cursor
from overworld.platform.http.errors import BadCursor
from overworld.platform.http.paging import LIMIT_DEFAULT

LIVE_FIGURES = "live.figures"
"""What is lent to who may look at the live map: the live figures of the whole game, and nothing else."""

_CELLS_FIRST_MAX = 1_000
_TOP = 10
_BOARDS = 10
_CHEAP, _COUNTED, _WALKED = 10, 20, 200

Since = Annotated[
    datetime | None, Meta(description="Only what happened then or later; left out, a week before `until`.")
]
Until = Annotated[datetime | None, Meta(description="Only what happened before; left out, now.")]
Names = Annotated[list[str], Meta(max_length=NAMES_MAX, description="Only events of these names.")]
Degrees = Annotated[float, Meta(ge=-180, le=180, description="Degrees; west above east crosses the date line.")]


class OverviewAsked(Struct, frozen=True, kw_only=True):
    """What `overview` takes."""

    period: Period = Period.DAY


class MetricsAsked(Struct, frozen=True, kw_only=True):
    """What `me` takes."""

    period: Period = Period.WEEK


class PlayerAsked(Struct, frozen=True, kw_only=True):
    """What `player` takes."""

    id: UUID
    period: Period = Period.WEEK


class EventsAsked(Paged, frozen=True, kw_only=True):
    """What `events` takes."""

    since: Since = None
    until: Until = None
    by: By = By.HOUR
    names: Names = field(default_factory=list)
    dimension: Dimension = Dimension.NONE


class FunnelAsked(Struct, frozen=True, kw_only=True):
    """What `funnel` takes."""

    steps: Annotated[
        list[str], Meta(min_length=2, max_length=STEPS_MAX, description="The names of events, in their order.")
    ]
    since: Since = None
    until: Until = None
    within_s: Annotated[
        float, Meta(gt=0, le=WITHIN_MAX_S, description="Longest from the first to the last, in seconds.")
    ] = 86_400.0


class RetentionAsked(Struct, frozen=True, kw_only=True):
    """What `retention` takes."""

    first: Annotated[date | None, Meta(description="The first cohort; left out, a week ago.")] = None
    cohorts: Annotated[int, Meta(ge=1, le=COHORTS_MAX, description="How many cohorts.")] = 7
    days: Annotated[int, Meta(ge=1, le=AGES_MAX, description="How many days after the first.")] = 7


class HeatmapAsked(Struct, frozen=True, kw_only=True):
    """What `heatmap` takes."""

    west: Degrees
    south: Degrees
    east: Degrees
    north: Degrees
    level: Annotated[int, Meta(ge=1, le=30, description="S2 level of the cells.")] = 10
    currency: Annotated[str, Meta(min_length=1, max_length=32, description="Tell what players hold of it.")] | None = (
        None
    )
    since: Since = None
    until: Until = None


class BoardAsked(Struct, frozen=True, kw_only=True):
    """What `leaderboard` takes."""

    board: Annotated[str, Meta(min_length=1, max_length=64, description="A board of the game.")] = "global"


class CellsPaged(Struct, frozen=True, kw_only=True):
    """Which page of the cells of a heat map."""

    first: Annotated[int, Meta(ge=1, le=_CELLS_FIRST_MAX, description="How many items at most.")] = LIMIT_DEFAULT
    after: After = None


def catalogue_of(answers: Answers, *, clock: Clock, frame_every_s: float) -> Catalogue:
    """Everything that analytics answers by GraphQL."""
    return Catalogue(
        questions=[*_of_the_caller(answers), *_counted(answers, clock), *_walked(answers, clock)],
        feeds=[
            Feed(
                name="realtime",
                answers=Realtime,
                scope=Scope.ANALYTICS_READ,
                or_lent=LIVE_FIGURES,
                cost=_CHEAP,
                # A frame is a new one, save that somebody asked just before.
                ticker=Ticker(partial(answers.realtime, age_max_s=frame_every_s / 2), every_s=frame_every_s),
                said="The live figures, again and again; to those too who may look at the live map.",
            )
        ],
        parts={
            (Heatmap, "cells"): Part(asked=CellsPaged, answers=Connection[Heat], resolve=_cells),
            (RankedBoard, "items"): Part(asked=Paged, answers=Connection[RankedPlace], resolve=_Places(answers).page),
        },
        sizes={
            (Realtime, "top_events"): Many(_TOP),
            (Funnel, "steps"): Many(STEPS_MAX),
            (Retention, "cohorts"): Many(COHORTS_MAX),
            (Cohort, "returned"): Many(AGES_MAX),
            (Rankings, "items"): Many(_BOARDS),
        },
    )


def _question(
    scope: str, name: str, asked: type[Struct] | None, answers: Any, *, cost: int, resolve: Any, said: str
) -> Question:
    return Question(name=name, asked=asked, answers=answers, scope=scope, cost=cost, resolve=resolve, said=said)


_player, _staff = partial(_question, Scope.GAME_READ), partial(_question, Scope.ANALYTICS_READ)


def _of_the_caller(answers: Answers) -> list[Question]:
    async def me(asked: MetricsAsked, asker: Asker) -> PlayerMetrics:
        return await answers.player(asker.caller.principal.account_id, asked.period)

    async def leaderboard(asked: BoardAsked, asker: Asker) -> RankedBoard:
        return await answers.board(asked.board, player_id=asker.caller.principal.account_id, limit=1)

    async def rankings(_: None, asker: Asker) -> Rankings:
        return await answers.rankings(asker.caller.principal.account_id)

    return [
        _player("me", MetricsAsked, PlayerMetrics, cost=_COUNTED, resolve=me, said="What the caller did."),
        _player(
            "leaderboard",
            BoardAsked,
            RankedBoard,
            cost=_CHEAP,
            resolve=leaderboard,
            said="A board of the game, and the caller's own place.",
        ),
        _player(
            "rankings",
            None,
            Rankings,
            cost=_COUNTED,
            resolve=rankings,
            said="The caller's place on every board of the game.",
        ),
    ]


def _counted(answers: Answers, clock: Clock) -> list[Question]:
    async def overview(asked: OverviewAsked, _: Asker) -> Overview:
        return await answers.overview(asked.period)

    async def realtime(_: None, __: Asker) -> Realtime:
        return await answers.realtime()

    async def player(asked: PlayerAsked, asker: Asker) -> PlayerMetrics:
        return await answers.looked_at(asked.id, asked.period, staff=asker.caller.staff)

    async def events(asked: EventsAsked, _: Asker) -> Connection[Count]:
        found = await answers.counts(
            _span(asked.since, asked.until, clock),
            by=asked.by,
            names=asked.names,
            dimension=asked.dimension,
            after=None if asked.after is None else place_in(asked.after),
            limit=asked.first + 1,
        )
        return sliced(found, cursor=cursor_of, first=asked.first, after=asked.after)

    return [
        _staff("global", OverviewAsked, Overview, cost=_COUNTED, resolve=overview, said="What is kept without asking."),
        _staff("realtime", None, Realtime, cost=_CHEAP, resolve=realtime, said="The live figures, two seconds old."),
        _staff(
            "user",
            PlayerAsked,
            PlayerMetrics,
            cost=_COUNTED,
            resolve=player,
            said="What a player did; that it was asked is recorded.",
        ),
        _staff(
            "events",
            EventsAsked,
            Connection[Count],
            cost=_CHEAP,
            resolve=events,
            said='Events by hour or day: how many, of how many players. The name "" stands for all.',
        ),
    ]


def _walked(answers: Answers, clock: Clock) -> list[Question]:
    async def funnel(asked: FunnelAsked, _: Asker) -> Funnel:
        span = _span(asked.since, asked.until, clock)
        return await answers.funnel(span, steps=asked.steps, within_s=asked.within_s)

    async def retention(asked: RetentionAsked, _: Asker) -> Retention:
        first = asked.first or (clock.now() - WEEK).date()
        return await answers.retention(first, cohorts=asked.cohorts, ages=asked.days)

    async def heatmap(asked: HeatmapAsked, _: Asker) -> Heatmap:
        try:
            box = box_of(asked.west, asked.south, asked.east, asked.north)
        except ValueError as error:
            raise _bad("north", str(error)) from error
        span = _span(asked.since, asked.until, clock)
        return await answers.heatmap(span, box=box, level=asked.level, currency=asked.currency)

    return [
        _staff(
            "funnel",
            FunnelAsked,
            Funnel,
            cost=_WALKED,
            resolve=funnel,
            said="How many players did one thing after another, each strictly later than the one before.",
        ),
        _staff(
            "retention",
            RetentionAsked,
            Retention,
            cost=_WALKED,
            resolve=retention,
            said="Of the players who were new on a day, how many were there on the days after.",
        ),
        _staff(
            "heatmap",
            HeatmapAsked,
            Heatmap,
            cost=_WALKED,
            resolve=heatmap,
            said="How many players were in which cells, those with most first.",
        ),
    ]


class _Places:
    def __init__(self, answers: Answers) -> None:
        self._answers = answers

    async def page(self, board: RankedBoard, asked: Paged, asker: Asker) -> Connection[RankedPlace]:
        """Places after one, which is named by its rank. The board may have moved since."""
        start = 0 if asked.after is None else _rank_in(asked.after)
        found = await self._answers.board(
            board.board, player_id=asker.caller.principal.account_id, limit=asked.first, start=start
        )
        return sliced(
            found.items,
            cursor=lambda place: encode_cursor(place.rank),
            first=asked.first,
            after=asked.after,
            more=start + len(found.items) < found.players,
        )


async def _cells(heatmap: Heatmap, asked: CellsPaged, _: Asker) -> Connection[Heat]:
    """Cells after one, by players and id, so that a map that was counted anew is gone on with rightly."""
    start = 0
    if asked.after is not None:
        players, cell = decode_cursor(asked.after, (int, str))
        start = bisect_right(heatmap.cells, (-players, _id(cell)), key=lambda heat: (-heat.players, _id(heat.cell)))
    return sliced(
        heatmap.cells[start : start + asked.first + 1],
        cursor=lambda heat: encode_cursor(heat.players, heat.cell),
        first=asked.first,
        after=asked.after,
    )


def _id(cell: str) -> int:
    try:
        return cells.from_token(cell)
    except ValueError as error:
        raise BadCursor from error


def _rank_in(cursor: str) -> int:
    (rank,) = decode_cursor(cursor, (int,))
    if not 0 < rank < 2**31:
        raise BadCursor
    return int(rank)


def _span(since: datetime | None, until: datetime | None, clock: Clock) -> Span:
    try:
        return span_of(since, until, now=clock.now())
    except OverflowError as error:
        raise _bad("until", "There is no week before it, or no such time") from error


def _bad(path: str, reason: str) -> BadArgument:
    return BadArgument(errors=[{"path": path, "reason": reason}])
