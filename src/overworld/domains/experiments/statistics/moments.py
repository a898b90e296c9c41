"""How an estimate of an effect grows subject by subject: sums that are kept for every look at once.

Subjects come in the order in which their outcome was final. A look sees the first n of them. All looks are computed in
one pass of cumulative sums; leading axes are experiments of their own, so that a thousand simulated ones cost one call.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from overworld.domains.experiments.statistics.columns import F64, I64

_LEAST = 1e-300


class Moments(Struct, frozen=True):
    """What the first n subjects tell at each look: arms on the last axis but one, looks on the last.

    `players`, `mean`, `variance` (of one subject's outcome, with n - 1) are of the outcome after adjustment; `plain`
    and `plain_variance` before it. `theta` and `kept` have no axis of arms: the slope on the covariate, and the share
    of the variance that the adjustment leaves, 1 without a covariate.
    """

    players: F64
    mean: F64
    variance: F64
    plain: F64
    plain_variance: F64
    theta: F64
    kept: F64


def moments(arm: I64, value: F64, before: F64 | None, *, arms: int, looks: Sequence[int] | I64) -> Moments:
    """The moments of subjects (..., n) at looks of so many subjects; `arm` is 0 to `arms` - 1.

    `before` is the covariate from before the exposure (CUPED): the outcome is adjusted to `value - theta (before -
    mean(before))` with `theta = cov(value, before) / var(before)` within arms, and the mean over all arms. A subject
    whose `before` is NaN is left as it is. With an arm of fewer than two subjects its variance is NaN.
    Source: A. Deng, Y. Xu, R. Kohavi, T. Walker, "Improving the sensitivity of online controlled experiments by
    utilizing pre-experiment data", WSDM 2013.
    """
    at = np.asarray(looks, np.int64) - 1
    shift = np.mean(value, axis=-1, keepdims=True)
    outcome = value - shift
    covariate = _centred(before) if before is not None else np.zeros_like(outcome)
    sums = [_sums(arm == one, outcome, covariate, at) for one in range(arms)]
    n, y, x, yy, xx, xy = (np.stack([one[i] for one in sums], axis=-2) for i in range(6))
    with np.errstate(divide="ignore", invalid="ignore"):
        within_xy, within_xx, within_yy = xy - x * y / n, xx - x * x / n, yy - y * y / n
        all_xy, all_xx = within_xy.sum(axis=-2), within_xx.sum(axis=-2)
        theta = np.where(all_xx > _LEAST, all_xy / np.maximum(all_xx, _LEAST), 0.0)
        middle = x.sum(axis=-2) / n.sum(axis=-2)
        slope = theta[..., None, :]
        mean = y / n - slope * (x / n - middle[..., None, :])
        adjusted = np.maximum(within_yy - 2 * slope * within_xy + slope * slope * within_xx, 0.0)
        total = within_yy.sum(axis=-2)
        kept = np.where(total > 0, adjusted.sum(axis=-2) / np.where(total > 0, total, 1.0), 1.0)
        one_less = np.where(n > 1, n - 1, np.nan)
        return Moments(
            players=n,
            mean=mean + shift[..., None],
            variance=adjusted / one_less,
            plain=y / n + shift[..., None],
            plain_variance=np.maximum(within_yy, 0.0) / one_less,
            theta=theta,
            kept=kept,
        )


def _centred(before: F64) -> F64:
    """The covariate less its mean; 0, which adjusts nothing, where it is not known."""
    is_known = ~np.isnan(before)
    known = np.where(is_known, before, 0.0)
    mean = known.sum(axis=-1, keepdims=True) / np.maximum(is_known.sum(axis=-1, keepdims=True), 1)
    centred: F64 = np.where(is_known, known - mean, 0.0)
    return centred


def _sums(is_in: NDArray[np.bool_], y: F64, x: F64, at: I64) -> tuple[F64, ...]:
    """Of one arm, at each look: how many, and the sums of y, x, y squared, x squared and their product."""
    weight = is_in.astype(np.float64)
    in_y, in_x = y * weight, x * weight
    return tuple(
        np.cumsum(column, axis=-1)[..., at] for column in (weight, in_y, in_x, in_y * in_y, in_x * in_x, in_y * in_x)
    )
