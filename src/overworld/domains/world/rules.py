"""Whether a fix can be true. Compiled, and pure but for the player's own track, which it is given and may change.

One GPS glitch must not brand a walker: a fix that cannot be true is dropped and the track goes on from the last good
one. Who really went somewhere else at once (a flight, a train) shows it by staying there: the refused fixes that agree
with each other make a second track, and after long enough that one is the player's.
"""
# ruff: noqa: PLR0911, PLR0917 - kernels call each other by position; one return for each reason

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from overworld.domains.world.types import MovementRules, Reason, TravelMode
from overworld.geo.compiled import inner_kernel, kernel
from overworld.geo.kernels import EARTH_RADIUS_M, is_surely_within, metres_of_chord2

SECOND_US = 1_000_000
KM_H = 1 / 3.6
_US_S = 1e-6

SMOOTHED_S = 5.0
"""Over how long a player's velocity is smoothed: the time in which two thirds of a change have come through."""

_SLOWER = 0.8  # of a mode's speed: above that nobody changes down into it, so that no one wavers at its edge

OWN_TIMELINE = 1
MOCK = 2
ACK = 4

LAT_MAX_DEG = 90.0
LNG_MAX_DEG = 180.0

# One fix as it is judged. What the client does not tell is NaN; `flags` as above; `reporter` and `entry` tell whose it
# is and in which entry of the inbox it came.
FIX = np.dtype(
    [
        ("slot", "<u4"),
        ("generation", "<u4"),
        ("time_us", "<i8"),
        ("lat_deg", "<f8"),
        ("lng_deg", "<f8"),
        ("accuracy_m", "<f4"),
        ("altitude_m", "<f4"),
        ("speed_m_s", "<f4"),
        ("heading_deg", "<f4"),
        ("flags", "<u4"),
        ("reporter", "<u4"),
        ("entry", "<u4"),
        ("spare", "<u4"),
    ]
)

_PLACES = ("", "mark_", "next_", "new_")
_PLACE = (("x", "<f8"), ("y", "<f8"), ("z", "<f8"), ("time_us", "<i8"))

# What is remembered of a player to judge the next fix: the last good fix; the two older ones that speed is measured
# from (`mark_`, and `next_` that takes its place); and the place refused fixes speak for (`new_`). `begins` says that
# the last good fix is the first of its track. `velocity_` is smoothed, in radii of the Earth a second, and `mode` is
# the number of the game's travel mode that it makes, with its `acceleration_max_m_s2` (0 in a game without modes).
TRACK = np.dtype(
    [
        *((f"{which}{name}", kind) for which in _PLACES for name, kind in _PLACE),
        ("speed_m_s", "<f8"),
        *((f"{which}accuracy_m", "<f4") for which in _PLACES),
        *((f"velocity_{name}", "<f4") for name in ("x", "y", "z")),
        ("acceleration_max_m_s2", "<f4"),
        ("new_since_us", "<i8"),
        ("new_count", "<i4"),
        ("refused_count", "<i4"),
        ("known", "<u1"),
        ("own_timeline", "<u1"),
        ("begins", "<u1"),
        ("mode", "<u1"),
    ],
    align=True,
)


# A travel mode of the game, the slowest first: its speed in radii of the Earth a second, squared, and its acceleration.
MODE = np.dtype([("speed_max2", "<f8"), ("acceleration_max_m_s2", "<f8")])


class Limits(NamedTuple):
    """The game's rules of movement in the units of the columns, as kernels take them."""

    speed_max_m_s: float
    acceleration_max_m_s2: float
    teleport_m_s: float
    accuracy_max_m: float
    accuracy_unknown_m: float
    altitude_min_m: float
    altitude_max_m: float
    ahead_max_us: int
    age_max_us: int
    new_fixes: int
    new_span_us: int


def modes_of(rules: MovementRules) -> list[tuple[str, TravelMode]]:
    """The game's travel modes with their names, the slowest first: as tracks number them."""
    return sorted(rules.modes.items(), key=lambda item: item[1].speed_max_km_h)


def limits_of(rules: MovementRules) -> Limits:
    """The same rules in metres, seconds and microseconds."""
    return Limits(
        speed_max_m_s=float(rules.speed_max_km_h) * KM_H,
        acceleration_max_m_s2=float(rules.acceleration_max_m_s2),
        teleport_m_s=float(rules.teleport_km_h) * KM_H,
        accuracy_max_m=float(rules.accuracy_max_m),
        accuracy_unknown_m=float(rules.accuracy_unknown_m),
        altitude_min_m=float(rules.altitude_min_m),
        altitude_max_m=float(rules.altitude_max_m),
        ahead_max_us=int(rules.ahead_max_s * SECOND_US),
        age_max_us=int(rules.age_max_s * SECOND_US),
        new_fixes=rules.reanchor_fixes,
        new_span_us=int(rules.reanchor_s * SECOND_US),
    )


