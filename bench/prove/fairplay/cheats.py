"""How places are made up: by hopping, with a joystick, along a list of points, out of a record of somebody else.

Tools are modelled by what they offer: a place that is set, a stick with a chosen speed, a route walked by itself, a
file that is played back; some add noise that is new for each fix, and none knows how a receiver errs.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bench.prove.fairplay.receiver import Sensed
from bench.prove.fairplay.travel import Path, drawn
from overworld.geo.columns import F64

# Known waits between two places: kilometres and minutes, as lists for cheaters have them; between them a line.
_COOL_KM = np.array([0.0, 1.0, 2.0, 5.0, 10.0])
_COOL_S = np.array([10.0, 30.0, 60.0, 120.0, 360.0])


def joystick(chance: Generator, count: int, seconds: int) -> Path:
    """A stick that is held: one speed for all of it, a way kept for a while, and bends of a few seconds."""
    speed = chance.choice([1.4, 2.0, 2.8, 4.2, 6.0, 9.0], count)
    heading = chance.uniform(-math.pi, math.pi, count)
    path = Path(*(np.zeros((count, seconds)) for _ in range(4)))
    path.speed_m_s[:] = speed[:, None]
    east, north, turns_s, rate = (np.zeros(count) for _ in range(4))
    for second in range(seconds):
        path.east_m[:, second], path.north_m[:, second], path.heading_rad[:, second] = east, north, heading
        begins = (turns_s <= 0) & (chance.random(count) < 1 / 45)
        turns_s = np.where(begins, chance.integers(2, 7, count), turns_s - 1)
        rate = np.where(begins, chance.uniform(-0.5, 0.5, count), np.where(turns_s > 0, rate, 0.0))
        heading = heading + rate
        east, north = east + speed * np.sin(heading), north + speed * np.cos(heading)
    return path


def route(chance: Generator, count: int, seconds: int) -> Path:
    """A list of points that a tool walks by itself: straight lines at one speed."""
    path = Path(*(np.zeros((count, seconds)) for _ in range(4)))
    speed = chance.choice([1.4, 2.8, 5.0, 8.0], count)
    path.speed_m_s[:] = speed[:, None]
    for row in range(count):
        points = np.cumsum(chance.normal(0, 250, (120, 2)), axis=0)
        legs = np.diff(points, axis=0)
        gone_m = np.concatenate(([0.0], np.cumsum(np.hypot(*legs.T))))
        at_m = np.minimum(speed[row] * np.arange(seconds), gone_m[-1])
        path.east_m[row] = np.interp(at_m, gone_m, points[:, 0])
        path.north_m[row] = np.interp(at_m, gone_m, points[:, 1])
        leg = np.clip(np.searchsorted(gone_m, at_m, side="right") - 1, 0, len(legs) - 1)
        path.heading_rad[row] = np.arctan2(legs[leg, 0], legs[leg, 1])
    return path


def hops(chance: Generator, count: int, seconds: int, *, patient: bool) -> tuple[Path, NDArray[np.int64]]:
    """Places that are set one after another, and how many there were by each second, (n, seconds).

    Each is kept for about a minute; the patient also wait, as their lists tell them for the way they hopped.
    """
    path = Path(*(np.zeros((count, seconds)) for _ in range(4)))
    number = np.zeros((count, seconds), np.int64)
    for row in range(count):
        at = int(chance.integers(20, 60))
        while at < seconds:
            way = chance.uniform(-math.pi, math.pi)
            away_m = chance.uniform(1_000, 8_000) if patient else float(np.exp(chance.uniform(6.5, 12.5)))
            path.east_m[row, at:] += away_m * math.sin(way)
            path.north_m[row, at:] += away_m * math.cos(way)
            number[row, at:] += 1
            wait_s = float(np.interp(away_m / 1_000, _COOL_KM, _COOL_S)) if patient else 0.0
            at += int(wait_s + chance.uniform(30, 80))
    return path, number


def pretended(chance: Generator, path: Path, *, jitter_m: tuple[float, float] = (0, 0), varied: float = 0.0) -> Sensed:
    """What a tool tells of a way: with noise that is new for each fix, if any, and an accuracy that is set.

    `varied` is the share of the tools that vary the accuracy, too.
    """
    shape = path.east_m.shape
    count = shape[0]
    spread_m = drawn(chance, jitter_m, count)[:, None]
    set_m = chance.choice([1.0, 3.0, 5.0, 10.0], count)[:, None]
    drawn_m = chance.uniform(3.0, 12.0, shape)
    return Sensed(
        path.east_m + spread_m * chance.uniform(-1, 1, shape),
        path.north_m + spread_m * chance.uniform(-1, 1, shape),
        np.where(chance.random((count, 1)) < varied, drawn_m, set_m),
        np.ones(shape, np.bool_),
    )


def replayed(chance: Generator, record: NDArray[Any], player: int, *, later_s: float, pace: float) -> NDArray[Any]:
    """Somebody's recorded fixes, sent by another player: the very places, later, and slower or quicker by `pace`.

    A quicker copy begins late enough never to come before what it copies.
    """
    copy = record.copy()
    copy["player"] = player
    age_us = record["time_us"] - record["time_us"][0]
    later_s += max(0.0, 1 - pace) * int(age_us[-1]) / 1e6
    age_us = age_us * pace
    copy["time_us"] = record["time_us"][0] + int(later_s * 1e6) + np.rint(age_us).astype(np.int64)
    copy["arrives_us"] = copy["time_us"] + _lags_us(chance, copy.size)
    copy["arrives_us"] = np.maximum.accumulate(copy["arrives_us"])
    copy["accuracy_dm"] = int(chance.choice([10, 30, 50]))
    return copy


def between(chance: Generator, record: NDArray[Any], player: int, *, later_s: float) -> NDArray[Any]:
    """A record played back by a tool that moves on straight lines between every eighth of its points, each second."""
    kept = record[::8]
    first_us = int(kept["time_us"][0]) + int(chance.integers(0, 1_000_000))  # a second of its own
    told_us = np.arange(first_us, int(kept["time_us"][-1]), 1_000_000)
    copy = np.resize(record, told_us.size)
    copy["player"] = player
    for name in ("lat_e7", "lng_e7"):
        copy[name] = np.rint(np.interp(told_us, kept["time_us"], kept[name]))
    copy["time_us"] = told_us + int(later_s * 1e6)
    copy["arrives_us"] = np.maximum.accumulate(copy["time_us"] + _lags_us(chance, copy.size))
    copy["accuracy_dm"] = int(chance.choice([10, 30, 50]))
    copy["speed_cm_s"] = 0
    return copy


def _lags_us(chance: Generator, count: int) -> F64:
    lags: F64 = (40_000 + chance.exponential(60_000, count)).astype(np.int64)
    return lags
