"""How each player moves, in sums: a fix adds to its player's window in the pass that judges it.

A window closes at the first fix at least so many seconds, of the track's own time, after its first one. Its row is then
copied to where `take` finds it, and the sums begin anew; what links a fix to the one before lives on in the trail.
Places are differences in metres from fix to fix, so single precision is enough for most of them.
"""
# ruff: noqa: PLR0917 - kernels call each other by position

from __future__ import annotations

import math
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from overworld.domains.world.rules import OWN_TIMELINE, SECOND_US
from overworld.domains.world.types import Reason
from overworld.geo.columns import I32, I64
from overworld.geo.compiled import inner_kernel
from overworld.geo.kernels import EARTH_RADIUS_M

SHINGLES_MAX = 8
REASONS = len(Reason)
CLOSED_MAX = 4_096

_GAP_S = 120.0  # fixes farther apart are no step
_REST_S = 30.0  # who has not come out of its accuracy in that time rests
_BEND_S = 30.0  # three fixes that take longer say nothing of noise
_SMOOTH_M = 0.05  # of a second difference: a receiver's noise is above, the grid of the wire below
_LEAP2 = (1_000.0 / EARTH_RADIUS_M) ** 2  # more than a reflection
_JUMP_US = 5 * SECOND_US
_DRIFT_US = SECOND_US // 10
_US_S = 1e-6
_SETTLED_S = 15.0  # by then a track's smoothed velocity is its own
_SHINGLE_FIXES = 4
_SHINGLES_OF = 8  # one in so many is kept
# Odd numbers whose bits are mixed well. Source: SplitMix64, G. L. Steele et al., OOPSLA 2014; as int64.
_MIX_LAT, _MIX_LNG, _MIX = -0x61C8864680B583EB, -0x4B47D0C5E1B0A2CB, -0x40A7B892E31B1A47
_BITS_16, _BITS_32, _BITS_53 = (1 << 16) - 1, (1 << 32) - 1, (1 << 53) - 1

# What links a player's next fix to those before: when the last one was whose time can be believed; where and when the
# last one was that was accepted, or refused for its movement alone (`at_`, good to half a metre); what time the last
# one told; `level_us`, by how much the device's clock is ahead at the least delay seen; the last `step_` and how long
# it took (0: none); the way since the last place that was out of the accuracy of the one before (`leg_`), and the leg
# before it (`way_`, 0 m: none); 16 bits of each of the last four moved places, and how many there are; how many fixes
# were refused in a row (`streak`); for how long the track goes on without a gap (`age_s`).
TRAIL = np.dtype(
    [
        ("when_us", "<i8"),
        ("told_us", "<i8"),
        ("level_us", "<i8"),
        ("places", "<i8"),
        ("at_us", "<i8"),
        *((f"at_{name}", "<f4") for name in ("x", "y", "z")),
        *((f"step_{name}", "<f4") for name in ("x", "y", "z", "s")),
        *((f"leg_{name}", "<f4") for name in ("x", "y", "z", "s")),
        *((f"way_{name}", "<f4") for name in ("x", "y", "z", "m")),
        ("streak", "<u2"),
        ("moved", "<u1"),
        ("known", "<u1"),
        ("age_s", "<f4"),
        ("own_timeline", "<u4"),
    ]
)

# The sums of a window; a field that ends in 2 is of squares. `judged` counts by reason, 0 being accepted; `bend_` is of
# second differences, and `smooth` counts those that are nearly none; `gap_` is of told less smoothed speeds,
# `straight_` of legs.
WINDOW = np.dtype(
    [
        ("began_us", "<i8"),
        ("ended_us", "<i8"),
        ("offset_us", "<i8"),
        ("cell", "<i8"),
        ("fixes", "<u4"),
        ("repeated", "<u4"),
        ("intervals", "<u4"),
        ("accuracies", "<u4"),
        ("bends", "<u4"),
        ("smooth", "<u4"),
        ("gaps", "<u4"),
        ("legs", "<u4"),
        ("turns", "<u4"),
        ("jumps", "<u2"),
        ("leaps", "<u2"),
        ("streak_max", "<u2"),
        ("spare", "<u2"),
        ("mode", "<u1"),
        ("own_timeline", "<u1"),
        ("shingles", "<u2"),
        ("interval_s", "<f8"),
        ("interval_s2", "<f8"),
        ("accuracy_m", "<f8"),
        ("accuracy_m2", "<f8"),
        ("speed_m_s", "<f8"),
        ("speed_m_s2", "<f8"),
        ("moved_m", "<f4"),
        ("moving_s", "<f4"),
        ("turn2", "<f4"),
        ("gap_m_s2", "<f4"),
        ("bend_m2", "<f4"),
        *((f"bend_{name}", "<f4") for name in ("x", "y", "z")),
        *((f"straight_{name}", "<f4") for name in ("x", "y", "z")),
        ("judged", "<u4", (REASONS,)),
        ("shingle", "<i8", (SHINGLES_MAX,)),
        ("shingle_us", "<i8", (SHINGLES_MAX,)),
    ]
)


