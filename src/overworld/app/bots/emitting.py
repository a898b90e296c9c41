"""When bots send a fix, what it says, and when they want to collect something. Compiled."""
# ruff: noqa: PLR0917 - kernels call each other by position

from __future__ import annotations

import math
from typing import Any

import numpy as np

from overworld.app.bots.clocks import off_us
from overworld.app.bots.dice import between, gauss
from overworld.app.bots.kinds import Way
from overworld.app.bots.movers import SECOND_US, Ground, move
from overworld.app.bots.receiver import sees
from overworld.geo.compiled import inner_kernel, kernel
from overworld.kernel.packed import FLAG_MOCK

FIX = np.dtype(
    [("bot", "<i8"), ("due_us", "<i8"), ("time_us", "<i8"), ("lat_deg", "<f8"), ("lng_deg", "<f8"),
     ("accuracy_m", "<f8"), ("speed_m_s", "<f8"), ("heading_deg", "<f8"), ("flags", "<i8")]
)  # fmt: skip
WISH = np.dtype([("bot", "<i8"), ("due_us", "<i8")])

RING = 256
"""So many of the last fixes of a bot are kept for those who go where it was."""

_METRE_DEG = 1 / 111_195.0
_E7 = 1e7
_REST_S = 15.0
_HEADING_FROM_M_S = 0.5
_TOLD_SPREAD_M_S = 0.15
_TOLD_SPREAD_DEG = 4.0
_WISH_SPREAD = 0.8


@kernel
def emit(bots: Any, until_us: int, gaits: Any, ground: Ground, rings: Any, heads: Any, out: Any) -> int:
    """Every fix that is due by a time, bot by bot; how many there are. `heads` counts what each ring was ever given."""
    count = 0
    for b in range(len(bots)):
        bot = bots[b]
        if bot.way == Way.COPY:
            continue
        gait = gaits[bot.kind]
        while sent_at(bot) <= until_us:
            move(bot, bot.next_us, gait, ground)
            if not bot.underground:
                tell(bot, b, gait, ground, out[count])
                if bot.ring >= 0:
                    rings[bot.ring, heads[bot.ring] % RING] = out[count]
                    heads[bot.ring] += 1
                count += 1
            schedule(bot)
    for b in range(len(bots)):
        bot = bots[b]
        if bot.way != Way.COPY:
            continue
        while bot.cursor < heads[bot.ring]:
            seen = rings[bot.ring, bot.cursor % RING]
            if seen.due_us + bot.lag_us > until_us:
                break
            out[count] = seen
            out[count].bot = b
            out[count].due_us = seen.due_us + bot.lag_us
            out[count].time_us = out[count].due_us + bot.clock_us
            bot.cursor, count = bot.cursor + 1, count + 1
    return count


@inner_kernel
def sent_at(bot: Any) -> int:
    """When a bot's next fix is sent: at once, or with all that its phone has gathered by then."""
    if bot.batch_us == 0:
        return int(bot.next_us)
    portions = -(-(bot.next_us - bot.batch_from_us) // bot.batch_us)
    return int(bot.batch_from_us + portions * bot.batch_us)


@inner_kernel
def tell(bot: Any, b: int, gait: Any, ground: Ground, fix: Any) -> None:
    """What a bot says of itself, in the steps that packed frames have room for."""
    noiseless = gait.noiseless != 0
    x, y, accuracy_m = sees(bot, ground, noiseless)
    lat_deg = ground.lat_deg + y * _METRE_DEG
    lng_deg = ground.lng_deg + x * _METRE_DEG / math.cos(math.radians(ground.lat_deg + 0.5 * y * _METRE_DEG))
    lng_deg -= 360.0 * round(lng_deg / 360.0)
    fix.bot, fix.due_us, fix.time_us = b, sent_at(bot), bot.next_us + off_us(bot, bot.next_us)
    fix.lat_deg, fix.lng_deg = round(lat_deg * _E7) / _E7, round(lng_deg * _E7) / _E7
    fix.accuracy_m = round(10.0 * accuracy_m) / 10.0
    fix.speed_m_s, fix.heading_deg = math.nan, math.nan
    if bot.tells:
        speed_m_s, off_deg = bot.speed_m_s, 0.0
        if not noiseless and speed_m_s > 0.0:
            speed_m_s, off_deg = max(0.0, speed_m_s + _TOLD_SPREAD_M_S * gauss(bot)), _TOLD_SPREAD_DEG * gauss(bot)
        fix.speed_m_s = round(100.0 * speed_m_s) / 100.0
        if speed_m_s > _HEADING_FROM_M_S:
            heading_deg = math.degrees(bot.heading) + off_deg
            fix.heading_deg = round(100.0 * (heading_deg - 360.0 * math.floor(heading_deg / 360.0))) % 36_000 / 100.0
    fix.flags = FLAG_MOCK if gait.mock else 0


@inner_kernel
def schedule(bot: Any) -> None:
    """When the next fix is due: by the phone's own beat, and seldom while it knows that it rests."""
    wait_us = bot.period_us
    if bot.jitter > 0.0:
        wait_us = int(wait_us * max(0.9, 1.0 + bot.jitter * gauss(bot)))
    rests_us = bot.rests_until_us - bot.next_us
    if bot.holds and rests_us > 0:
        wait_us = max(wait_us, min(int(_REST_S * SECOND_US), rests_us))
    bot.next_us += wait_us


@kernel
def wish(bots: Any, until_us: int, gaits: Any, out: Any) -> int:
    """Every moment up to a time at which a bot wants to collect something; how many there are.

    People want something after times that are seldom alike, programs by the clock.
    """
    count = 0
    for b in range(len(bots)):
        bot = bots[b]
        bot.dice, bot.wish_dice = bot.wish_dice, bot.dice
        while bot.wish_us <= until_us:
            out[count].bot, out[count].due_us = b, bot.wish_us
            count += 1
            if gaits[bot.kind].regular:
                wait_s = bot.wish_every_s + between(bot, -0.2, 0.2)
            else:
                wait_s = max(1.5, bot.wish_every_s * math.exp(_WISH_SPREAD * gauss(bot)))
            bot.wish_us += int(wait_s * SECOND_US)
        bot.dice, bot.wish_dice = bot.wish_dice, bot.dice
    return count


@kernel
def lead(bots: Any, which: Any, x: Any, y: Any, within_s: Any) -> None:
    """Sends bots that go straight to places, fast enough to be there in time if that is no faster than a run."""
    for k in range(len(which)):
        bot = bots[which[k]]
        bot.goal_x, bot.goal_y = x[k], y[k]
        away_m = math.hypot(x[k] - bot.x, y[k] - bot.y)
        bot.cruise_m_s = max(0.8, min(5.0, away_m / max(1.0, within_s[k])))
        bot.heading, bot.led = math.atan2(x[k] - bot.x, y[k] - bot.y), 1


ALL = (emit, sent_at, tell, schedule, wish, lead)
