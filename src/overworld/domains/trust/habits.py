"""What only several windows of a player show: clocks that keep being set, and a pace and a shake that never change.

A single window of either is what an honest phone has too. Pure; the figures of the last windows are in the state.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import Struct

from overworld.domains.trust.types import Pace, PlayerState, Window

HOUR_US = 3_600_000_000

CLOCK_CHANGES_MIN = 3
"""A network sets a clock right once, and once more after a journey; nobody's does so three times in an hour."""

_CLOCK_KEPT = 16
_CHANGES_A_WINDOW = 2
_RISE_S = 2.0
_AHEAD_S = 1.0
_BACK_S = 5.0
_SET_US = 300_000_000
_SENT_AGAIN = 1.3
_MISTIMED_MIN = 3

PACES_KEPT = 6
PACES_MIN = 5
_MOVING_SHARE = 0.8
_ACCEPTED_SHARE = 0.95
_PACE_M_S = (0.6, 8.0)
_FIXES_MIN = 12
_NOISE_SPREAD = 0.2
_SHAKE_MIN = 0.5
_STRAIGHT_MIN_PCT = 20  # less is a phone that rests and shakes
_CONSTANT = 0.01
_DRAWN_SD = 0.06
_DRAWN = (0.02, 2.5)  # means that differ less than by chance are not drawn either
_CENTI = 100


class _Limits(Struct, frozen=True):
    """How even a pace is: the spread of its speeds; how far it shakes at most, in accuracies, above which its speed is
    no more than that; and how straight it may be. A straight way at one speed may be drawn by a phone that slept.
    """

    speed_spread: float
    shake_max: float
    straight_max_pct: int


_TOLD_CONSTANT = _Limits(0.06, 2.2, 88)
_TOLD_DRAWN = _Limits(0.08, 4.0, 92)


def clock_changes(window: Window, state: PlayerState) -> int:
    """How often the device's clock was changed in a window: set, or faster by seconds within it.

    A delay only makes a clock look late, so what is ahead of the server, and more so than before, is the clock itself;
    and so is what comes back from being late after the clock was set. Fixes that are sent twice are late and no clock.
    """
    if window.clock_jumps:
        return 0 if _sends_again(window, state) else min(_CHANGES_A_WINDOW, window.clock_jumps)
    if not state.offsets_s or window.own_timeline:
        return 0
    runs_ahead = window.clock_offset_s > max(_AHEAD_S, max(state.offsets_s) + _RISE_S)
    was_set = bool(state.clock_us) and window.at_us - state.clock_us[-1] < _SET_US
    return int(runs_ahead or (was_set and window.clock_offset_s > state.offsets_s[-1] + _BACK_S))


def _sends_again(window: Window, state: PlayerState) -> bool:
    """Whether more fixes came than the time since the last window has room for, at the beat of those before."""
    if state.told_us == 0 or state.every_s <= 0 or window.refused.get("time_order", 0) < _MISTIMED_MIN:
        return False
    return window.fixes * state.every_s > _SENT_AGAIN * (window.at_us - state.told_us) / 1e6


def pace_of(window: Window) -> Pace | None:
    """What is kept of a window's pace: None unless the player went on foot or by bicycle all the time."""
    span_s = (window.ended_us - window.began_us) / 1e6
    if window.fixes < _FIXES_MIN or window.moving_s <= _MOVING_SHARE * span_s or window.noise_m <= 0:
        return None
    if window.accepted < _ACCEPTED_SHARE * window.fixes or window.accuracy_mean_m <= 0:
        return None
    speed_m_s = window.moved_m / window.moving_s
    if not _PACE_M_S[0] <= speed_m_s <= _PACE_M_S[1]:
        return None
    return Pace(
        speed_cm_s=round(_CENTI * speed_m_s),
        noise_cm=round(_CENTI * window.noise_m),
        accuracy_cm=round(_CENTI * window.accuracy_mean_m),
        accuracy_sd_cm=round(_CENTI * window.accuracy_sd_m),
        fixes=window.accepted,
        every_ms=round(1_000 * window.interval_mean_s),
        straight_pct=round(_CENTI * min(1.0, window.straight_m / window.moved_m)),
    )


def evenness(paces: Sequence[Pace]) -> dict[str, float] | None:
    """The figures of a pace that is a program's, None for anybody's.

    It never rests and keeps one speed, its way bends, its places shake by the same in each window, and the accuracy
    that it tells is no receiver's: one that stays the same while the places shake by more than receivers do between
    two fixes, or one that is drawn anew for each. What a receiver knows of itself changes slowly, as its sky does.
    """
    if len(paces) < PACES_MIN:
        return None
    speed, noise = _spread([one.speed_cm_s for one in paces]), _spread([one.noise_cm for one in paces])
    shakes = [one.noise_cm / one.accuracy_cm for one in paces]
    straight_pct = sorted(one.straight_pct for one in paces)[len(paces) // 2]
    constant = _is_constant(paces)
    limits = _TOLD_CONSTANT if constant else _TOLD_DRAWN
    is_even = speed <= limits.speed_spread and noise <= _NOISE_SPREAD and max(shakes) <= limits.shake_max
    if not (is_even and _STRAIGHT_MIN_PCT <= straight_pct <= limits.straight_max_pct):
        return None
    figures = {"speed_spread": speed, "noise_spread": noise, "shake": min(shakes), "windows": float(len(paces))}
    if constant:
        least = min(shake / math.sqrt(max(1, one.every_ms) / 1_000) for shake, one in zip(shakes, paces, strict=True))
        return figures if least > _SHAKE_MIN else None
    drawn = _drawn(paces)
    return figures | {"accuracy_drift": drawn} if _DRAWN[0] < drawn < _DRAWN[1] else None


def _is_constant(paces: Sequence[Pace]) -> bool:
    """Whether the accuracy never changed."""
    most, least = max(one.accuracy_cm for one in paces), min(one.accuracy_cm for one in paces)
    return most - least <= _CONSTANT * most and all(one.accuracy_sd_cm <= _CONSTANT * most for one in paces)


def _drawn(paces: Sequence[Pace]) -> float:
    """How much more the accuracies of windows differ than means of so many drawn by chance would: about 1 for those."""
    within = [one.accuracy_sd_cm**2 / one.fixes for one in paces]
    if any(one.accuracy_sd_cm < _DRAWN_SD * one.accuracy_cm for one in paces):
        return math.inf
    means = [one.accuracy_cm for one in paces]
    middle = sum(means) / len(means)
    between = sum((one - middle) ** 2 for one in means) / (len(means) - 1)
    return between / (sum(within) / len(within))


def _spread(values: Sequence[float]) -> float:
    """The standard deviation over the mean."""
    middle = sum(values) / len(values)
    return (
        math.sqrt(sum((one - middle) ** 2 for one in values) / (len(values) - 1)) / middle if middle > 0 else math.inf
    )


def remember(window: Window, state: PlayerState) -> None:
    """Notes in the state what later windows are compared with."""
    changes = clock_changes(window, state)
    recent = tuple(time_us for time_us in state.clock_us if window.at_us - time_us < HOUR_US)
    state.clock_us = (*recent, *(window.at_us,) * changes)[-_CLOCK_KEPT:]
    if not window.own_timeline:
        state.offsets_s = (*state.offsets_s, round(window.clock_offset_s, 1))[-2:]
    state.told_us = window.at_us
    if window.accepted == window.fixes:
        state.every_s = round(window.interval_mean_s, 2)
    pace = pace_of(window)
    state.paces = () if pace is None else (*state.paces, pace)[-PACES_KEPT:]