class Observed(Struct, frozen=True):
    """Windows that were closed, rows of `WINDOW`, and whose they are, aligned, (n,); `lost` more were not kept."""

    slot: I32
    window: NDArray[Any]
    lost: int = 0

    def first(self, count: int) -> Observed:
        """So many of them."""
        return Observed(self.slot[:count], self.window[:count])


class Closed:
    """Where the pass leaves closed windows until they are taken. What there is no room for is counted."""

    def __init__(self) -> None:
        # The last row stays blank: it is what a new window begins with.
        self.window: NDArray[np.void] = np.zeros(CLOSED_MAX + 1, WINDOW)
        self.slot: I32 = np.zeros(CLOSED_MAX, np.int32)
        self.used: I64 = np.zeros(2, np.int64)
        self._nothing = Observed(self.slot[:0], self.window[:0])

    def take(self) -> Observed:
        """What was closed since the last call, the caller's own."""
        count, lost = self.used.tolist()
        if count == lost == 0:
            return self._nothing
        self.used[:] = 0
        return Observed(self.slot[:count].copy(), self.window[:count].copy(), lost)


_COUNT, _LOST = 0, 1


@inner_kernel
def when_of(fix: Any, reason: int, now_us: int, trail: Any) -> int:
    """When a fix was, on its track's own time.

    A time that was not judged, or refused, counts for nothing: then it is now, or on a time line of its own still then.
    """
    if is_timed(reason):
        return int(fix.time_us)
    if fix.flags & OWN_TIMELINE == 0:
        return now_us
    return int(trail.when_us) if trail.known != 0 and trail.own_timeline != 0 else int(fix.time_us)


@inner_kernel
def is_timed(reason: int) -> bool:
    """Whether the time of a fix was found good before the reason came up."""
    return reason <= Reason.TELEPORT or reason in (Reason.INACCURATE, Reason.ALTITUDE)


@inner_kernel
def is_due(fix: Any, when_us: int, every_us: int, window: Any) -> bool:
    """Whether a fix belongs to the next window. Own time may also run back, when a far time was refused before."""
    if window.fixes == 0:
        return False
    own_timeline = fix.flags & OWN_TIMELINE
    span_us = when_us - window.began_us
    if window.own_timeline != own_timeline or span_us >= every_us:
        return True
    return bool(own_timeline != 0 and -span_us >= every_us)


@inner_kernel
def close(slot: int, trails: NDArray[Any], windows: NDArray[Any], closed: NDArray[Any], whose: I32, used: I64) -> None:
    """Hands a player's window over and begins the next. A clock that drifts back is followed slowly, a late one not."""
    if used[_COUNT] < whose.size:
        closed[used[_COUNT]] = windows[slot]
        whose[used[_COUNT]] = slot
        used[_COUNT] += 1
    else:
        used[_LOST] += 1
    trail = trails[slot]
    trail.level_us = max(windows[slot].offset_us, trail.level_us - _DRIFT_US)
    windows[slot] = closed[whose.size]


