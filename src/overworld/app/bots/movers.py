"""How bots get about: along the streets of a city that is made up, on its rails, or straight on. Compiled.

The city is a disc measured in metres east and north of its middle. Its streets join the corners of a grid, each moved a
little; its rails cross it in slow curves. Both follow from the seed alone, so nothing of them is kept.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from overworld.app.bots.dice import between, hashed, roll, waits
from overworld.app.bots.kinds import KINDS, Way
from overworld.geo.compiled import inner_kernel, kernel

SECOND_US = 1_000_000
NEVER_US = 2**62

# One bot. Whole numbers: its dice, for its way, its wishes and all else; who it is; the times of its state, of its next
# fix, its clock's error and its beat; whom it copies; the street or rail it is on; what its phone does; its wishes; how
# its clock goes, and in what portions its phone sends.
_WHOLE = (
    "dice", "way_dice", "wish_dice", "kind", "way", "at_us", "next_us", "clock_us", "period_us",
    "ring", "lag_us", "cursor", "i", "j", "to_i", "to_j", "rests_until_us", "hop_us", "line", "underground", "led",
    "tells", "holds", "seen_us", "cold_us", "jump_until_us", "collects", "wish_us",
    "ticking", "clock_turn_us", "clock_since_us", "batch_us", "batch_from_us",
)  # fmt: skip
# Measures: where it truly is and how it goes; how far along; its goal; what its receiver gets wrong, and showed last;
# what a program adds to its place and its accuracy, and how its way bends; how much too fast its clock is.
_REAL = (
    "x", "y", "speed_m_s", "heading", "cruise_m_s", "pace", "along_m", "side_m", "waits_there_s", "forward",
    "goal_x", "goal_y", "jitter", "accuracy_m", "drift", "east", "north", "canyon", "cold", "jump_x", "jump_y",
    "shown_x", "shown_y", "shown_accuracy_m", "wish_every_s",
    "white_m", "accuracy_spread", "bend", "clock_rate",
)  # fmt: skip
BOT = np.dtype([(name, "<i8") for name in _WHOLE] + [(name, "<f8") for name in _REAL])

# The numbers of a kind, as kernels take them.
GAIT = np.dtype(
    [(name, "<f8") for name in ("corner_m_s", "ease_m_s2", "brake_m_s2", "stop", "stop_s", "dwell", "dwell_s")]
    + [(name, "<f8") for name in ("hop_least_s", "hop_most_s", "hop_least_m", "hop_most_m")]
    + [(name, "<i8") for name in ("noiseless", "mock", "regular", "steady")]
)

_STEP_S = 0.5
STEP_US = 500_000
_CRAWL_M_S = 0.3
_PACE_KEPT_S = 20.0
_PACE_SPREAD = 0.08
_PACE_KEPT = math.exp(-_STEP_S / _PACE_KEPT_S)
_BEND = 0.22
_SIDE_OVER_M = 15.0
_AHEAD, _LEFT, _RIGHT = 0.55, 0.76, 0.97
_TURN_RAD_S = 0.6
_LEG_M = (150.0, 700.0)
_BEND_KEPT_S = 12.0
_BEND_RAD_S = 0.12
_STATION_M = 1_100.0
_RAIL_WAVE_M, _RAIL_WAVE_LONG_M = 250.0, 1_400.0
_LINES = 9
_TUNNEL_SHARE = 0.35
_COLD = 5.0


class Ground(NamedTuple):
    """The city, as kernels take it."""

    lat_deg: float
    lng_deg: float
    radius_m: float
    block_m: float
    turn_rad: float
    seed: int


def gaits() -> Any:
    """The numbers of all kinds, in their order."""
    found = np.zeros(len(KINDS), GAIT)
    for gait, kind in zip(found, KINDS, strict=True):
        for name in ("corner_m_s", "ease_m_s2", "brake_m_s2"):
            gait[name] = getattr(kind, name)
        gait["stop"], gait["stop_s"] = kind.stop
        gait["dwell"], gait["dwell_s"] = kind.dwell
        gait["hop_least_s"], gait["hop_most_s"] = kind.hops_s or (0.0, 0.0)
        gait["hop_least_m"], gait["hop_most_m"] = kind.hops_m or (0.0, 0.0)
        gait["noiseless"], gait["mock"] = kind.is_noiseless, kind.is_mock
        gait["regular"], gait["steady"] = kind.name == "interval", kind.is_steady
    return found


@inner_kernel
def corner(i: int, j: int, ground: Ground) -> tuple[float, float]:
    """Where a corner of the grid lies: no two blocks are quite alike."""
    across = ground.block_m * (i + _BEND * (2.0 * hashed(ground.seed, i, j) - 1.0))
    up = ground.block_m * (j + _BEND * (2.0 * hashed(ground.seed + 1, i, j) - 1.0))
    sin, cos = math.sin(ground.turn_rad), math.cos(ground.turn_rad)
    return across * cos - up * sin, across * sin + up * cos


@inner_kernel
def move(bot: Any, until_us: int, gait: Any, ground: Ground) -> None:
    """Moves a bot on to the last whole half second before a time.

    So the way depends on its own dice alone, and not on when fixes are due: those who go together have the same ones.
    """
    bot.dice, bot.way_dice = bot.way_dice, bot.dice
    while bot.at_us + STEP_US <= until_us:
        bot.at_us += STEP_US
        if bot.at_us >= bot.hop_us:
            hop(bot, gait, ground)
        if bot.at_us < bot.rests_until_us:
            bot.speed_m_s = 0.0
        elif bot.way == Way.STREET:
            walk(bot, gait, ground)
        elif bot.way == Way.RAIL:
            ride(bot, gait, ground)
        elif bot.way == Way.BEND:
            wind(bot, gait, ground)
        else:
            head(bot, ground)
    bot.dice, bot.way_dice = bot.way_dice, bot.dice


@inner_kernel
def place_at(bot: Any, time_us: int) -> tuple[float, float]:
    """Where a bot is a little after its last step."""
    on_m = bot.speed_m_s * (time_us - bot.at_us) / SECOND_US
    return bot.x + on_m * math.sin(bot.heading), bot.y + on_m * math.cos(bot.heading)


@inner_kernel
def walk(bot: Any, gait: Any, ground: Ground) -> None:
    """Along a street, slower towards its end; there it turns, and may wait."""
    from_x, from_y = corner(bot.i, bot.j, ground)
    to_x, to_y = corner(bot.to_i, bot.to_j, ground)
    long_m = math.hypot(to_x - from_x, to_y - from_y)
    end_m_s = 0.0 if bot.waits_there_s > 0.0 else gait.corner_m_s
    hurry(bot, long_m - bot.along_m, end_m_s, gait)
    bot.along_m += bot.speed_m_s * _STEP_S
    if bot.along_m >= long_m:
        bot.along_m -= long_m
        turn(bot, gait, ground)
        from_x, from_y = to_x, to_y
        to_x, to_y = corner(bot.to_i, bot.to_j, ground)
        long_m = math.hypot(to_x - from_x, to_y - from_y)
        bot.along_m = min(bot.along_m, long_m)
    east, north = (to_x - from_x) / long_m, (to_y - from_y) / long_m
    bot.heading = math.atan2(east, north)
    # On its side of the street, but in the middle where streets meet.
    side_m = bot.side_m * min(1.0, bot.along_m / _SIDE_OVER_M, (long_m - bot.along_m) / _SIDE_OVER_M)
    bot.x = from_x + east * bot.along_m + north * side_m
    bot.y = from_y + north * bot.along_m - east * side_m


@inner_kernel
def hurry(bot: Any, left_m: float, end_m_s: float, gait: Any) -> None:
    """Changes the speed towards what the bot likes, or what lets it be slow enough where the way ends."""
    bot.pace = bot.pace * _PACE_KEPT + math.sqrt(1.0 - _PACE_KEPT**2) * _PACE_SPREAD * 3.4641 * (roll(bot) - 0.5)
    most_m_s = math.sqrt(end_m_s * end_m_s + 2.0 * gait.brake_m_s2 * max(0.0, left_m))
    pace = 0.0 if gait.steady != 0 else bot.pace
    wanted_m_s = max(_CRAWL_M_S, min(bot.cruise_m_s * (1.0 + pace), most_m_s))
    faster_m_s = bot.speed_m_s + gait.ease_m_s2 * _STEP_S
    bot.speed_m_s = max(min(wanted_m_s, faster_m_s), bot.speed_m_s - 1.5 * gait.brake_m_s2 * _STEP_S)


@inner_kernel
def turn(bot: Any, gait: Any, ground: Ground) -> None:
    """At a corner: where to go next, whether to wait here, and whether at the next one."""
    if bot.waits_there_s > 0.0:
        bot.rests_until_us = bot.at_us + int(bot.waits_there_s * SECOND_US)
        bot.speed_m_s = 0.0
    di, dj = bot.to_i - bot.i, bot.to_j - bot.j
    bot.i, bot.j = bot.to_i, bot.to_j
    chance = roll(bot)
    if chance < _AHEAD:
        bot.to_i, bot.to_j = bot.i + di, bot.j + dj
    elif chance < _LEFT:
        bot.to_i, bot.to_j = bot.i - dj, bot.j + di
    elif chance < _RIGHT:
        bot.to_i, bot.to_j = bot.i + dj, bot.j - di
    else:
        bot.to_i, bot.to_j = bot.i - di, bot.j - dj
    if math.hypot(float(bot.to_i), float(bot.to_j)) * ground.block_m > ground.radius_m:
        inwards(bot)
    chance = roll(bot)
    bot.waits_there_s = 0.0
    if chance < gait.dwell:
        bot.waits_there_s = 20.0 + waits(bot, gait.dwell_s)
    elif chance < gait.dwell + gait.stop:
        bot.waits_there_s = 2.0 + waits(bot, gait.stop_s)


@inner_kernel
def inwards(bot: Any) -> None:
    """The next corner is one nearer to the middle."""
    bot.to_i, bot.to_j = bot.i, bot.j
    if abs(bot.i) >= abs(bot.j):
        bot.to_i -= 1 if bot.i > 0 else -1
    else:
        bot.to_j -= 1 if bot.j > 0 else -1


@kernel
def settle(bot: Any, east_m: float, north_m: float, ground: Ground) -> None:
    """Puts a bot into the street that begins nearest to a place."""
    sin, cos = math.sin(ground.turn_rad), math.cos(ground.turn_rad)
    bot.i = round((east_m * cos + north_m * sin) / ground.block_m)
    bot.j = round((north_m * cos - east_m * sin) / ground.block_m)
    inwards(bot)
    bot.along_m = 0.0
    bot.x, bot.y = corner(bot.i, bot.j, ground)


@inner_kernel
def hop(bot: Any, gait: Any, ground: Ground) -> None:
    """A teleporter is somewhere else: anywhere, or some way off, towards the middle when that would lead out."""
    angle, out_m = 2.0 * math.pi * roll(bot), ground.radius_m * math.sqrt(roll(bot))
    x, y = out_m * math.sin(angle), out_m * math.cos(angle)
    if gait.hop_most_m > 0.0:
        by_m = between(bot, gait.hop_least_m, gait.hop_most_m)
        x, y = bot.x + by_m * math.sin(angle), bot.y + by_m * math.cos(angle)
        if math.hypot(x, y) > ground.radius_m:
            near_m = by_m / max(1.0, math.hypot(bot.x, bot.y))
            x, y = bot.x * (1.0 - near_m), bot.y * (1.0 - near_m)
    settle(bot, x, y, ground)
    bot.hop_us = bot.at_us + int(between(bot, gait.hop_least_s, gait.hop_most_s) * SECOND_US)


@inner_kernel
def head(bot: Any, ground: Ground) -> None:
    """Straight to a goal at one speed, turning towards it evenly; then to the next, or where it was led it stays."""
    step_m = bot.cruise_m_s * _STEP_S
    away_x, away_y = bot.goal_x - bot.x, bot.goal_y - bot.y
    away_m = math.hypot(away_x, away_y)
    if away_m < 2.0 * bot.cruise_m_s / _TURN_RAD_S:
        if bot.led:
            bot.speed_m_s = 0.0
            return
        aim(bot, ground)
        away_x, away_y = bot.goal_x - bot.x, bot.goal_y - bot.y
    off = math.atan2(away_x, away_y) - bot.heading
    off -= 2.0 * math.pi * round(off / (2.0 * math.pi))
    bot.heading += max(-_TURN_RAD_S * _STEP_S, min(_TURN_RAD_S * _STEP_S, off))
    bot.speed_m_s = bot.cruise_m_s
    bot.x += step_m * math.sin(bot.heading)
    bot.y += step_m * math.cos(bot.heading)


@inner_kernel
def wind(bot: Any, gait: Any, ground: Ground) -> None:
    """On at one speed, or nearly so, on a way that bends now here, now there; at the rim back towards the middle."""
    kept = math.exp(-_STEP_S / _BEND_KEPT_S)
    bot.bend = bot.bend * kept + math.sqrt(1.0 - kept * kept) * _BEND_RAD_S * 3.4641 * (roll(bot) - 0.5)
    bend = bot.bend
    if math.hypot(bot.x, bot.y) > 0.9 * ground.radius_m:
        off = math.atan2(-bot.x, -bot.y) - bot.heading
        bend = 0.3 * (off - 2.0 * math.pi * round(off / (2.0 * math.pi)))
    bot.heading += bend * _STEP_S
    bot.speed_m_s = bot.cruise_m_s
    if gait.steady == 0:
        bot.pace = bot.pace * _PACE_KEPT + math.sqrt(1.0 - _PACE_KEPT**2) * 0.5 * _PACE_SPREAD * 3.4641 * (
            roll(bot) - 0.5
        )
        bot.speed_m_s *= 1.0 + bot.pace
    bot.x += bot.speed_m_s * _STEP_S * math.sin(bot.heading)
    bot.y += bot.speed_m_s * _STEP_S * math.cos(bot.heading)


@inner_kernel
def aim(bot: Any, ground: Ground) -> None:
    """A new goal some streets on, towards the middle when the bot comes near the rim."""
    angle, leg_m = 2.0 * math.pi * roll(bot), between(bot, _LEG_M[0], _LEG_M[1])
    bot.goal_x, bot.goal_y = bot.x + leg_m * math.sin(angle), bot.y + leg_m * math.cos(angle)
    out = math.hypot(bot.goal_x, bot.goal_y) / ground.radius_m
    if out > 1.0:
        bot.goal_x, bot.goal_y = bot.goal_x / (out * out), bot.goal_y / (out * out)


@kernel
def rail(line: int, at_m: float, ground: Ground) -> tuple[float, float]:
    """Where a line lies so many metres from where it is nearest to the middle."""
    angle = math.pi * (line + hashed(ground.seed, line, -7)) / _LINES
    beside_m = ground.radius_m * 0.8 * (hashed(ground.seed, line, -8) - 0.5)
    beside_m += _RAIL_WAVE_M * math.sin(at_m / _RAIL_WAVE_LONG_M)
    sin, cos = math.sin(angle), math.cos(angle)
    return at_m * sin + beside_m * cos, at_m * cos - beside_m * sin


@inner_kernel
def ride(bot: Any, gait: Any, ground: Ground) -> None:
    """From station to station, and back from the last; parts of the line run underground.

    Who never stops on the way does not, but for the ends.
    """
    end = math.floor(0.85 * ground.radius_m / _STATION_M)
    station = math.floor(bot.along_m / _STATION_M) + 1 if bot.forward > 0 else math.ceil(bot.along_m / _STATION_M) - 1
    if gait.stop == 0.0:
        station = bot.forward * end
    left_m = bot.forward * (station * _STATION_M - bot.along_m)
    hurry(bot, left_m, 0.0, gait)
    step_m = bot.speed_m_s * _STEP_S
    if step_m >= left_m:
        bot.along_m, bot.speed_m_s = station * _STATION_M, 0.0
        bot.rests_until_us = bot.at_us + int((12.0 + waits(bot, max(0.0, gait.stop_s - 12.0))) * SECOND_US)
        if abs(station) >= end:
            bot.forward = -1.0 if station > 0 else 1.0
    else:
        bot.along_m += bot.forward * step_m
    section = math.floor(bot.along_m / _STATION_M)
    was = bot.underground
    bot.underground = hashed(ground.seed + 2, bot.line, int(section)) < _TUNNEL_SHARE and step_m < left_m
    if was and not bot.underground:
        bot.cold, bot.cold_us = _COLD, bot.at_us
    x, y = rail(bot.line, bot.along_m, ground)
    bot.heading = math.atan2(x - bot.x, y - bot.y) if math.hypot(x - bot.x, y - bot.y) > 0.0 else bot.heading
    bot.x, bot.y = x, y


ALL = (corner, move, place_at, walk, hurry, turn, inwards, settle, hop, head, wind, aim, rail, ride)
