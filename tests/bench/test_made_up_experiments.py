"""The proof of experiments in small: nothing is found where nothing is, and an effect as often as computed."""

from __future__ import annotations

import numpy as np
import pytest

from bench.prove import experiments
from bench.prove.experiments import ALPHA, CORRELATION, EFFECT_SD, LOOKS, WORLDS, looked_at
from overworld.domains.experiments.statistics import power

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("world", WORLDS, ids=[world.name for world in WORLDS])
def test_twenty_looks_at_nothing_find_something_in_at_most_one_of_twenty(world):
    """The usual interval finds something in one of five: that is why these are not usual ones."""
    found = looked_at(
        np.random.default_rng(11), world, trials=400, players=2_000, effect_sd=0.0, correlation=CORRELATION
    )
    assert found.rate("ever") <= ALPHA
    assert found.rate("naive_ever") > 2 * ALPHA


def test_a_planted_effect_is_found_as_often_as_computed_and_the_past_of_players_helps():
    chance = np.random.default_rng(12)
    rates = {}
    for correlation, left in ((0.0, 1.0), (CORRELATION, 1 - CORRELATION**2)):
        found = looked_at(chance, WORLDS[0], trials=400, players=2_000, effect_sd=0.12, correlation=correlation)
        looks = [int(n) for n in np.linspace(2_000 / LOOKS, 2_000, LOOKS) / 2]
        computed = power.sequential(0.12 / left**0.5, looks, mixing_sd=EFFECT_SD, alpha=ALPHA)
        assert found.rate("ever") == pytest.approx(computed, abs=0.09)
        assert found.kept == pytest.approx(left, abs=0.02)
        assert found.rate("missed") <= ALPHA
        rates[correlation] = found.rate("ever")
    assert rates[CORRELATION] > rates[0.0] + 0.2


def test_the_whole_proof_runs_and_holds():
    outcome = experiments.prove(trials=100, players=1_200, seed=1)
    assert outcome.faults == []
    assert len(outcome.figures) == 17