@inner_kernel
def observe(
    fix: Any, reason: int, x: float, y: float, z: float, now_us: int, when_us: int,
    before_x: float, before_y: float, before_z: float, before_us: int, teleport_m_s: float, track: Any, trail: Any,
    window: Any,
) -> None:  # fmt: skip
    """Adds a judged fix to its player's window. `before_` is the last good fix before it; `track` is judged already."""
    own_timeline = fix.flags & OWN_TIMELINE
    if trail.own_timeline != own_timeline:
        trail.own_timeline = own_timeline
        trail.known = trail.at_us = 0
    if window.fixes == 0:
        window.began_us = window.ended_us = when_us
        window.own_timeline = own_timeline
    window.fixes += 1
    window.ended_us = max(window.ended_us, when_us)
    window.judged[reason] += 1
    window.mode = track.mode
    if own_timeline == 0:
        note_clock(fix.time_us, now_us, trail, window)
    if is_timed(reason):
        note_interval(when_us, trail, window)
    if reason <= Reason.TELEPORT:
        note_leap(when_us, x, y, z, teleport_m_s, trail, window)
    if reason == Reason.NONE:
        trail.streak = 0
        note_accuracy(fix.accuracy_m, window)
        if track.begins != 0:
            break_off(trail)
        else:
            note_step(
                fix, EARTH_RADIUS_M * (x - before_x), EARTH_RADIUS_M * (y - before_y), EARTH_RADIUS_M * (z - before_z),
                (fix.time_us - before_us) * _US_S, track, trail, window,
            )  # fmt: skip
    elif reason <= Reason.TELEPORT:
        trail.streak += 1
        window.streak_max = max(window.streak_max, trail.streak)
    trail.known = 1


@inner_kernel
def note_clock(time_us: int, now_us: int, trail: Any, window: Any) -> None:
    """The device's clock less the server's. A delay only lowers it, so the highest is the truest.

    More by seconds than ever seen, or a time seconds before the last one told, is a clock that was set.
    """
    offset_us = time_us - now_us
    if window.fixes == 1 or offset_us > window.offset_us:
        window.offset_us = offset_us
    if trail.known == 0:
        trail.level_us = offset_us
    elif offset_us > trail.level_us + _JUMP_US or time_us < trail.told_us - _JUMP_US:
        window.jumps += 1
        trail.level_us = offset_us
    elif offset_us > trail.level_us:
        trail.level_us = offset_us
    trail.told_us = time_us


@inner_kernel
def note_interval(when_us: int, trail: Any, window: Any) -> None:
    """The time between two fixes whose time can be believed."""
    interval_s = (when_us - trail.when_us) * _US_S
    if trail.known != 0 and 0.0 < interval_s <= _GAP_S:
        window.intervals += 1
        window.interval_s += interval_s
        window.interval_s2 += interval_s * interval_s
    trail.when_us = when_us


@inner_kernel
def note_leap(when_us: int, x: float, y: float, z: float, teleport_m_s: float, trail: Any, window: Any) -> None:
    """Whether nothing travels from the last fix that was good by itself to this one."""
    away2 = (x - trail.at_x) ** 2 + (y - trail.at_y) ** 2 + (z - trail.at_z) ** 2
    if away2 > _LEAP2 and trail.at_us != 0:
        span_s = (when_us - trail.at_us) * _US_S
        if span_s > 0.0 and away2 > (teleport_m_s / EARTH_RADIUS_M * span_s) ** 2:
            window.leaps += 1
    trail.at_x, trail.at_y, trail.at_z, trail.at_us = x, y, z, when_us


@inner_kernel
def note_accuracy(accuracy_m: float, window: Any) -> None:
    if not math.isnan(accuracy_m):
        window.accuracies += 1
        window.accuracy_m += accuracy_m
        window.accuracy_m2 += float(accuracy_m) * float(accuracy_m)


@inner_kernel
def break_off(trail: Any) -> None:
    """The next fix goes on from nothing."""
    trail.step_s = trail.leg_s = trail.way_m = trail.age_s = 0.0
    trail.leg_x = trail.leg_y = trail.leg_z = 0.0
    trail.moved = 0


@inner_kernel
def note_step(
    fix: Any, dx_m: float, dy_m: float, dz_m: float, span_s: float, track: Any, trail: Any, window: Any
) -> None:
    """A step between two accepted fixes."""
    if span_s > _GAP_S:
        break_off(trail)
        return
    trail.age_s += span_s
    if not math.isnan(fix.speed_m_s) and trail.age_s >= _SETTLED_S:
        velocity2 = track.velocity_x**2 + track.velocity_y**2 + track.velocity_z**2
        window.gaps += 1
        window.gap_m_s2 += (fix.speed_m_s - EARTH_RADIUS_M * math.sqrt(velocity2)) ** 2
    if dx_m == 0.0 and dy_m == 0.0 and dz_m == 0.0:
        window.repeated += 1
        trail.step_s = 0.0
    else:
        both_s = span_s + trail.step_s
        if trail.step_s > 0.0 and both_s <= _BEND_S:
            weight = 2.0 / both_s
            note_bend(dx_m, dy_m, dz_m, weight * trail.step_s, weight * span_s, trail, window)
        trail.step_x, trail.step_y, trail.step_z, trail.step_s = dx_m, dy_m, dz_m, span_s
        note_place(fix.lat_deg, fix.lng_deg, fix.time_us, trail, window)
    note_leg(dx_m, dy_m, dz_m, span_s, 2.0 * track.accuracy_m, trail, window)


