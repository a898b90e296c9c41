"""Experiments made up a thousand at a time: how often nothing is found where nothing is, and something where it is.

Every made-up experiment goes through the code that reports are made with: moments with CUPED at each look, always-valid
intervals, sample ratios. What comes of many is compared with what is computed without chance: power by carrying a
density from look to look, variance by the correlation that the past was made with.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any
from uuid import UUID

import numpy as np
from cyclopts import Parameter
from cyclopts.validators import Number
from msgspec import Struct
from numpy.random import Generator
from numpy.typing import NDArray

from bench.prove.outcome import Outcome, Steps, conclude
from overworld.domains.experiments.rules import drawn, is_rolled_out
from overworld.domains.experiments.statistics import power, ratio, sequential
from overworld.domains.experiments.statistics.moments import moments
from overworld.domains.experiments.types import Variant

ALPHA = 0.05
LOOKS = 20
EFFECT_SD = 0.1
PLANTED = (0.06, 0.1)
CORRELATION = 0.8
_AT_ONCE = 250
_SIGMAS = 4.0

F64 = NDArray[np.float64]
Count = Annotated[int, Parameter(validator=Number(gte=100, lte=1_000_000))]


class World(Struct, frozen=True):
    """What players do: `made` draws outcomes (experiments, players) with mean `mean` and deviation `deviation`."""

    name: str
    mean: float
    deviation: float
    made: Callable[[Generator, tuple[int, int]], F64]


WORLDS = (
    World("normal", 10.0, 2.0, lambda chance, shape: chance.normal(10.0, 2.0, shape)),
    World("counts", 3.0, math.sqrt(3.0), lambda chance, shape: chance.poisson(3.0, shape).astype(np.float64)),
    World("half never play", 0.5, 0.5, lambda chance, shape: (chance.random(shape) < 0.5).astype(np.float64)),
    # Payers: most do nothing, few do very much. Mean of a lognormal with sigma 1, times 5 %.
    World(
        "few do it all",
        0.05 * math.exp(0.5),
        math.sqrt(0.05 * math.exp(2.0) - (0.05 * math.exp(0.5)) ** 2),
        lambda chance, shape: np.where(chance.random(shape) < 0.05, chance.lognormal(0.0, 1.0, shape), 0.0),
    ),
)


class Found(Struct, frozen=True):
    """Of so many experiments: those in which an interval ever excluded 0, those in which it did at the last look alone,
    those whose usual interval did at any look and at the last one, and those whose interval ever excluded the truth.

    `kept` is the mean share of the variance that CUPED left.
    """

    experiments: int
    ever: int
    last: int
    naive_ever: int
    naive_last: int
    missed: int
    kept: float

    def rate(self, name: str) -> float:
        """One of the counts as a share."""
        return float(getattr(self, name)) / self.experiments


def experiments(*, trials: Count = 5_000, players: Count = 4_000, seed: int = 1) -> int:
    """Nothing is found where nothing is, an effect as often as computed, and the draw is even and independent.

    A/A experiments of four kinds of outcomes are looked at 20 times each: at most 5 % may ever show an effect. Effects
    of 0.06 and 0.1 standard deviations are planted: they are found as often as the computed power says, with the past
    of players (CUPED) and without. Sample ratios raise alarms as rarely as they promise, and when they should. Players
    are drawn for flags: shares are as the weights, independent between flags.

    Parameters
    ----------
    trials
        Experiments of each kind.
    players
        Players of each, in both variants together.
    seed
        Of everything that is chosen by chance.
    """
    return conclude("experiments", prove(trials=trials, players=players, seed=seed), seed=seed)


def prove(*, trials: int, players: int, seed: int) -> Outcome:
    """All of it; the same seed makes the same figures."""
    figures: dict[str, Any] = {"trials": trials, "players": players, "looks": LOOKS}
    faults: list[str] = []
    parts = [*_null(trials, players), *_planted(trials, players), *_ratios(trials), *_draws(trials)]
    with Steps("parts", len(parts)) as steps:
        for number, (name, part) in enumerate(parts):
            told, wrong = part(np.random.default_rng([seed, number]))
            figures[name] = told
            faults += [f"{name}: {why}" for why in wrong]
            steps.done(name)
    return Outcome(figures, faults)


def looked_at(
    chance: Generator, world: World, *, trials: int, players: int, effect_sd: float, correlation: float = 0.0
) -> Found:
    """Made-up experiments, looked at 20 times each. `effect_sd` is the planted effect in deviations of the outcome.

    With a correlation, outcomes have a past of that correlation with them, which the adjustment uses.
    """
    looks = np.linspace(players / LOOKS, players, LOOKS).astype(np.int64)
    sums = np.zeros(5, np.int64)
    kept = 0.0
    for start in range(0, trials, _AT_ONCE):
        shape = (min(_AT_ONCE, trials - start), players)
        arm = chance.integers(0, 2, shape)
        value = world.made(chance, shape)
        before = None
        if correlation:
            noise = chance.normal(size=shape) * math.sqrt(1 / correlation**2 - 1) * world.deviation
            before = value + noise
        effect = effect_sd * world.deviation
        found = moments(arm, value + effect * arm, before, arms=2, looks=looks)
        told = sequential.effects(found, arm=1, control=0, effect_sd=EFFECT_SD, alpha=ALPHA)
        fixed = sequential.fixed_radius(told.variance, alpha=ALPHA)
        shows = (told.low > 0) | (told.high < 0)
        naive = np.abs(told.effect) > fixed
        missed = (told.low > effect) | (told.high < effect)
        sums += [shows.any(-1).sum(), shows[:, -1].sum(), naive.any(-1).sum(), naive[:, -1].sum(), missed.any(-1).sum()]
        kept += float(found.kept[:, -1].sum())
    ever, last, naive_ever, naive_last, missed_ever = sums.tolist()
    return Found(trials, ever, last, naive_ever, naive_last, missed_ever, kept / trials)


Part = tuple[str, Callable[[Generator], tuple[Mapping[str, Any], list[str]]]]


def _null(trials: int, players: int) -> Iterator[Part]:
    for world in WORLDS:
        for correlation in (0.0, CORRELATION):

            def part(
                chance: Generator, world: World = world, correlation: float = correlation
            ) -> tuple[Mapping[str, Any], list[str]]:
                found = looked_at(chance, world, trials=trials, players=players, effect_sd=0.0, correlation=correlation)
                told = {
                    "false_alarms": round(found.rate("ever"), 4),
                    "usual_interval_at_20_looks": round(found.rate("naive_ever"), 4),
                    "usual_interval_at_the_last": round(found.rate("naive_last"), 4),
                }
                wrong = [] if found.rate("ever") <= ALPHA else [f"{found.rate('ever'):.2%} of A/A showed an effect"]
                if found.rate("naive_ever") <= ALPHA:
                    wrong.append("the usual interval holds at 20 looks too, so these looks prove nothing")
                return told, wrong

            yield f"A/A {world.name}{', CUPED' if correlation else ''}", part


def _planted(trials: int, players: int) -> Iterator[Part]:
    looks = [int(n) for n in np.linspace(players / LOOKS, players, LOOKS) / 2]
    for planted in PLANTED:
        for correlation in (0.0, CORRELATION):
            left = 1 - correlation**2

            def part(
                chance: Generator, planted: float = planted, correlation: float = correlation, left: float = left
            ) -> tuple[Mapping[str, Any], list[str]]:
                found = looked_at(
                    chance, WORLDS[0], trials=trials, players=players, effect_sd=planted, correlation=correlation
                )
                sharper = planted / math.sqrt(left)
                computed = power.sequential(sharper, looks, mixing_sd=EFFECT_SD, alpha=ALPHA)
                fixed = power.fixed(sharper, players // 2, alpha=ALPHA)
                told = {
                    "power": round(found.rate("ever"), 4),
                    "power_computed": round(computed, 4),
                    "power_of_one_look": round(found.rate("naive_last"), 4),
                    "power_of_one_look_computed": round(fixed, 4),
                    "variance_left": round(found.kept, 4),
                    "variance_left_computed": round(left, 4),
                    "truth_outside": round(found.rate("missed"), 4),
                }
                wrong = _apart("power", found.rate("ever"), computed, trials)
                wrong += _apart("power of one look", found.rate("naive_last"), fixed, trials)
                if abs(found.kept - left) > 0.01:
                    wrong.append(f"CUPED left {found.kept:.3f} of the variance, not {left:.3f}")
                if found.rate("missed") > ALPHA:
                    wrong.append(f"the truth lay outside the interval in {found.rate('missed'):.2%}")
                return told, wrong

            yield f"planted {planted}{', CUPED' if correlation else ''}", part


def _ratios(trials: int) -> Iterator[Part]:
    """Chi-squares of sound experiments are spread as the distribution says; a lost tenth of an arm is noticed."""

    def part(chance: Generator) -> tuple[Mapping[str, Any], list[str]]:
        sound = [ratio.check([int(k), 20_000 - int(k)], [1, 1]) for k in chance.binomial(20_000, 0.5, trials)]
        below = {level: sum(one.p_value < level for one in sound) / trials for level in (0.5, 0.05)}
        wrong = [why for level, rate in below.items() for why in _apart(f"p below {level}", rate, level, trials)]
        lost = [ratio.check([10_000, int(k)], [1, 1]) for k in chance.binomial(10_000, 0.9, 200)]
        if any(one.is_sound for one in lost):
            wrong.append("a tenth of an arm was lost, and nobody was told")
        alarms = 0
        for _ in range(min(trials, 1_000)):
            on = np.cumsum(chance.binomial(500, 0.5, 40))
            checks = (ratio.check([int(k), (i + 1) * 500 - int(k)], [1, 1]) for i, k in enumerate(on))
            alarms += min(one.p_value_any_time for one in checks) < ALPHA
        if alarms > ALPHA * min(trials, 1_000):
            wrong.append(f"{alarms} false alarms of the sample ratio at 40 looks")
        told = {"p_below_0.05": below[0.05], "p_below_0.5": below[0.5], "any_time_false_alarms": alarms}
        return told, wrong

    yield "sample ratio", part


def _draws(trials: int) -> Iterator[Part]:
    """Forty players for each trial are drawn for two flags."""

    def part(chance: Generator) -> tuple[Mapping[str, Any], list[str]]:
        units = [str(UUID(bytes=chance.bytes(16))) for _ in range(40 * trials)]
        three = [Variant(name=name, value=name, weight=weight) for name, weight in (("a", 5), ("b", 3), ("c", 2))]
        one = np.array([ord(drawn(three, salt="first", unit=unit).name) - ord("a") for unit in units])
        two = np.array([ord(drawn(three, salt="second", unit=unit).name) - ord("a") for unit in units])
        rolled = np.array([is_rolled_out("first", unit, rollout_pct=25) for unit in units])
        even = ratio.check(np.bincount(one, minlength=3).tolist(), [5, 3, 2]).p_value
        pairs = ratio.check(
            np.bincount(3 * one + two, minlength=9).tolist(), np.outer([5, 3, 2], [5, 3, 2]).ravel().tolist()
        )
        apart = ratio.check(
            np.bincount(2 * one + rolled, minlength=6).tolist(), np.outer([5, 3, 2], [3, 1]).ravel().tolist()
        )
        told = {"even_p": even, "two_flags_p": pairs.p_value, "draw_and_rollout_p": apart.p_value, "drawn": len(units)}
        wrong = [f"{name} is {p:.1e}" for name, p in told.items() if name != "drawn" and p < ratio.ALARM_P]
        return told, wrong

    yield "draw", part


def _apart(what: str, found: float, computed: float, trials: int) -> list[str]:
    """Why a rate cannot be the computed one: four standard errors apart, and half a per cent for what is asymptotic."""
    bound = _SIGMAS * math.sqrt(computed * (1 - computed) / trials) + 0.005
    return [] if abs(found - computed) <= bound else [f"{what} is {found:.3f}, computed {computed:.3f}"]