def mode_columns(rules: MovementRules) -> NDArray[Any]:
    """The game's travel modes as rows of `MODE`, in the order of `modes_of`, (n,)."""
    rows = [
        ((mode.speed_max_km_h * KM_H / EARTH_RADIUS_M) ** 2, mode.acceleration_max_m_s2) for _, mode in modes_of(rules)
    ]
    return np.array(rows, MODE)


@kernel
def judge(fix: Any, x: float, y: float, z: float, now_us: int, limits: Limits, track: Any) -> int:
    """The verdict on one fix of a player, as the number of a `Reason`; the track is changed accordingly.

    `x, y, z` is the unit vector of the fix, `track` the player's row of `TRACK`. The reasons are looked for in this
    order: a fix that is wrong by itself, then by its time, then by how the player would have had to move.
    """
    accuracy_m = float(fix.accuracy_m)
    if math.isnan(accuracy_m):
        accuracy_m = limits.accuracy_unknown_m
    own_timeline = fix.flags & OWN_TIMELINE
    if track.own_timeline != own_timeline:
        track.own_timeline = own_timeline
        track.known = 0
        track.new_count = 0
    reason = fault_of(fix, accuracy_m, now_us, limits, track)
    if reason == Reason.NONE and track.known != 0:
        speed_m_s, span_s = speed_to(x, y, z, fix.time_us, accuracy_m, track)
        reason = movement_fault(speed_m_s, span_s, limits, track)
        if reason == Reason.NONE:
            track.speed_m_s = speed_m_s
        elif has_settled(x, y, z, fix.time_us, accuracy_m, limits, track):
            track.known = 0
            reason = Reason.NONE
    if reason == Reason.NONE:
        go_on(x, y, z, fix.time_us, accuracy_m, track)
    else:
        track.refused_count += 1
    return reason


@inner_kernel
def fault_of(fix: Any, accuracy_m: float, now_us: int, limits: Limits, track: Any) -> int:
    """What is wrong with a fix by itself, or with its time."""
    if not (abs(fix.lat_deg) <= LAT_MAX_DEG and abs(fix.lng_deg) <= LNG_MAX_DEG):
        return Reason.OUT_OF_RANGE
    if fix.flags & MOCK:
        return Reason.MOCK
    if not fix.flags & OWN_TIMELINE:
        if fix.time_us > now_us + limits.ahead_max_us:
            return Reason.TIME_FUTURE
        if fix.time_us < now_us - limits.age_max_us:
            return Reason.TIME_STALE
    if track.known != 0 and fix.time_us <= track.time_us:
        return Reason.TIME_ORDER
    if accuracy_m > limits.accuracy_max_m:
        return Reason.INACCURATE
    if fix.altitude_m < limits.altitude_min_m or fix.altitude_m > limits.altitude_max_m:
        return Reason.ALTITUDE
    return Reason.NONE


@inner_kernel
def movement_fault(speed_m_s: float, span_s: float, limits: Limits, track: Any) -> int:
    """What is wrong with how the player would have moved. Braking is never a fault, however hard."""
    acceleration_max_m_s2 = float(track.acceleration_max_m_s2)
    if acceleration_max_m_s2 == 0.0:
        acceleration_max_m_s2 = limits.acceleration_max_m_s2
    if speed_m_s > limits.teleport_m_s:
        return Reason.TELEPORT
    if speed_m_s > limits.speed_max_m_s:
        return Reason.TOO_FAST
    if speed_m_s - track.speed_m_s > acceleration_max_m_s2 * span_s:
        return Reason.TOO_ACCELERATED
    return Reason.NONE


@inner_kernel
def speed_between(
    x: float, y: float, z: float, accuracy_m: float, to_x: float, to_y: float, to_z: float, to_accuracy_m: float,
    span_s: float,
) -> float:  # fmt: skip
    """The least speed that explains two fixes: their distance less both accuracies, never below 0, over the time."""
    chord2 = (to_x - x) ** 2 + (to_y - y) ** 2 + (to_z - z) ** 2
    if is_surely_within(chord2, accuracy_m + to_accuracy_m):
        return 0.0
    return max(0.0, metres_of_chord2(chord2) - accuracy_m - to_accuracy_m) / span_s