@inner_kernel
def note_bend(
    dx_m: float, dy_m: float, dz_m: float, weight: float, weight_before: float, trail: Any, window: Any
) -> None:
    """The second difference of three places; the weights are 1 when they lie equally far apart in time."""
    bend_x = weight * dx_m - weight_before * trail.step_x
    bend_y = weight * dy_m - weight_before * trail.step_y
    bend_z = weight * dz_m - weight_before * trail.step_z
    window.bends += 1
    window.bend_x += bend_x
    window.bend_y += bend_y
    window.bend_z += bend_z
    bend_m2 = bend_x * bend_x + bend_y * bend_y + bend_z * bend_z
    window.bend_m2 += bend_m2
    if bend_m2 < _SMOOTH_M * _SMOOTH_M:
        window.smooth += 1


@inner_kernel
def note_leg(dx_m: float, dy_m: float, dz_m: float, span_s: float, reach_m: float, trail: Any, window: Any) -> None:
    """Adds a step to the leg under way, and the leg to the window once it leads out of the accuracies."""
    x, y, z, leg_s = trail.leg_x + dx_m, trail.leg_y + dy_m, trail.leg_z + dz_m, trail.leg_s + span_s
    leg_m2 = x * x + y * y + z * z
    if leg_m2 > reach_m * reach_m:
        add_leg(x, y, z, math.sqrt(leg_m2), leg_s, trail, window)
        x = y = z = leg_s = 0.0
    elif leg_s > _REST_S:
        x = y = z = leg_s = 0.0
        trail.way_m = 0.0
    trail.leg_x, trail.leg_y, trail.leg_z, trail.leg_s = x, y, z, leg_s


@inner_kernel
def add_leg(x: float, y: float, z: float, leg_m: float, leg_s: float, trail: Any, window: Any) -> None:
    speed_m_s = leg_m / leg_s
    window.legs += 1
    window.moved_m += leg_m
    window.moving_s += leg_s
    window.speed_m_s += speed_m_s
    window.speed_m_s2 += speed_m_s * speed_m_s
    window.straight_x += x
    window.straight_y += y
    window.straight_z += z
    if trail.way_m > 0.0:
        along = x * trail.way_x + y * trail.way_y + z * trail.way_z
        across2 = max(0.0, (leg_m * trail.way_m) ** 2 - along * along)
        window.turns += 1
        window.turn2 += math.atan2(math.sqrt(across2), along) ** 2
    trail.way_x, trail.way_y, trail.way_z, trail.way_m = x, y, z, leg_m


@inner_kernel
def note_place(lat_deg: float, lng_deg: float, time_us: int, trail: Any, window: Any) -> None:
    """Keeps a signature of the last four moved places, if theirs is one of those that are kept.

    That is decided by the places alone, so two equal tracks choose the same, whatever came before.
    """
    lat_e7, lng_e7 = math.floor(lat_deg * 1e7 + 0.5), math.floor(lng_deg * 1e7 + 0.5)
    place = int(lat_e7) * _MIX_LAT + int(lng_e7) * _MIX_LNG
    place = (place ^ (place >> 32)) * _MIX
    trail.places = trail.places << 16 | (place >> 40 & _BITS_16)
    if trail.moved < _SHINGLE_FIXES:
        trail.moved += 1
    if trail.moved < _SHINGLE_FIXES or window.shingles == SHINGLES_MAX:
        return
    mixed = trail.places * _MIX
    mixed = (mixed ^ (mixed >> 32 & _BITS_32)) * _MIX_LAT
    mixed ^= mixed >> 32 & _BITS_32
    if mixed % _SHINGLES_OF == 0:
        window.shingle[window.shingles] = mixed >> 3 & _BITS_53
        window.shingle_us[window.shingles] = time_us
        window.shingles += 1


ALL = (
    when_of, is_timed, is_due, close, observe, note_clock, note_interval, note_leap, note_accuracy, break_off,
    note_step, note_bend, note_leg, add_leg, note_place,
)  # fmt: skip
