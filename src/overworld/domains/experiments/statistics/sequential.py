"""Intervals and p-values that stay true however often somebody looks, and whenever they stop.

The mixture sequential probability ratio test: the likelihood ratio of an effect against none, averaged over effects
drawn from N(0, t), is a martingale where there is no effect, so it ever exceeds 1/alpha with probability alpha at most
(Ville). With the estimate d of an effect and its variance v the ratio is

    L = sqrt(v / (v + t)) exp(t d^2 / (2 v (v + t)))

and the interval holds every effect that the test has not refused. d is a difference of means, near normal for hundreds
of subjects, so the promise holds asymptotically. Source: R. Johari, P. Koomen, L. Pekelis, D. Walsh, "Always valid
inference: continuous monitoring of A/B tests", Operations Research 70 (2022), section 4; for estimated variances
I. Waudby-Smith, D. Arbour, R. Sinha, E. Kennedy, A. Ramdas, "Time-uniform central limit theory and asymptotic
confidence sequences", Annals of Statistics 52 (2024).
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from msgspec import Struct

from overworld.domains.experiments.statistics.columns import F64
from overworld.domains.experiments.statistics.moments import Moments

PLAYERS_MIN = 100
"""Subjects that each arm needs before anything is said: below it no mean is near normal."""


class Effects(Struct, frozen=True):
    """One arm against the control, at each look; NaN where there are too few subjects. `p` is always valid."""

    effect: F64
    variance: F64
    low: F64
    high: F64
    p: F64


def radius(variance: F64, mixing: F64, *, alpha: float) -> F64:
    """Half the width of the always-valid interval of level 1 - alpha, for an estimate of this variance.

    `mixing` is the variance t of the effects that are looked for: the interval is narrowest, for its level, around the
    time when `variance` has come down to a few hundredths of it.
    """
    both = variance + mixing
    found: F64 = np.sqrt(variance * both / mixing * (2 * np.log(1 / alpha) + np.log(both / variance)))
    return found


def p_value(effect: F64, variance: F64, mixing: F64) -> F64:
    """The always-valid p-value of one look, at most 1; the least of all looks so far is one too."""
    both = variance + mixing
    found: F64 = np.minimum(1.0, np.sqrt(both / variance) * np.exp(-mixing * effect**2 / (2 * variance * both)))
    return found


def effects(found: Moments, *, arm: int, control: int, effect_sd: float, alpha: float) -> Effects:
    """The effect of an arm at each look, with its interval.

    `effect_sd` is the size of effects that are looked for, in standard deviations of one subject's adjusted outcome;
    t is its square times the pooled variance. It has to be chosen before anybody looks.
    """
    n, m = found.players[..., arm, :], found.players[..., control, :]
    is_enough = np.minimum(n, m) >= PLAYERS_MIN
    with np.errstate(divide="ignore", invalid="ignore"):
        of_arm, of_control = found.variance[..., arm, :], found.variance[..., control, :]
        variance = np.where(is_enough, of_arm / n + of_control / m, np.nan)
        variance = np.where(variance > 0, variance, np.nan)
        pooled = ((n - 1) * of_arm + (m - 1) * of_control) / (n + m - 2)
        effect = np.where(np.isnan(variance), np.nan, found.mean[..., arm, :] - found.mean[..., control, :])
        mixing = effect_sd**2 * pooled
        half = radius(variance, mixing, alpha=alpha)
        p = p_value(effect, variance, mixing)
    return Effects(effect=effect, variance=variance, low=effect - half, high=effect + half, p=running_least(p))


def running_least(p: F64) -> F64:
    """The least so far, along looks; NaN where there was nothing yet."""
    least: F64 = np.minimum.accumulate(np.where(np.isnan(p), np.inf, p), axis=-1)
    return np.where(np.isinf(least), np.nan, least)


def fixed_radius(variance: F64, *, alpha: float) -> F64:
    """Half the width of the usual interval, true for one look at a time set in advance, and for no other."""
    found: F64 = NormalDist().inv_cdf(1 - alpha / 2) * np.sqrt(variance)
    return found
