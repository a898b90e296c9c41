"""What a receiver makes of where it really is: errors that last, reflections, a cold start, no sky.

The error is the sum of two Gauss-Markov processes (orbits and the ionosphere, which change in a minute; reflections by
the surroundings, which change sooner the faster one moves past them) and a little white noise. The accuracy it tells is
an estimate with an error of its own. Source: Gauss-Markov models of GPS errors, e.g. Rankin, "An error model for sensor
simulation", IEEE PLANS 1994; urban multipath of 10-100 m, Groves, J. Navigation 64 (2011).
"""

from __future__ import annotations

import math

import numpy as np
from msgspec import Struct
from numpy.random import Generator
from numpy.typing import NDArray

from bench.prove.fairplay.travel import Path, drawn
from overworld.geo.columns import F64

_REFLECTION_M = 25.0  # one moves out of a reflection in about so many metres
_STARTS_S = 45


class Sky(Struct, frozen=True, kw_only=True):
    """What surrounds receivers of a kind; pairs are bounds of what is drawn for each.

    `bursts_hour` reflections an hour throw the place off at once, `cold_share` of the sessions begin with a bad guess,
    `stale_share` with the place of an older session told as good. `tunnels_hour` take the sky away.
    """

    error_m: tuple[float, float]
    bursts_hour: float = 4.0
    burst_m: tuple[float, float] = (10.0, 60.0)
    cold_share: float = 0.15
    stale_share: float = 0.004
    tunnels_hour: float = 0.3
    tunnel_s: tuple[int, int] = (15, 90)


OPEN = Sky(error_m=(1.2, 3.5), bursts_hour=1.0, burst_m=(8, 30))
STREET = Sky(error_m=(2.5, 8.0))
CANYON = Sky(error_m=(8.0, 22.0), bursts_hour=40.0, burst_m=(20, 150), tunnels_hour=2.0)
METRO = Sky(error_m=(3.0, 10.0), bursts_hour=10.0, tunnels_hour=14.0, tunnel_s=(30, 150))
INDOORS = Sky(error_m=(4.0, 15.0), bursts_hour=10.0, tunnels_hour=3.0, tunnel_s=(20, 240))


class Sensed(Struct, frozen=True):
    """What receivers would tell each second, (n, seconds); `seen` is false while they know nothing."""

    east_m: F64
    north_m: F64
    accuracy_m: F64
    seen: NDArray[np.bool_]


def sense(chance: Generator, path: Path, sky: Sky) -> Sensed:
    """The places that receivers work out on their ways."""
    count, seconds = path.east_m.shape
    error_m = drawn(chance, sky.error_m, count)
    east, north = (_wander(chance, path, error_m) for _ in range(2))
    told = error_m[:, None] * 1.4 * np.exp(_process(chance, count, seconds, np.full(count, 0.2), 30.0))
    told *= np.exp(0.25 * chance.standard_normal(count))[:, None]
    sensed = Sensed(path.east_m + east, path.north_m + north, told, np.ones((count, seconds), np.bool_))
    _reflect(chance, sensed, sky)
    _start(chance, sensed, sky)
    _go_under(chance, path, sensed, sky)
    return sensed


def mix(chance: Generator, rows: NDArray[np.int64], *, first: Sensed, leader: Path, path: Path, own: Sensed) -> Sensed:
    """Receivers side by side: a part of each one's error is that of the first, for they are under the same sky."""
    share = chance.uniform(0.2, 0.7, rows.size)[:, None]
    kept = np.sqrt(1 - share**2)
    return Sensed(
        path.east_m + share * (first.east_m - leader.east_m)[rows] + kept * (own.east_m - path.east_m),
        path.north_m + share * (first.north_m - leader.north_m)[rows] + kept * (own.north_m - path.north_m),
        own.accuracy_m,
        own.seen & first.seen[rows],
    )