@inner_kernel
def speed_to(x: float, y: float, z: float, time_us: int, accuracy_m: float, track: Any) -> tuple[float, float]:
    """The speed of a fix since the last good one at least 1 s back, in m/s, and the time between them in seconds.

    With several fixes a second it is measured from a good fix 1 to 2 s back. A track younger than that is measured
    from its beginning, and its time counted as 1 s.
    """
    if time_us - track.time_us >= SECOND_US:
        since_us, since_accuracy_m = track.time_us, track.accuracy_m
        since_x, since_y, since_z = track.x, track.y, track.z
    elif time_us - track.next_time_us >= SECOND_US:
        since_us, since_accuracy_m = track.next_time_us, track.next_accuracy_m
        since_x, since_y, since_z = track.next_x, track.next_y, track.next_z
    else:
        since_us, since_accuracy_m = track.mark_time_us, track.mark_accuracy_m
        since_x, since_y, since_z = track.mark_x, track.mark_y, track.mark_z
    span_s = max(1.0, (time_us - since_us) / SECOND_US)
    return speed_between(since_x, since_y, since_z, since_accuracy_m, x, y, z, accuracy_m, span_s), span_s


@inner_kernel
def go_on(x: float, y: float, z: float, time_us: int, accuracy_m: float, track: Any) -> None:
    """Makes a good fix the last one of the track, or the first."""
    begins = track.known == 0
    track.begins = begins
    if begins:
        track.speed_m_s = 0.0
        track.velocity_x = track.velocity_y = track.velocity_z = 0.0
        track.mode = 0
        track.known = 1
    else:
        # An exponential mean over time, without its exponential: a new fix weighs span / (span + smoothed).
        share = 1.0 / ((time_us - track.time_us) * _US_S + SMOOTHED_S)
        kept = SMOOTHED_S * share
        track.velocity_x = kept * track.velocity_x + share * (x - track.x)
        track.velocity_y = kept * track.velocity_y + share * (y - track.y)
        track.velocity_z = kept * track.velocity_z + share * (z - track.z)
    if begins or time_us - track.next_time_us >= SECOND_US:
        if begins:
            track.mark_x, track.mark_y, track.mark_z = x, y, z
            track.mark_time_us, track.mark_accuracy_m = time_us, accuracy_m
        else:
            track.mark_x, track.mark_y, track.mark_z = track.next_x, track.next_y, track.next_z
            track.mark_time_us, track.mark_accuracy_m = track.next_time_us, track.next_accuracy_m
        track.next_x, track.next_y, track.next_z = x, y, z
        track.next_time_us, track.next_accuracy_m = time_us, accuracy_m
    track.x, track.y, track.z = x, y, z
    track.time_us, track.accuracy_m = time_us, accuracy_m
    track.new_count = 0
    track.refused_count = 0


@inner_kernel
def take_mode(modes: NDArray[Any], track: Any) -> None:
    """Gives a player whose fix was just accepted the mode that its smoothed velocity makes: the slowest that covers it.

    The fastest when none does. A slower one than before is taken only well within its speed.
    """
    speed2 = track.velocity_x**2 + track.velocity_y**2 + track.velocity_z**2
    mode = int(track.mode)
    while mode < modes.size - 1 and speed2 > modes[mode].speed_max2:
        mode += 1
    while mode > 0 and speed2 < _SLOWER * _SLOWER * modes[mode - 1].speed_max2:
        mode -= 1
    track.mode = mode
    track.acceleration_max_m_s2 = modes[mode].acceleration_max_m_s2


@inner_kernel
def has_settled(x: float, y: float, z: float, time_us: int, accuracy_m: float, limits: Limits, track: Any) -> bool:
    """Takes a fix that the player cannot have moved to as a word for a new place; whether enough has been said.

    The refused fixes must agree: each is reached from the one before without haste. One that is not begins anew.
    Fixes less than 1 s after the one before say nothing.
    """
    span_us = time_us - track.new_time_us
    if track.new_count > 0 and span_us < SECOND_US:
        return False
    agrees = track.new_count > 0
    if agrees:
        speed_m_s = speed_between(
            x, y, z, accuracy_m, track.new_x, track.new_y, track.new_z, track.new_accuracy_m, span_us / SECOND_US
        )
        agrees = speed_m_s <= limits.speed_max_m_s
    if agrees:
        track.new_count += 1
    else:
        track.new_count = 1
        track.new_since_us = time_us
    track.new_x, track.new_y, track.new_z = x, y, z
    track.new_time_us, track.new_accuracy_m = time_us, accuracy_m
    return bool(track.new_count >= limits.new_fixes and time_us - track.new_since_us >= limits.new_span_us)


ALL = (judge, fault_of, movement_fault, speed_between, speed_to, go_on, take_mode, has_settled)
