"""Chance in kernels: every bot has dice of its own, so that what it does depends on nobody else and on no order."""

from __future__ import annotations

import math
from typing import Any

from overworld.geo.compiled import inner_kernel

_OF_2_53 = 2.0**-53
_LOW_52, _LOW_37, _LOW_34 = (1 << 52) - 1, (1 << 37) - 1, (1 << 34) - 1
_LOW_53 = (1 << 53) - 1
_ODD = 2_685_821_657_736_338_717
_MIX = -7_046_029_254_386_353_131  # 0x9E3779B97F4A7C15 as a signed number


@inner_kernel
def roll(bot: Any) -> float:
    """The next number of a bot in [0, 1). Source: xorshift64*, S. Vigna, ACM TOMS 42 (2016)."""
    dice = bot.dice
    dice ^= (dice >> 12) & _LOW_52
    dice ^= dice << 25
    dice ^= (dice >> 27) & _LOW_37
    bot.dice = dice
    return float((dice * _ODD) >> 11 & _LOW_53) * _OF_2_53


@inner_kernel
def between(bot: Any, low: float, high: float) -> float:
    """A number drawn evenly from a range."""
    return low + (high - low) * roll(bot)


@inner_kernel
def gauss(bot: Any) -> float:
    """A number of mean 0 and standard deviation 1. Source: G. E. P. Box and M. E. Muller, 1958."""
    return math.sqrt(-2.0 * math.log(1.0 - roll(bot))) * math.cos(2.0 * math.pi * roll(bot))


@inner_kernel
def waits(bot: Any, mean: float) -> float:
    """A waiting time of a mean, as of things that happen at any moment."""
    return -mean * math.log(1.0 - roll(bot))


@inner_kernel
def hashed(seed: int, i: int, j: int) -> float:
    """A number in [0, 1) that belongs to two whole numbers for ever."""
    mixed = seed ^ (i * _ODD) ^ (j * _MIX)
    mixed = (mixed ^ ((mixed >> 30) & _LOW_34)) * _MIX
    mixed = (mixed ^ ((mixed >> 27) & _LOW_37)) * _ODD
    return (mixed >> 11 & _LOW_53) * _OF_2_53
