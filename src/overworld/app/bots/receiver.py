"""What a bot's receiver says of where it is: off by what drifts, at times by far, mostly honest about it. Compiled.

Errors of satellite receivers hang together for tens of seconds, grow between high houses, and there jump for some
seconds when a reflection wins. The accuracy that is told is the radius that holds 68 of 100 fixes.
Source: P. D. Groves, Principles of GNSS, 2nd ed. 2013, chapter 9.3; the radius: Android's Location.getAccuracy.
"""

from __future__ import annotations

import math
from typing import Any

from overworld.app.bots.dice import between, gauss, hashed, roll
from overworld.app.bots.movers import SECOND_US, Ground, place_at
from overworld.geo.compiled import inner_kernel

_ACCURACY_M = (3.0, 95.0)
_DRIFT_KEPT_S = 40.0
_DRIFT_SPREAD = 0.22
_ERROR_KEPT_S = 25.0
_ERROR_SHARE = 0.55
_FINE_M = 0.15
_CANYON_BLOCK_M = 250.0
_CANYON_FACTOR = 1.6
_CANYON_IN, _CANYON_OUT = 0.30, 0.08
_CANYON_KEPT_S = 6.0
_COLD_KEPT_S = 7.0
_JUMP_EVERY_S = 90.0
_JUMP_M = (15.0, 60.0)
_JUMP_S = (2.0, 9.0)
_HELD_WITHIN = 3.0
_OUTLIER_SHARE = 1 / 4_000
_OUTLIER_M = (150.0, 600.0)


@inner_kernel
def sees(bot: Any, ground: Ground, is_noiseless: bool) -> tuple[float, float, float]:
    """Metres east and north that a bot's receiver tells when its next fix is due, and the accuracy."""
    x, y = place_at(bot, bot.next_us)
    if is_noiseless:
        x, y = x + bot.white_m * gauss(bot), y + bot.white_m * gauss(bot)
        return x, y, bot.accuracy_m * (1.0 + bot.accuracy_spread * between(bot, -1.0, 1.0))
    span_s = max(1e-3, (bot.next_us - bot.seen_us) / SECOND_US)
    bot.seen_us = bot.next_us
    if bot.holds and bot.speed_m_s == 0.0 and bot.next_us >= bot.jump_until_us and is_shown_here(bot):
        return bot.shown_x, bot.shown_y, bot.shown_accuracy_m
    accuracy_m = wavers(bot, span_s, ground)
    spread_m = _ERROR_SHARE * accuracy_m
    x += spread_m * bot.east + _FINE_M * gauss(bot)
    y += spread_m * bot.north + _FINE_M * gauss(bot)
    if bot.next_us < bot.jump_until_us:
        x, y = x + bot.jump_x, y + bot.jump_y
        accuracy_m = min(_ACCURACY_M[1], max(accuracy_m, 0.9 * math.hypot(bot.jump_x, bot.jump_y)))
    if roll(bot) < _OUTLIER_SHARE:
        angle, out_m = 2.0 * math.pi * roll(bot), between(bot, _OUTLIER_M[0], _OUTLIER_M[1])
        return x + out_m * math.sin(angle), y + out_m * math.cos(angle), accuracy_m
    bot.shown_x, bot.shown_y, bot.shown_accuracy_m = x, y, accuracy_m
    return x, y, accuracy_m


@inner_kernel
def is_shown_here(bot: Any) -> bool:
    """Whether what was told last still fits: who stopped in a tunnel has not been seen there yet."""
    off_m = math.hypot(bot.shown_x - bot.x, bot.shown_y - bot.y)
    return bool(off_m < _HELD_WITHIN * bot.shown_accuracy_m)


@inner_kernel
def wavers(bot: Any, span_s: float, ground: Ground) -> float:
    """Lets what is wrong with a receiver go on by some time; gives its accuracy."""
    kept = math.exp(-span_s / _DRIFT_KEPT_S)
    bot.drift = bot.drift * kept + math.sqrt(1.0 - kept * kept) * gauss(bot)
    kept = math.exp(-span_s / _ERROR_KEPT_S)
    fresh = math.sqrt(1.0 - kept * kept)
    bot.east = bot.east * kept + fresh * gauss(bot)
    bot.north = bot.north * kept + fresh * gauss(bot)
    bot.cold *= math.exp(-min(span_s, (bot.next_us - bot.cold_us) / SECOND_US) / _COLD_KEPT_S)
    deep = 1.0 if is_canyon(bot.x, bot.y, ground) else 0.0
    bot.canyon = deep + (bot.canyon - deep) * math.exp(-span_s / _CANYON_KEPT_S)
    if deep > 0.0 and bot.next_us >= bot.jump_until_us and roll(bot) < 1.0 - math.exp(-span_s / _JUMP_EVERY_S):
        angle, out_m = 2.0 * math.pi * roll(bot), between(bot, _JUMP_M[0], _JUMP_M[1])
        bot.jump_x, bot.jump_y = out_m * math.sin(angle), out_m * math.cos(angle)
        bot.jump_until_us = bot.next_us + int(between(bot, _JUMP_S[0], _JUMP_S[1]) * SECOND_US)
    factor = math.exp(_DRIFT_SPREAD * bot.drift) * (1.0 + _CANYON_FACTOR * bot.canyon) * (1.0 + bot.cold)
    return float(min(_ACCURACY_M[1], max(_ACCURACY_M[0], bot.accuracy_m * factor)))


@inner_kernel
def is_canyon(x: float, y: float, ground: Ground) -> bool:
    """Whether houses are high at a place: more often near the middle."""
    share = _CANYON_IN if math.hypot(x, y) < 0.4 * ground.radius_m else _CANYON_OUT
    i, j = math.floor(x / _CANYON_BLOCK_M), math.floor(y / _CANYON_BLOCK_M)
    return hashed(ground.seed + 3, i, j) < share


ALL = (sees, is_shown_here, wavers, is_canyon)
