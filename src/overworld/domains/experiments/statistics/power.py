"""How likely an experiment is to show an effect, and how many players it needs: computed, not simulated."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from overworld.domains.experiments.statistics.columns import F64
from overworld.domains.experiments.statistics.sequential import radius

_GRID = 401
_NORMAL = NormalDist()
_cdf_of = np.vectorize(_NORMAL.cdf, otypes=[np.float64])


def fixed(effect_sd: float, players: int, *, alpha: float) -> float:
    """The power of the usual two-sided test with one look at two arms of so many players each.

    `effect_sd` is the effect in standard deviations of the outcome that is compared: after an adjustment that leaves a
    share k of the variance it is the plain one over sqrt(k).
    """
    bound = _NORMAL.inv_cdf(1 - alpha / 2)
    drift = abs(effect_sd) / math.sqrt(2 / players)
    return _NORMAL.cdf(drift - bound) + _NORMAL.cdf(-drift - bound)


def players_needed(effect_sd: float, *, power: float, alpha: float) -> int:
    """Players that each of two arms needs for one look. Source: n = 2 ((z_{1-alpha/2} + z_power) / effect)^2."""
    wanted = _NORMAL.inv_cdf(1 - alpha / 2) + _NORMAL.inv_cdf(power)
    return math.ceil(2 * (wanted / effect_sd) ** 2)


def sequential(effect_sd: float, looks: Sequence[int], *, mixing_sd: float, alpha: float) -> float:
    """The probability that the always-valid interval excludes 0 at one of the looks: two arms of so many players each.

    With no effect it is the probability of a false alarm, at most alpha. Computed exactly for normal means: the density
    of what has not crossed yet is carried from look to look on a grid of 401 points (Simpson).
    Source: P. Armitage, C. K. McPherson, B. C. Rowe, "Repeated significance tests on accumulating data", Journal of the
    Royal Statistical Society A 132 (1969).
    """
    variance = 2 / np.asarray(looks, np.float64)
    information = 1 / variance
    bounds = radius(variance, np.full_like(variance, mixing_sd**2), alpha=alpha) * information
    steps = np.diff(information, prepend=0.0)
    crossed, at, density = 0.0, np.zeros(1), np.ones(1)
    for step, bound in zip(steps, bounds, strict=True):
        spread, drift = math.sqrt(step), effect_sd * step
        beyond = _cdf_of((at + drift - bound) / spread) + _cdf_of((-bound - at - drift) / spread)
        crossed += float(density @ beyond)
        grid = np.linspace(-bound, bound, _GRID)
        moved = np.exp(-0.5 * ((grid[:, None] - at[None, :] - drift) / spread) ** 2) / (spread * math.sqrt(2 * math.pi))
        density = (moved @ density) * _simpson(bound)
        at = grid
    return crossed


def _simpson(bound: float) -> F64:
    weights = np.ones(_GRID)
    weights[1:-1:2], weights[2:-1:2] = 4, 2
    found: F64 = weights * (2 * bound / (_GRID - 1) / 3)
    return found