def _wander(chance: Generator, path: Path, error_m: F64) -> F64:
    """One axis of the lasting error, metres, (n, seconds)."""
    count, seconds = path.east_m.shape
    slow = _process(chance, count, seconds, 0.75 * error_m, 60.0)
    keeps = np.exp(-1 / drawn(chance, (10, 40), count)[:, None] - path.speed_m_s / _REFLECTION_M)
    quick = np.zeros((count, seconds))
    quick[:, 0] = error_m * 0.6 * chance.standard_normal(count)
    for second in range(1, seconds):
        fresh = np.sqrt(1 - keeps[:, second] ** 2) * 0.6 * error_m * chance.standard_normal(count)
        quick[:, second] = keeps[:, second] * quick[:, second - 1] + fresh
    # A receiver carries its place on by the Doppler speed, which is good to a few cm/s, and corrects it slowly by the
    # ranges: from one second to the next it errs by centimetres or decimetres, however far off it is.
    smooth = slow + quick
    held = np.exp(-1 / np.exp(chance.uniform(math.log(1.5), math.log(15), count)))
    for second in range(1, seconds):
        smooth[:, second] = held * smooth[:, second - 1] + (1 - held) * smooth[:, second]
    white_m = np.exp(chance.uniform(math.log(0.02), math.log(0.4), count))
    wandered: F64 = smooth + white_m[:, None] * chance.standard_normal((count, seconds))
    return wandered


def _process(chance: Generator, count: int, seconds: int, sd: F64, lasts_s: float) -> F64:
    """A Gauss-Markov process for each of n, (n, seconds)."""
    keeps = math.exp(-1 / lasts_s)
    made = np.zeros((count, seconds))
    made[:, 0] = sd * chance.standard_normal(count)
    for second in range(1, seconds):
        made[:, second] = keeps * made[:, second - 1] + math.sqrt(1 - keeps**2) * sd * chance.standard_normal(count)
    return made


def _reflect(chance: Generator, sensed: Sensed, sky: Sky) -> None:
    """Throws places off for some seconds at once; half of the receivers do not notice."""
    begins = np.argwhere(chance.random(sensed.seen.shape) < sky.bursts_hour / 3_600)
    for row, second in begins.tolist():
        until = second + int(chance.integers(2, 13))
        away_m, way = chance.uniform(sky.burst_m[0], sky.burst_m[1]), chance.uniform(-math.pi, math.pi)
        sensed.east_m[row, second:until] += away_m * math.sin(way)
        sensed.north_m[row, second:until] += away_m * math.cos(way)
        if chance.random() < 0.5:
            sensed.accuracy_m[row, second:until] += away_m * chance.uniform(0.4, 1.2)


def _start(chance: Generator, sensed: Sensed, sky: Sky) -> None:
    """The first fixes of a session: far off and known to be, or the place of an older one told as good."""
    count, seconds = sensed.seen.shape
    since_s = np.arange(min(_STARTS_S, seconds))
    for row in np.flatnonzero(chance.random(count) < sky.cold_share).tolist():
        away_m, way = chance.lognormal(6.0, 1.0), chance.uniform(-math.pi, math.pi)
        off_m = away_m * np.exp(-since_s / chance.uniform(2, 8))
        sensed.east_m[row, : since_s.size] += off_m * math.sin(way)
        sensed.north_m[row, : since_s.size] += off_m * math.cos(way)
        sensed.accuracy_m[row, : since_s.size] += off_m * chance.uniform(0.8, 2.0)
    for row in np.flatnonzero(chance.random(count) < sky.stale_share).tolist():
        sensed.east_m[row, 0] += chance.uniform(-5_000, 5_000)
        sensed.north_m[row, 0] += chance.uniform(-5_000, 5_000)


def _go_under(chance: Generator, path: Path, sensed: Sensed, sky: Sky) -> None:
    """Takes the sky away for a while: some receivers go on by reckoning, the others come back with a bad guess."""
    begins = np.argwhere(chance.random(sensed.seen.shape) < sky.tunnels_hour / 3_600)
    for row, second in begins.tolist():
        until = min(sensed.seen.shape[1], second + int(chance.integers(*sky.tunnel_s)))
        reckoned = min(until, second + int(chance.integers(5, 30))) if chance.random() < 0.25 else second
        ahead_s = np.arange(reckoned - second)
        pace = path.speed_m_s[row, second]
        for column, part in ((sensed.east_m, math.sin), (sensed.north_m, math.cos)):
            column[row, second:reckoned] = column[row, second] + ahead_s * pace * part(path.heading_rad[row, second])
        sensed.accuracy_m[row, second:reckoned] += 2.0 * ahead_s
        sensed.seen[row, reckoned:until] = False
        after = slice(until, until + int(chance.integers(1, 6)))
        sensed.east_m[row, after] += chance.normal(0, 30)
        sensed.north_m[row, after] += chance.normal(0, 30)
        sensed.accuracy_m[row, after] += chance.uniform(20, 120)
