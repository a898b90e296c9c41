"""The query layer: every answer of analytics, for whichever edge asks."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from overworld.domains.analytics import questions
from overworld.domains.analytics.errors import BadQuestion
from overworld.domains.analytics.freshness import Freshness
from overworld.domains.analytics.funnels import funnel
from overworld.domains.analytics.heat import heatmap
from overworld.domains.analytics.messages import (
    Cohort,
    Count,
    Funnel,
    Heatmap,
    Overview,
    PlayerMetrics,
    RankedBoard,
    Rankings,
    Realtime,
    Retention,
    TopEvent,
)
from overworld.domains.analytics.ports import Boards, Columns, Levels, Looks, Pseudonyms, Supply, Wallets
from overworld.domains.analytics.types import (
    AGES_MAX,
    COHORTS_MAX,
    COLLECTED,
    MOVED,
    QUEST_COMPLETED,
    QUEST_STARTED,
    SENT,
    SPAN_MAX_DAYS,
    STEPS_MAX,
    By,
    Dimension,
    Period,
    Span,
)
from overworld.geo.box import Box
from overworld.geo.columns import F64, U64
from overworld.kernel.audit import Staff
from overworld.kernel.clock import FIRST_US, Clock, from_us

_FIRST = from_us(FIRST_US)
_LIVE_S, _ROLLED_S, _COUNTED_S = 2.0, 10.0, 60.0
_TOP_MAX = 10
_PAUSE_MAX_S = 1_800
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


class Answers:
    """What analytics knows. Spans are aware UTC. Each raises BadQuestion, and the store's Fault, Busy and TooLong."""

    def __init__(
        self,
        *,
        columns: Columns,
        clock: Clock,
        pseudonyms: Pseudonyms,
        levels: Levels,
        boards: Boards,
        supply: Supply,
        wallets: Wallets,
        looks: Looks,
        room_level: int,
        sampled: Collection[str] = (),
    ) -> None:
        self._columns = columns
        self._clock = clock
        self._pseudonyms = pseudonyms
        self._levels = levels
        self._boards = boards
        self._supply = supply
        self._wallets = wallets
        self._looks = looks
        self._room_level = room_level
        self._sampled = frozenset(sampled)
        self.fresh = Freshness(clock)

    async def counts(
        self,
        span: Span,
        *,
        by: By,
        names: Sequence[str],
        dimension: Dimension,
        after: tuple[datetime, str, str] | None,
        limit: int,
    ) -> list[Count]:
        """Rows of a rollup, in the order of time, name and key, those beyond `after`. At most ten seconds old."""
        _check(span)
        since, name, key = after or (_FIRST, "", "")
        values = {
            "since": _plain(span.since),
            "until": _plain(span.until),
            "dimension": dimension.column,
            "names": list(names),
            "after_since": _plain(since),
            "after_name": name,
            "after_key": key,
            "limit": limit,
        }

        async def ask() -> list[Count]:
            rows = await self._columns.rows(questions.counts(by), values)
            return [
                Count(**{**row, "since": row["since"].replace(tzinfo=UTC)}, sampled=self._is_sampled([row["name"]]))
                for row in rows
            ]

        return await self.fresh.of(("counts", by, repr(values)), ask, age_max_s=_ROLLED_S)

    async def overview(self, period: Period) -> Overview:
        """What is kept without asking. At most ten seconds old, session lengths a minute."""
        return await self.fresh.of(("overview", period), lambda: self._overview(period), age_max_s=_ROLLED_S)

    async def realtime(self, *, age_max_s: float = _LIVE_S) -> Realtime:
        """What is going on. At most two seconds old, or so old as is said."""
        return await self.fresh.of(("realtime",), self._realtime, age_max_s=age_max_s)

    async def funnel(self, span: Span, *, steps: Sequence[str], within_s: float) -> Funnel:
        """How many players came how far. At most a minute old."""
        _check(span)
        if not 1 < len(steps) <= STEPS_MAX:
            raise BadQuestion(field="steps", reason=f"a funnel has 2 to {STEPS_MAX} steps")
        key = ("funnel", span, tuple(steps), within_s)
        sampled = self._is_sampled(steps)
        return await self.fresh.of(
            key,
            lambda: funnel(self._columns, span, steps=steps, within_s=within_s, sampled=sampled),
            age_max_s=_COUNTED_S,
        )

    async def retention(self, first: date, *, cohorts: int, ages: int) -> Retention:
        """Who came back, of those who were new on `first` and the days after. At most a minute old."""
        if not (0 < cohorts <= COHORTS_MAX and 0 < ages <= AGES_MAX):
            raise BadQuestion(field="days", reason=f"cohorts and days are 1 to {COHORTS_MAX}")
        if first > date.max - _DAY * cohorts:
            raise BadQuestion(field="first", reason="there are not so many days after it")
        key = ("retention", first, cohorts, ages)
        return await self.fresh.of(key, lambda: self._retention(first, cohorts, ages), age_max_s=_COUNTED_S)

    async def heatmap(self, span: Span, *, box: Box, level: int, currency: str | None = None) -> Heatmap:
        """Where players were, and what they hold of a currency. At most a minute old, what they hold two."""
        _check(span)
        if currency is not None and currency not in self._wallets.currencies():
            raise BadQuestion(field="currency", reason="the game has no such currency")
        if not 1 <= level <= self._room_level:
            raise BadQuestion(field="res", reason=f"levels are 1 to {self._room_level}")

        async def ask() -> Heatmap:
            held = None if currency is None else await self._held(currency)
            return await heatmap(self._columns, span, box=box, level=level, held=held)

        return await self.fresh.of(("heatmap", span, box, level, currency), ask, age_max_s=_COUNTED_S)

    async def _held(self, currency: str) -> tuple[U64, F64]:
        return await self.fresh.of(("held", currency), lambda: self._wallets.held(currency), age_max_s=_COUNTED_S)

    async def looked_at(self, player_id: UUID, period: Period, *, staff: Staff) -> PlayerMetrics:
        """The same as `player` for staff; that they looked, and at whom, is kept first."""
        await self._looks.record(staff.did("analytics.look", player_id, note=period))
        return await self.player(player_id, period)

    async def player(self, player_id: UUID, period: Period) -> PlayerMetrics:
        """What one player did. At most ten seconds old."""
        key = ("player", player_id, period)
        return await self.fresh.of(key, lambda: self._player(player_id, period), age_max_s=_ROLLED_S)

    async def board(self, name: str, *, player_id: UUID, limit: int, start: int = 0) -> RankedBoard:
        """A board of the game, its places from `start` (0 is the best) on. Raises: NoBoard; Fault, Busy."""
        return await self._boards.board(name, player_id=player_id, limit=limit, start=start)

    async def rankings(self, player_id: UUID) -> Rankings:
        """A player's place on every board of the game, with the best three."""
        return Rankings([await self._boards.board(name, player_id=player_id, limit=3) for name in self._boards.names()])

    def _is_sampled(self, names: Sequence[str]) -> bool:
        """Whether only some sessions are kept of one of the names; an empty one stands for all there are."""
        return any(name in self._sampled or (not name and self._sampled) for name in names)

    async def _overview(self, period: Period) -> Overview:
        now = self._clock.now()
        today = now.replace(hour=0, minute=0, second=0, microsecond=0)
        since = today - _DAY * (period.days - 1)
        [row] = await self._columns.rows(
            questions.OVERVIEW,
            {
                "since": _plain(since),
                "today": today.date(),
                "started": QUEST_STARTED,
                "completed": QUEST_COMPLETED,
                "sent": SENT,
            },
        )
        lasted = await self.fresh.of(("sessions",), self._session_mean_s, age_max_s=_COUNTED_S)
        in_hands = await self._supply.in_hands()
        return Overview(
            period=period,
            since=since,
            until=now,
            events=row["events"],
            active_day=row["active_day"],
            active_week=row["active_week"],
            active_month=row["active_month"],
            new_players=row["new_players"],
            session_mean_s=lasted,
            completion_rate=row["completed"] / row["started"] if row["started"] else None,
            token_velocity=row["sent"] / in_hands if in_hands else None,
        )

    async def _session_mean_s(self) -> float | None:
        now = self._clock.now()
        [row] = await self._columns.rows(questions.SESSION_MEAN, since=now - _DAY, until=now)
        mean_s: float | None = row["mean_s"]
        return mean_s

    async def _realtime(self) -> Realtime:
        now = self._clock.now()
        values = {
            "five_minutes": _plain(now - timedelta(minutes=5)),
            "one_minute": _plain(now - timedelta(minutes=1)),
            "collected": COLLECTED,
            "completed": QUEST_COMPLETED,
        }
        [row] = await self._columns.rows(questions.REALTIME, values, since=now - _HOUR)
        top = await self._columns.rows(questions.TOP_EVENTS, {"limit": _TOP_MAX}, since=now - _HOUR)
        return Realtime(
            at=now,
            active_players=row["active_players"],
            events_per_s=round(row["last_minute"] / 60, 3),
            top_events=[TopEvent(one["name"], one["count"]) for one in top],
            coins_collected=row["collected"],
            quests_completed=row["completed"],
        )

    async def _retention(self, first: date, cohorts: int, ages: int) -> Retention:
        since = datetime(first.year, first.month, first.day)  # noqa: DTZ001  # the store's columns are UTC
        today = self._clock.now().date()
        rows = await self._columns.rows(
            questions.RETENTION, {"since": since, "until": since + _DAY * cohorts, "ages": ages}
        )
        found = {(row["cohort"], row["age"]): row["players"] for row in rows}
        days = [day for number in range(cohorts) if (day := first + _DAY * number) <= today]
        return Retention(
            cohorts=[
                Cohort(
                    day=day,
                    players=found.get((day, 0), 0),
                    returned=[
                        found.get((day, age), 0) if day + _DAY * age <= today else None for age in range(ages + 1)
                    ],
                )
                for day in days
            ]
        )

    async def _player(self, player_id: UUID, period: Period) -> PlayerMetrics:
        now = self._clock.now()
        since = now - _DAY * period.days
        pseudonym = UUID(bytes=await self._pseudonyms.of_id(player_id))
        [active] = await self._columns.rows(
            questions.ACTIVE_SINCE, {"player": pseudonym, "since": (since - _DAY).date()}
        )
        begun = since if active["since"] is None else max(since, _midnight(active["since"], since))
        values = {
            "player": pseudonym,
            "collected": COLLECTED,
            "moved": MOVED,
            "completed": QUEST_COMPLETED,
            "pause_max_s": _PAUSE_MAX_S,
        }
        [row] = await self._columns.rows(questions.PLAYER, values, since=begun, until=now)
        return PlayerMetrics(
            player_id=player_id,
            period=period,
            since=since,
            until=now,
            active_days=active["days"],
            level=await self._levels.level_of(player_id),
            **row,
        )


def _check(span: Span) -> None:
    if not timedelta(0) < span.until - span.since <= timedelta(days=SPAN_MAX_DAYS):
        raise BadQuestion(field="until", reason=f"it has to lie after `since`, at most {SPAN_MAX_DAYS} days")


def _plain(at: datetime) -> datetime:
    """UTC as the store writes it."""
    return at.replace(tzinfo=None)


def _midnight(day: date, like: datetime) -> datetime:
    return like.replace(year=day.year, month=day.month, day=day.day, hour=0, minute=0, second=0, microsecond=0)
