"""The numbers of experiments, against other computations of the same."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from overworld.domains.experiments.statistics import power, ratio, sequential
from overworld.domains.experiments.statistics.moments import moments

scipy_stats = pytest.importorskip("scipy.stats")


@given(st.floats(0, 400), st.integers(1, 40))
def test_the_tail_of_the_chi_square_is_scipys(value, degrees):
    expected = scipy_stats.chi2.sf(value, degrees)
    assert ratio.chi_square_beyond(value, degrees) == pytest.approx(expected, rel=1e-9, abs=1e-300)


def test_the_sample_ratio_is_pearsons_and_an_even_one_is_sound():
    found = ratio.check([5_021, 4_979, 0], [1, 1, 0])
    expected = scipy_stats.chisquare([5_021, 4_979])
    assert (found.chi_square, found.p_value) == pytest.approx((expected.statistic, expected.pvalue))
    assert found.is_sound
    assert not ratio.check([5_000, 5_400], [1, 1]).is_sound
    assert ratio.check([9_000, 1_000], [90, 10]).is_sound
    assert ratio.check([0, 0], [1, 1]).p_value == 1.0


@pytest.mark.slow
def test_a_sample_ratio_that_is_right_raises_no_alarm_in_a_thousand_looks():
    """The p-value for any number of looks holds at each of them; the chi-square of one look does not promise that."""
    chance = np.random.default_rng(5)
    alarms = 0
    for _ in range(200):
        on = np.cumsum(chance.integers(0, 2, 20_000))[199::200]
        p = [ratio.check([int(k), n - int(k)], [1, 1]).p_value_any_time for n, k in enumerate_from(on, 200)]
        alarms += min(p) < 0.05
    assert alarms <= 15


def enumerate_from(column, step):
    return [((i + 1) * step, k) for i, k in enumerate(column)]


def test_moments_at_each_look_are_those_of_the_subjects_so_far():
    chance = np.random.default_rng(1)
    arm, value = chance.integers(0, 3, 500), chance.gamma(2.0, 3.0, 500) + 1e6
    found = moments(arm, value, None, arms=3, looks=[50, 500])
    for place, n in enumerate((50, 500)):
        for one in range(3):
            there = value[:n][arm[:n] == one]
            assert found.players[one, place] == len(there)
            assert found.mean[one, place] == pytest.approx(there.mean(), rel=1e-12)
            assert found.variance[one, place] == pytest.approx(there.var(ddof=1), rel=1e-6)
    assert np.all(found.kept == 1.0)
    assert np.all(found.theta == 0.0)


def test_the_adjustment_is_that_of_a_regression_within_arms():
    """CUPED is the analysis of covariance with one slope: least squares on arms and covariate gives the same effect."""
    chance = np.random.default_rng(2)
    n = 2_000
    arm, before = chance.integers(0, 2, n), chance.gamma(2.0, 5.0, n)
    value = 3.0 + 0.7 * before + 0.2 * arm + chance.normal(size=n)
    found = moments(arm, value, before, arms=2, looks=[n])
    design = np.column_stack([np.ones(n), arm, before])
    intercept, effect, slope = np.linalg.lstsq(design, value, rcond=None)[0]
    assert found.theta[-1] == pytest.approx(slope)
    assert found.mean[1, -1] - found.mean[0, -1] == pytest.approx(effect)
    within = np.concatenate([before[arm == one] - before[arm == one].mean() for one in (0, 1)])
    outcome = np.concatenate([value[arm == one] - value[arm == one].mean() for one in (0, 1)])
    assert found.kept[-1] == pytest.approx(1 - np.corrcoef(within, outcome)[0, 1] ** 2)
    assert intercept > 0


def test_players_without_a_past_are_left_as_they_are():
    chance = np.random.default_rng(3)
    arm, value = chance.integers(0, 2, 400), chance.normal(size=400)
    nothing = moments(arm, value, np.full(400, np.nan), arms=2, looks=[400])
    plain = moments(arm, value, None, arms=2, looks=[400])
    assert np.allclose(nothing.mean, plain.mean)
    assert np.allclose(nothing.variance, plain.variance)


def test_simulated_experiments_side_by_side_are_those_one_by_one():
    chance = np.random.default_rng(4)
    arm, value, before = chance.integers(0, 2, (3, 300)), chance.normal(size=(3, 300)), chance.normal(size=(3, 300))
    together = moments(arm, value, before, arms=2, looks=[100, 300])
    for i in range(3):
        alone = moments(arm[i], value[i], before[i], arms=2, looks=[100, 300])
        assert np.allclose(together.mean[i], alone.mean)
        assert np.allclose(together.kept[i], alone.kept)


def test_an_interval_holds_exactly_the_effects_that_the_test_does_not_refuse():
    variance, mixing = np.array([0.01]), np.array([0.04])
    half = sequential.radius(variance, mixing, alpha=0.05)
    assert sequential.p_value(half, variance, mixing) == pytest.approx(0.05)
    assert sequential.p_value(half * 1.01, variance, mixing) < 0.05 < sequential.p_value(half * 0.99, variance, mixing)


def test_the_likelihood_ratio_is_that_of_the_mixture():
    """Its closed form against the integral over effects drawn from N(0, t)."""
    estimate, variance, mixing = 0.3, 0.02, 0.05
    effects = np.linspace(-5, 5, 200_001)
    density = scipy_stats.norm.pdf(effects, 0, math.sqrt(mixing))
    ratios = scipy_stats.norm.pdf(estimate, effects, math.sqrt(variance)) / scipy_stats.norm.pdf(
        estimate, 0, math.sqrt(variance)
    )
    mixed = np.trapezoid(density * ratios, effects)
    found = sequential.p_value(np.array([estimate]), np.array([variance]), np.array([mixing]))
    assert found == pytest.approx(1 / mixed, rel=1e-6)


def test_nothing_is_said_of_few_players_and_p_values_only_fall():
    chance = np.random.default_rng(6)
    arm, value = chance.integers(0, 2, 2_000), chance.normal(size=2_000)
    found = moments(arm, value, None, arms=2, looks=[100, 400, 1_000, 2_000])
    told = sequential.effects(found, arm=1, control=0, effect_sd=0.1, alpha=0.05)
    assert np.isnan(told.effect[0])
    assert np.all(np.diff(told.p[1:]) <= 0)
    assert not np.isnan(told.low[1:]).any()


def test_a_metric_that_nobody_moves_says_nothing_instead_of_dividing_by_zero():
    arm, value = np.arange(600) % 2, np.zeros(600)
    told = sequential.effects(
        moments(arm, value, value, arms=2, looks=[600]), arm=1, control=0, effect_sd=0.1, alpha=0.05
    )
    assert np.isnan(told.low).all()


def test_the_power_of_one_look_is_that_of_the_z_test_and_the_number_of_players_gives_it():
    needed = power.players_needed(0.05, power=0.8, alpha=0.05)
    assert needed == 6_280
    assert power.fixed(0.05, needed, alpha=0.05) == pytest.approx(0.8, abs=1e-3)
    assert power.fixed(0.0, 1_000, alpha=0.05) == pytest.approx(0.05)


@pytest.mark.slow
def test_the_probability_of_crossing_is_that_of_walks_drawn_at_random():
    looks = list(range(500, 5_001, 500))
    chance = np.random.default_rng(8)
    for effect in (0.0, 0.08):
        steps = chance.normal(effect, math.sqrt(2 / 500), (40_000, len(looks)))
        estimate = np.cumsum(steps, axis=1) / np.arange(1, len(looks) + 1)
        variance = 2 / np.array(looks, np.float64)
        half = sequential.radius(variance, np.full(len(looks), 0.1**2), alpha=0.05)
        crossed = (np.abs(estimate) > half).any(axis=1).mean()
        expected = power.sequential(effect, looks, mixing_sd=0.1, alpha=0.05)
        assert crossed == pytest.approx(expected, abs=4 * math.sqrt(expected * (1 - expected) / 40_000))


@pytest.mark.slow
def test_looking_more_often_finds_more_and_never_raises_false_alarms_above_alpha():
    often = power.sequential(0.06, list(range(250, 5_001, 250)), mixing_sd=0.1, alpha=0.05)
    seldom = power.sequential(0.06, [2_500, 5_000], mixing_sd=0.1, alpha=0.05)
    assert seldom < often
    assert power.sequential(0.0, list(range(250, 20_001, 250)), mixing_sd=0.1, alpha=0.05) < 0.05
