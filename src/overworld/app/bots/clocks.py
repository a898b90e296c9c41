"""What the clocks of phones say: most are right or wrong by a constant, some are set, drift, or run fast. Compiled."""

from __future__ import annotations

from typing import Any

from overworld.app.bots.dice import between, roll
from overworld.app.bots.kinds import Ticking
from overworld.app.bots.movers import SECOND_US
from overworld.geo.compiled import inner_kernel

_SET_S = (8.0, 90.0)
_BACK = 0.5
_SET_AFTER_S = (20.0, 120.0)
_FAST = (0.10, 0.20)
_FAST_FOR_S = (120.0, 360.0)
_RIGHT_FOR_S = (30.0, 120.0)
_SYNCED_EVERY_S = (300.0, 1_800.0)
_BACK_SHARE = 0.5
_DRIFT = 2e-4


@inner_kernel
def off_us(bot: Any, at_us: int) -> int:
    """How far a bot's clock is ahead; times must not run backwards from call to call."""
    if bot.clock_turn_us <= at_us:
        turn_clock(bot, bot.clock_turn_us)
    return int(bot.clock_us + bot.clock_rate * (at_us - bot.clock_since_us))


@inner_kernel
def turn_clock(bot: Any, at_us: int) -> None:
    """What the clock's kind does next."""
    bot.clock_since_us = at_us
    if bot.ticking == Ticking.SYNCED:
        bot.clock_us, bot.clock_rate = 0, _DRIFT * (2.0 * roll(bot) - 1.0)
        wait_s = between(bot, _SYNCED_EVERY_S[0], _SYNCED_EVERY_S[1])
    elif bot.ticking == Ticking.SET:
        if bot.clock_us == 0:
            bot.clock_us = int(between(bot, _SET_S[0], _SET_S[1]) * SECOND_US)
            if roll(bot) < _BACK:
                bot.clock_us = -bot.clock_us
        else:
            bot.clock_us = 0
        wait_s = between(bot, _SET_AFTER_S[0], _SET_AFTER_S[1])
    else:
        bot.clock_us = 0
        if bot.clock_rate == 0.0:
            bot.clock_rate = between(bot, _FAST[0], _FAST[1])
            wait_s = between(bot, _FAST_FOR_S[0], _FAST_FOR_S[1])
        else:
            bot.clock_rate = 0.0
            wait_s = between(bot, _RIGHT_FOR_S[0], _RIGHT_FOR_S[1])
    bot.clock_turn_us = at_us + int(wait_s * SECOND_US)


ALL = (off_us, turn_clock)
