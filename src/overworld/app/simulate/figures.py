"""The figures of a run, worked out from what the ledger and the log say. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from statistics import median

from msgspec import Struct

from overworld.app.simulate.books import DayFlow, Flow, Flows
from overworld.app.simulate.profiles import DAY_S
from overworld.app.simulate.targets import Judged

LEVELS = (2, 5, 10, 20)
_SPAN_DAYS = 7


class Day(Struct, frozen=True, kw_only=True):
    """One day of a run: what was made and taken back, what there was at its end, and who collected; minor units."""

    day: date
    made_minor: int
    taken_back_minor: int
    supply_minor: int
    players: int


class ProfileFigures(Struct, frozen=True, kw_only=True):
    """How one kind of player came out of it, a player on average; `held` in units of the currency."""

    name: str
    players: int
    claims_per_day: float
    held: float
    level: float


class LevelFigures(Struct, frozen=True, kw_only=True):
    """How many players reached a level, as a share, and the median of all players' days until then, if half did."""

    level: int
    reached_share: float
    median_days: float | None


class QuestFigures(Struct, frozen=True, kw_only=True):
    """How often a quest was started, completed and failed."""

    quest: str
    started: int
    completed: int
    failed: int


class Report(Struct, frozen=True, kw_only=True):
    """Everything that a run came to. Amounts are in minor units of the currency that they stand beside."""

    game: str
    version: str
    seed: int
    players: int
    days: int
    currency: str
    scale: int
    figures: dict[str, float | None]
    targets: list[Judged]
    flows: Flows
    supply_minor: dict[str, int]
    by_day: list[Day]
    levels: list[LevelFigures]
    quests: list[QuestFigures]
    profiles: list[ProfileFigures]
    lorenz: list[tuple[float, float]]
    asked: dict[str, int]
    refused: dict[str, int]
    events: dict[str, int]
    faults: list[str]
    took_s: dict[str, float]
    disk_bytes: dict[str, int]

    @property
    def missed(self) -> list[Judged]:
        """The bands that the run misses."""
        return [one for one in self.targets if one.is_missed]


def by_day(
    flows: Sequence[DayFlow], *, currency: str, begins: date, days: int, players: Mapping[date, int]
) -> list[Day]:
    """Every day of a run with the supply at its end."""
    of = {flow.day: flow for flow in flows if flow.currency == currency}
    supply, run = 0, []
    for number in range(days):
        day = begins + timedelta(days=number)
        flow = of.get(day)
        made, taken_back = (flow.made_minor, flow.taken_back_minor) if flow else (0, 0)
        supply += made - taken_back
        run.append(
            Day(
                day=day,
                made_minor=made,
                taken_back_minor=taken_back,
                supply_minor=supply,
                players=players.get(day, 0),
            )
        )
    return run


def inflation_per_day(run: Sequence[Day]) -> float | None:
    """The growth of the supply in a day as a share of it: the geometric mean of the last seven days.

    None for a run of less than 14 days, when nearly everything is new, and where there was nothing.
    """
    if len(run) < 2 * _SPAN_DAYS or run[-1 - _SPAN_DAYS].supply_minor <= 0 or run[-1].supply_minor <= 0:
        return None
    growth: float = (run[-1].supply_minor / run[-1 - _SPAN_DAYS].supply_minor) ** (1 / _SPAN_DAYS)
    return growth - 1


def growth_per_player_day(run: Sequence[Day], *, scale: int) -> float | None:
    """How much the supply grew, in units, for each player on each day on which they collected something."""
    player_days = sum(day.players for day in run)
    return run[-1].supply_minor / 10**scale / player_days if player_days else None


def sinks_share(flows: Flows, currency: str) -> float | None:
    """How much of what was made the sinks took back."""
    made, taken_back = (total(some, currency) for some in (flows.faucets, flows.sinks))
    return taken_back / made if made else None


def total(flows: Sequence[Flow], currency: str) -> int:
    """The sum of a currency, minor units."""
    return sum(flow.amount_minor for flow in flows if flow.currency == currency)


def gini(held: Sequence[int]) -> float | None:
    """0 when all hold the same, towards 1 when one holds everything; None when nobody holds anything.

    Source: C. Gini 1912, by ranks: sum((2 i - n - 1) x_i) / (n sum(x)) over x ascending.
    """
    whole, n = sum(held), len(held)
    if whole <= 0:
        return None
    return sum((2 * i - n - 1) * x for i, x in enumerate(sorted(held), 1)) / (n * whole)


def top_share(held: Sequence[int], share: float) -> float | None:
    """What part of everything the richest `share` of players hold; None when nobody holds any or that is no player."""
    whole = sum(held)
    if whole <= 0 or len(held) * share < 1:
        return None
    return sum(sorted(held)[-math.ceil(len(held) * share) :]) / whole


def lorenz(held: Sequence[int], *, points: int = 100) -> list[tuple[float, float]]:
    """The poorest x of players hold y of everything, from (0, 0) to (1, 1)."""
    ranked, whole = sorted(held), sum(held)
    if whole <= 0:
        return []
    sums = [0]
    for x in ranked:
        sums.append(sums[-1] + x)
    places = sorted({round(i * len(ranked) / points) for i in range(points + 1)})
    return [(place / len(ranked), sums[place] / whole) for place in places]


def level_figures(
    rose: Mapping[tuple[str, int], datetime], player_ids: Sequence[str], *, begins: datetime
) -> list[LevelFigures]:
    """How long players took to each of the levels that are looked at; everybody began with the run."""
    figures = []
    for level in LEVELS:
        took = [rose[player_id, level] - begins for player_id in player_ids if (player_id, level) in rose]
        days = [one.total_seconds() / DAY_S for one in took] + [math.inf] * (len(player_ids) - len(took))
        middle = median(days)
        reached = len(took) / len(player_ids)
        figures.append(
            LevelFigures(level=level, reached_share=reached, median_days=middle if middle < math.inf else None)
        )
    return figures
