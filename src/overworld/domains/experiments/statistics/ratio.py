"""Whether players came into the arms in the ratio that was asked for: where they did not, no other number counts."""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import Struct

ALARM_P = 0.001
"""Below this a mismatch is called one. Source: A. Fabijan et al., "Diagnosing sample ratio mismatch in online
controlled experiments", KDD 2019."""

_PRIOR = 10_000.0
_ITERATIONS_MAX = 10_000
_PRECISION = 1e-14
_TINY = 1e-300


class Ratio(Struct, frozen=True, kw_only=True):
    """What the counts say: Pearson's chi-square with its p-value for one look, and a p-value for any number of them."""

    chi_square: float
    degrees: int
    p_value: float
    p_value_any_time: float

    @property
    def is_sound(self) -> bool:
        """Whether neither p-value says that the ratio is another one."""
        return min(self.p_value, self.p_value_any_time) >= ALARM_P


def check(counts: Sequence[int], weights: Sequence[float]) -> Ratio:
    """Compares counts of players with the weights of their arms, aligned; arms of weight 0 are left out.

    The chi-square is that of K. Pearson (1900). The other p-value is the inverse of a Bayes factor of a
    Dirichlet-multinomial against the weights, a martingale, so it may be looked at after every player. Source:
    M. Lindon, A. Malek, "Anytime-valid inference for multinomial count data", NeurIPS 2022.
    """
    told = [(count, weight) for count, weight in zip(counts, weights, strict=True) if weight > 0]
    players, total = sum(count for count, _ in told), sum(weight for _, weight in told)
    if players == 0 or len(told) == 1:
        return Ratio(chi_square=0.0, degrees=max(0, len(told) - 1), p_value=1.0, p_value_any_time=1.0)
    chi_square, log_factor = 0.0, math.lgamma(_PRIOR) - math.lgamma(_PRIOR + players)
    for count, weight in told:
        share = weight / total
        chi_square += (count - players * share) ** 2 / (players * share)
        prior = _PRIOR * share
        log_factor += math.lgamma(prior + count) - math.lgamma(prior) - count * math.log(share)
    degrees = len(told) - 1
    return Ratio(
        chi_square=chi_square,
        degrees=degrees,
        p_value=chi_square_beyond(chi_square, degrees),
        p_value_any_time=min(1.0, math.exp(min(0.0, -log_factor))),
    )


def chi_square_beyond(value: float, degrees: int) -> float:
    """The probability that a chi-square of so many degrees of freedom is at least `value`.

    Source: the regularised incomplete gamma function, by its series below a + 1 and by Lentz's continued fraction above
    (W. H. Press et al., Numerical Recipes, 3rd edition, section 6.2).
    """
    a, x = degrees / 2, value / 2
    if x <= 0:
        return 1.0
    front = math.exp(a * math.log(x) - x - math.lgamma(a))
    return 1.0 - front * _series(a, x) if x < a + 1 else front * _fraction(a, x)


def _series(a: float, x: float) -> float:
    term = total = 1 / a
    for i in range(1, _ITERATIONS_MAX):
        term *= x / (a + i)
        total += term
        if term < total * _PRECISION:
            break
    return total


def _fraction(a: float, x: float) -> float:
    b = x + 1 - a
    c, d = 1 / _TINY, 1 / b
    found = d
    for i in range(1, _ITERATIONS_MAX):
        part = -i * (i - a)
        b += 2
        d = 1 / (part * d + b or _TINY)
        c = b + part / c or _TINY
        found *= d * c
        if abs(d * c - 1) < _PRECISION:
            break
    return found
