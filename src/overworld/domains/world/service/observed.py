"""Closed windows as events: sums become means, deviations and the rest that is told of how players moved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from overworld.domains.world.engine.observing import Observed
from overworld.domains.world.messages import MovementObserved
from overworld.domains.world.types import Reason
from overworld.geo import cells as geo_cells
from overworld.geo.columns import F64
from overworld.kernel.clock import from_us

_DEVIATES_FROM = 3  # fewer values have no deviation worth the name
_DIGITS = 3
_BITS_64 = (1 << 64) - 1


def events_of(
    observed: Observed, *, player_id: Callable[[int], UUID], mode_names: Sequence[str]
) -> list[MovementObserved]:
    """One event for each window, in their order."""
    if observed.slot.size == 0:
        return []
    figures = {name: column.tolist() for name, column in _figures(observed.window).items()}
    return [
        MovementObserved(
            player_id=player_id(slot),
            began_at=from_us(int(row["began_us"])),
            ended_at=from_us(int(row["ended_us"])),
            refused=_refused(row["judged"].tolist()),
            mode=mode_names[int(row["mode"])],
            cell=geo_cells.token(int(row["cell"]) & _BITS_64) if row["cell"] else "",
            shingles=tuple(row["shingle"][: int(row["shingles"])].tolist()),
            shingle_ages_s=tuple(
                ((row["shingle_us"][: int(row["shingles"])] - row["began_us"]) / 1e6).round(_DIGITS).tolist()
            ),
            own_timeline=bool(row["own_timeline"]),
            **dict(zip(figures, values, strict=True)),
        )
        for slot, row, values in zip(
            observed.slot.tolist(), observed.window, zip(*figures.values(), strict=True), strict=True
        )
    ]


def _figures(window: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """The numbers of the events as columns by their names, aligned with the windows, (n,)."""
    straight = np.stack([window[f"straight_{axis}"] for axis in "xyz"], axis=1).astype(np.float64)
    speed_mean, speed_sd = _mean_and_sd(window["speed_m_s"], window["speed_m_s2"], window["legs"])
    interval_mean, interval_sd = _mean_and_sd(window["interval_s"], window["interval_s2"], window["intervals"])
    accuracy_mean, accuracy_sd = _mean_and_sd(window["accuracy_m"], window["accuracy_m2"], window["accuracies"])
    figures: dict[str, NDArray[Any]] = {
        "moved_m": window["moved_m"],
        "straight_m": np.linalg.norm(straight, axis=1),
        "moving_s": window["moving_s"],
        "speed_mean_m_s": speed_mean,
        "speed_cv": _ratio(speed_sd, speed_mean),
        "turn_rms_deg": np.degrees(np.sqrt(_ratio(window["turn2"], window["turns"]))),
        "noise_m": _noise_m(window),
        "smooth_share": np.where(window["bends"] >= _DEVIATES_FROM, _ratio(window["smooth"], window["bends"]), 0.0),
        "interval_mean_s": interval_mean,
        "interval_cv": _ratio(interval_sd, interval_mean),
        "accuracy_mean_m": accuracy_mean,
        "accuracy_sd_m": accuracy_sd,
        "told_speed_gap_m_s": np.sqrt(_ratio(window["gap_m_s2"], window["gaps"])),
        "clock_offset_s": np.where(window["own_timeline"] == 0, window["offset_us"] / 1e6, 0.0),
    }
    rounded = {name: column.astype(np.float64).round(_DIGITS) for name, column in figures.items()}
    return rounded | {
        "fixes": window["fixes"],
        "accepted": window["judged"][:, Reason.NONE],
        "repeated": window["repeated"],
        "clock_jumps": window["jumps"],
        "refused_streak": window["streak_max"],
        "leaps": window["leaps"],
    }


def _noise_m(window: NDArray[Any]) -> F64:
    """The root mean square of second differences about their mean, which is what a constant acceleration makes."""
    count = window["bends"]
    mean2 = np.sum([_ratio(window[f"bend_{axis}"], count) ** 2 for axis in "xyz"], axis=0)
    noise2 = np.maximum(0.0, _ratio(window["bend_m2"], count) - mean2)
    return np.where(count >= _DEVIATES_FROM, np.sqrt(noise2), 0.0)


def _mean_and_sd(total: F64, total2: F64, count: NDArray[Any]) -> tuple[F64, F64]:
    """Means and standard deviations from sums; of fewer than three values the deviation is 0, of none both."""
    mean = _ratio(total, count)
    variance = np.maximum(0.0, _ratio(total2, count) - mean * mean)
    return mean, np.where(count >= _DEVIATES_FROM, np.sqrt(variance), 0.0)


def _ratio(above: NDArray[Any], below: NDArray[Any]) -> F64:
    """The one by the other; 0 where that is by nothing."""
    wide = below.astype(np.float64)
    ratio: F64 = np.divide(above, wide, out=np.zeros(wide.size), where=wide != 0)
    return ratio


def _refused(judged: list[int]) -> dict[str, int]:
    return {reason.wire: judged[reason] for reason in Reason if reason is not Reason.NONE and judged[reason]}
