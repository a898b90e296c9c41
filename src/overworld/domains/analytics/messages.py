"""The shapes in which analytics answers."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from msgspec import Struct


class Count(Struct, frozen=True, kw_only=True):
    """Events of one name in one hour or day. `players` are approximate (3 % is one standard error) beyond 1,023.

    `mean` is that of the events' values; null when none had one. `key` is the cell's token, country or platform.
    `sampled`: only some sessions of the name, or of one of all names, are kept. Then `count` is an estimate by weights,
    and `players` are those of the sessions kept.
    """

    since: datetime
    name: str
    key: str
    count: int
    players: int
    mean: float | None
    sampled: bool


class Overview(Struct, frozen=True, kw_only=True):
    """What is kept without asking. Players and events are exact; times are of the last day, UTC.

    `completion_rate` is quests completed per quest started, `token_velocity` how often value changed hands: what was
    sent in the period, by what all wallets hold. Null where there was nothing to divide by.
    """

    period: str
    since: datetime
    until: datetime
    events: int
    active_day: int
    active_week: int
    active_month: int
    new_players: int
    session_mean_s: float | None
    completion_rate: float | None
    token_velocity: float | None


class TopEvent(Struct, frozen=True):
    """A name and how often it was."""

    name: str
    count: int


class Realtime(Struct, frozen=True, kw_only=True):
    """The last five minutes' players, the last minute's rate, the last hour's events."""

    at: datetime
    active_players: int
    events_per_s: float
    top_events: list[TopEvent]
    coins_collected: int
    quests_completed: int


class Step(Struct, frozen=True):
    """Players who came to a step of a funnel, and their share of those who came to the one before."""

    name: str
    players: int
    share: float


class Funnel(Struct, frozen=True, kw_only=True):
    """How many players did one thing after another, each strictly later, the last within `within_s` of the first.

    `sampled`: of a step only some sessions are kept, so that players are too few.
    """

    since: datetime
    until: datetime
    within_s: float
    steps: list[Step]
    sampled: bool


class Cohort(Struct, frozen=True, kw_only=True):
    """Players who were first seen on `day`; `returned[n]` of them were there n days later, null: not over yet."""

    day: date
    players: int
    returned: list[int | None]


class Retention(Struct, frozen=True, kw_only=True):
    """Cohorts by the day on which players were new, the oldest first."""

    cohorts: list[Cohort]


class Heat(Struct, frozen=True, kw_only=True):
    """What was in a cell. `players` are approximate; `mean_value` is that of the events' values.

    `mean_balance_minor` is what those of its players who have a wallet of the asked currency hold now, in its minor
    units; null where these are fewer than five, and where no currency was asked for.
    """

    cell: str
    lat: float
    lng: float
    players: int
    events: int
    mean_value: float | None
    mean_balance_minor: float | None


class Heatmap(Struct, frozen=True, kw_only=True):
    """Cells at one level, those with most players first; `truncated` when there are more than are told."""

    level: int
    since: datetime
    until: datetime
    truncated: bool
    cells: list[Heat]


class PlayerMetrics(Struct, frozen=True, kw_only=True):
    """What one player did. `play_s` leaves out pauses of more than half an hour."""

    player_id: UUID
    period: str
    since: datetime
    until: datetime
    collected: int
    collected_value: float
    metres: float
    play_s: float
    sessions: int
    quests_completed: int
    events: int
    active_days: int
    level: int


class RankedPlace(Struct, frozen=True, kw_only=True):
    """A place on a board."""

    rank: int
    player_id: UUID
    score: str


class RankedBoard(Struct, frozen=True, kw_only=True):
    """The best places of a board and the caller's own, as the game counts them."""

    board: str
    counts: str
    players: int
    me: RankedPlace | None
    items: list[RankedPlace]


class Rankings(Struct, frozen=True):
    """The caller's place on every board of the game."""

    items: list[RankedBoard]
