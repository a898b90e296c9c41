"""The figures of a run: concentration, growth, and how long players took."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overworld.app.simulate import figures
from overworld.app.simulate.books import DayFlow, Flow, Flows

BEGINS = datetime(2026, 3, 2, tzinfo=UTC)
HELD = st.lists(st.integers(0, 10**12), max_size=30).map(lambda held: [1, *held])


def run_of(*supplies: int, players: int = 1) -> list[figures.Day]:
    return [
        figures.Day(day=date(2026, 3, 2), made_minor=0, taken_back_minor=0, supply_minor=minor, players=players)
        for minor in supplies
    ]


def test_gini_is_0_when_all_hold_the_same_and_near_1_when_one_holds_everything():
    assert figures.gini([5, 5, 5, 5]) == 0
    assert figures.gini([0] * 99 + [7]) == pytest.approx(0.99)
    assert figures.gini([1, 3]) == pytest.approx(0.25)
    assert figures.gini([0, 0]) is None


@given(held=HELD)
def test_gini_is_the_mean_difference_of_all_pairs(held):
    """Its definition: half the relative mean absolute difference."""
    n, whole = len(held), sum(held)
    pairs = sum(abs(x - y) for x in held for y in held)
    assert figures.gini(held) == pytest.approx(pairs / (2 * n * whole), abs=1e-9)


@given(held=HELD)
def test_lorenz_rises_from_nothing_to_all_and_never_above_even(held):
    curve = figures.lorenz(held)
    assert curve[0] == (0, 0)
    assert curve[-1] == (1, 1)
    assert curve == sorted(curve)
    assert all(y <= x + 1e-9 for x, y in curve)


def test_the_top_is_the_richest_players_and_not_known_of_too_few():
    assert figures.top_share([1] * 99 + [901], 0.01) == pytest.approx(0.901)
    assert figures.top_share([1] * 200, 0.01) == pytest.approx(0.01)
    assert figures.top_share([1] * 99, 0.01) is None
    assert figures.top_share([0] * 100, 0.01) is None


def test_days_without_a_transfer_keep_the_supply():
    flow = DayFlow(currency="coin", day=date(2026, 3, 3), made_minor=10, taken_back_minor=4)
    run = figures.by_day([flow], currency="coin", begins=date(2026, 3, 2), days=3, players={date(2026, 3, 3): 2})
    assert [(day.made_minor, day.taken_back_minor, day.supply_minor, day.players) for day in run] == [
        (0, 0, 0, 0),
        (10, 4, 6, 2),
        (0, 0, 6, 0),
    ]


def test_inflation_is_the_daily_growth_of_the_last_week():
    doubling = [2**day for day in range(14)]
    assert figures.inflation_per_day(run_of(*doubling)) == pytest.approx(1.0)
    assert figures.inflation_per_day(run_of(*[100] * 14)) == 0
    assert figures.inflation_per_day(run_of(*doubling[:13])) is None
    assert figures.inflation_per_day(run_of(*[0] * 14)) is None


def test_growth_is_told_in_units_for_each_day_that_somebody_played():
    assert figures.growth_per_player_day(run_of(100, 600, players=3), scale=2) == 1.0
    assert figures.growth_per_player_day(run_of(0, players=0), scale=2) is None


def test_sinks_are_measured_by_what_was_made_of_the_same_currency():
    made = [Flow(currency="coin", code="collect", count=1, amount_minor=200)]
    sunk = [
        Flow(currency="coin", code="upgrade", count=1, amount_minor=50),
        Flow(currency="gem", code="upgrade", count=1, amount_minor=999),
    ]
    assert figures.sinks_share(Flows(faucets=made, sinks=sunk, moved=[]), "coin") == 0.25
    assert figures.sinks_share(Flows(faucets=[], sinks=[], moved=[]), "coin") is None


def test_a_level_has_a_median_only_when_half_of_all_players_came_there():
    rose = {(name, 2): BEGINS + timedelta(days=days) for name, days in (("a", 1), ("b", 3), ("c", 2))}
    first, *_ = figures.level_figures(rose, ["a", "b", "c", "d"], begins=BEGINS)
    assert (first.level, first.reached_share, first.median_days) == (2, 0.75, 2.5)
    few, *_ = figures.level_figures(rose, [*"abcdefgh"], begins=BEGINS)
    assert few.median_days is None
