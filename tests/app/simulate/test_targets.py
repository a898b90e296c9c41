"""Target bands: how a game declares them, what is wrong with a declaration and where, and which a run misses."""

from __future__ import annotations

import pytest
from msgspec.structs import fields

from overworld.app.game import GameErrors, check, found
from overworld.app.simulate.targets import EconomyRules, Targets, judged
from tests.app.test_game import GOOD, written

NAMES = [field.name for field in fields(Targets)]
NOTHING: dict[str, float | None] = dict.fromkeys(NAMES)


def errors_of(folder, text: str) -> list[str]:
    with pytest.raises(GameErrors) as refused:
        check(written(folder, GOOD + text))
    return [str(error) for error in refused.value.errors]


def test_a_game_without_bands_is_judged_by_none(tmp_path):
    silent = check(written(tmp_path, GOOD))
    assert silent.economy == EconomyRules()
    assert judged(silent.economy.targets, NOTHING, days=30) == []


def test_a_game_declares_bands_and_the_currency_they_are_for(tmp_path):
    text = '[economy]\ncurrency = "pearl"\n[economy.targets]\ngini = [0.2, 0.6]\ndays_to_level_5 = [1, 5]\n'
    economy = check(written(tmp_path, GOOD + text)).economy
    assert economy == EconomyRules(currency="pearl", targets=Targets(gini=(0.2, 0.6), days_to_level_5=(1, 5)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[economy]\ncurrency = "gold"\n', "economy.currency: there is no currency `gold`; known here: pearl"),
        ("[economy.targets]\ngini = [0.6, 0.2]\n", "economy.targets.gini: 0.6 is above 0.2; allowed: the lower one"),
        ("[economy.targets]\ngini = [0.6]\n", "economy.targets.gini: has 1 entries; allowed: at least 2"),
        ("[economy.targets]\ngini = [0, 1, 2]\n", "economy.targets.gini: has 3 entries; allowed: at most 2"),
        ('[economy.targets]\ngini = ["a", 1]\n', "economy.targets.gini.0: Expected `float`, got `str`"),
        ("[economy.targets]\ngini = [0, 1e13]\n", "economy.targets.gini.1: Expected `float` <= 1000000000000.0"),
        ("[economy.targets]\nginy = [0, 1]\n", "economy.targets.giny: unknown key; did you mean `gini`?"),
    ],
)
def test_what_is_wrong_with_a_band_is_told_with_its_line(tmp_path, text, expected):
    [error] = errors_of(tmp_path, text)
    place, said = error.split(": ", 1)
    assert place == f"line {GOOD.count(chr(10)) + text.count(chr(10))}"
    assert said.startswith(expected), said


def one(*, name: str = "gini", band=(0.2, 0.6), value: float | None, days: float = 30):
    [found] = judged(Targets(**{name: band}), NOTHING | {name: value}, days=days)
    return found


@pytest.mark.parametrize(("value", "off_by"), [(0.2, 0), (0.4, 0), (0.6, 0), (0.1, 0.1), (0.9, 0.3)])
def test_a_figure_outside_its_band_misses_it_by_so_much(value, off_by):
    found = one(value=value)
    assert found.off_by == pytest.approx(off_by)
    assert found.is_missed == (off_by > 0)


def test_what_is_missed_says_by_how_much():
    assert one(value=0.9).why == "0.9 is 0.3 above it"
    assert one(value=0.1).why == "0.1 is 0.1 below it"


def test_a_level_that_most_do_not_reach_is_missed_only_after_the_time_allowed():
    early = one(name="days_to_level_5", band=(1, 5), value=None, days=4)
    late = one(name="days_to_level_5", band=(1, 5), value=None, days=5)
    assert (early.is_missed, late.is_missed) == (False, True)
    assert late.why == "fewer than half of the players came there in 5 days"


def test_what_is_not_known_is_not_missed():
    assert not one(name="inflation_per_day", band=(0, 0.1), value=None).is_missed


def test_the_shipped_game_can_be_judged():
    """Every band has a figure in every report: `judged` looks them up by name."""
    assert len(judged(check(found("ore")).economy.targets, NOTHING, days=30)) <= len(NAMES)
