"""What phones send of what their receivers sense: when, how exactly, by which clock, and when it arrives."""

from __future__ import annotations

from typing import Any

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.random import Generator
from numpy.typing import NDArray

from bench.prove.fairplay.receiver import Sensed
from bench.prove.fairplay.travel import Path
from bench.stage import START_US
from overworld.geo.columns import F64, I64
from overworld.kernel import packed

FIXES = np.dtype(
    [("player", "<u4"), ("arrives_us", "<i8"), *[(name, packed.POSITION[name]) for name in packed.POSITION.names or ()]]
)
"""A fix on its way: whose, when the server has it by the server's clock, and what it says."""

_M_DEG = 111_195.0
_REST_M_S = 0.3
_REST_AFTER_S = 20
_SILENCE_S = 30.0  # a phone that waits for movement still says now and then that it is there
_STEPS_M = np.array([5.0, 10.0, 16.0, 25.0, 35.0, 65.0, 165.0, 1_414.0])
_ACCURACY_MAX_M = 6_000.0


class Phones(Struct, frozen=True, kw_only=True):
    """Phones as columns, (n,): whose, since when (seconds of the run), around which place, and how each one is.

    A fix goes out every `every_s`, at times up to `spread` later; at rest every `rest_s`; only when `filter_m` have
    been gone, where that is not 0. `phase_s` is the part of a second at which it does. Phones that pin tell the same
    place while they rest. `clock_s` is how far the clock is ahead; at `step_at_s` it is set and is then `stepped_s`
    ahead. From `stalled_at_s` nothing gets through for `stalled_s`, and then all of it at once.
    """

    player: I64
    starts_s: F64
    lat_deg: F64
    lng_deg: F64
    every_s: F64
    spread: F64
    rest_s: F64
    filter_m: F64
    phase_s: F64
    jitter_s: F64
    pins: NDArray[np.bool_]
    quantum_e7: I64
    coarse: NDArray[np.bool_]
    speed_error_m_s: F64
    tells_speed: NDArray[np.bool_]
    clock_s: F64
    step_at_s: F64
    stepped_s: F64
    stalled_at_s: F64
    stalled_s: F64


def phones(chance: Generator, player: I64, starts_s: F64, lat_deg: F64, lng_deg: F64) -> Phones:
    """Phones as people have them."""
    count = player.size
    some = chance.random((6, count))
    each_second = some[0] < 0.5
    off = chance.random(count) < 0.2  # the others keep good time, or stamp fixes with that of the satellites
    clock_s = np.where(off, chance.uniform(-4, 4, count), chance.normal(0, 0.15, count))
    steps = chance.random(count) < 0.04
    return Phones(
        player=player,
        starts_s=starts_s,
        lat_deg=lat_deg,
        lng_deg=lng_deg,
        every_s=np.where(each_second, 1.0, chance.uniform(1, 5, count)),
        spread=np.where(each_second, 0.0, 0.4),
        rest_s=np.where(some[1] < 0.5, 30.0, 1.0),
        filter_m=np.where(some[2] < 0.2, chance.choice([3.0, 5.0, 10.0], count), 0.0),
        phase_s=chance.random(count),
        jitter_s=np.where(some[3] < 0.5, 0.0, chance.uniform(0.005, 0.08, count)),
        pins=some[4] < 0.35,
        quantum_e7=chance.choice([1, 10, 100], count, p=[0.8, 0.12, 0.08]),
        coarse=some[5] < 0.15,
        speed_error_m_s=chance.uniform(0.1, 0.4, count),
        tells_speed=chance.random(count) < 0.9,
        clock_s=clock_s,
        step_at_s=np.where(steps, chance.uniform(30, 550, count), np.inf),
        stepped_s=chance.uniform(-4, 4, count),
        stalled_at_s=np.where(chance.random(count) < 0.2, chance.uniform(0, 580, count), np.inf),
        stalled_s=chance.uniform(3, 60, count),
    )


def tools(chance: Generator, player: I64, starts_s: F64, lat_deg: F64, lng_deg: F64) -> Phones:
    """Phones whose places come out of a tool: each second, with a good clock."""
    count = player.size
    nothing = np.zeros(count)
    return replace(
        phones(chance, player, starts_s, lat_deg, lng_deg),
        every_s=np.ones(count),
        spread=nothing,
        rest_s=np.ones(count),
        filter_m=nothing,
        pins=np.zeros(count, np.bool_),
        quantum_e7=np.ones(count, np.int64),
        coarse=np.zeros(count, np.bool_),
        speed_error_m_s=nothing,
        clock_s=chance.normal(0, 0.15, count),
        step_at_s=np.full(count, np.inf),
    )


def report(chance: Generator, phone: Phones, path: Path, sensed: Sensed, *, mock: bool = False) -> NDArray[Any]:
    """The fixes that phones send on their ways, rows of `FIXES`, by phone and then by time."""
    shape = sensed.seen.shape
    late_s = phone.jitter_s[:, None] * chance.random(shape)
    east = sensed.east_m + late_s * path.speed_m_s * np.sin(path.heading_rad)
    north = sensed.north_m + late_s * path.speed_m_s * np.cos(path.heading_rad)
    told = Sensed(east, north, sensed.accuracy_m, sensed.seen)
    row, second = np.nonzero(_choose(chance, phone, path, told))
    age_s = second + late_s[row, second]
    fixes = np.zeros(row.size, FIXES)
    fixes["player"] = phone.player[row]
    true_s = phone.starts_s[row] + phone.phase_s[row] + age_s
    ahead_s = np.where(age_s >= phone.step_at_s[row], phone.stepped_s[row], phone.clock_s[row])
    fixes["time_us"] = START_US + np.rint((true_s + ahead_s) * 1e6).astype(np.int64)
    fixes["arrives_us"] = _arrivals(chance, phone, row, age_s=age_s, true_s=true_s)
    _place(fixes, phone, row, east[row, second], north[row, second])
    _describe(chance, fixes, phone, row, accuracy_m=sensed.accuracy_m[row, second], step=_steps(path, row, second))
    fixes["flags"] = packed.FLAG_MOCK * mock
    return fixes


def _choose(chance: Generator, phone: Phones, path: Path, told: Sensed) -> NDArray[np.bool_]:
    """Which seconds each phone tells, (n, seconds). The places of phones that pin are changed to what they tell."""
    count, seconds = told.seen.shape
    sent = np.zeros(told.seen.shape, np.bool_)
    last_east, last_north, rests_s = np.zeros(count), np.zeros(count), np.zeros(count)
    last_s = np.full(count, -np.inf)
    gap_s = np.zeros(count)
    for second in range(seconds):
        rests = path.speed_m_s[:, second] < _REST_M_S
        rests_s = np.where(rests, rests_s + 1, 0)
        pinned = phone.pins & rests & np.isfinite(last_s)
        east = told.east_m[:, second] = np.where(pinned, last_east, told.east_m[:, second])
        north = told.north_m[:, second] = np.where(pinned, last_north, told.north_m[:, second])
        waited_s = second - last_s
        quiet = (rests_s > _REST_AFTER_S) & (waited_s < phone.rest_s)
        goes = told.seen[:, second] & (waited_s >= gap_s) & ~quiet
        goes &= (np.hypot(east - last_east, north - last_north) >= phone.filter_m) | (waited_s >= _SILENCE_S)
        sent[:, second] = goes
        last_east, last_north = np.where(goes, east, last_east), np.where(goes, north, last_north)
        last_s = np.where(goes, second, last_s)
        gap_s = np.where(goes, np.floor(phone.every_s * (1 + phone.spread * chance.random(count)) + 1e-9), gap_s)
    return sent


def _arrivals(chance: Generator, phone: Phones, row: I64, *, age_s: F64, true_s: F64) -> I64:
    """When the server has each fix, microseconds; never before the phone's fix that was sent before."""
    took_s = 0.04 + chance.exponential(0.06, row.size)
    began_s, ended_s = phone.stalled_at_s[row], phone.stalled_at_s[row] + phone.stalled_s[row]
    stalled = (age_s >= began_s) & (age_s < ended_s)
    took_s += np.where(stalled, ended_s - age_s, 0.0)
    arrives = START_US + np.rint((true_s + took_s) * 1e6).astype(np.int64)
    # A running maximum for each phone: an offset for each one that is larger than any run.
    lifted = arrives + row * 10**12
    ordered: I64 = np.maximum.accumulate(lifted) - row * 10**12
    return ordered


def _place(fixes: NDArray[Any], phone: Phones, row: I64, east_m: F64, north_m: F64) -> None:
    lat_deg = phone.lat_deg[row] + north_m / _M_DEG
    lng_deg = phone.lng_deg[row] + east_m / (_M_DEG * np.cos(np.radians(phone.lat_deg[row])))
    lng_deg = (lng_deg + 180.0) % 360.0 - 180.0
    step = phone.quantum_e7[row]
    fixes["lat_e7"] = np.rint(lat_deg * 1e7 / step) * step
    fixes["lng_e7"] = np.rint(lng_deg * 1e7 / step) * step


def _steps(path: Path, row: I64, second: I64) -> tuple[F64, F64]:
    """How fast each went and which way, at some seconds."""
    return path.speed_m_s[row, second], path.heading_rad[row, second]


def _describe(
    chance: Generator, fixes: NDArray[Any], phone: Phones, row: I64, *, accuracy_m: F64, step: tuple[F64, F64]
) -> None:
    """What phones say beside the place: how sure they are, how fast they go and where to."""
    accuracy_m = np.clip(accuracy_m, 1.0, _ACCURACY_MAX_M)
    stepped = _STEPS_M[np.minimum(np.searchsorted(_STEPS_M, accuracy_m), _STEPS_M.size - 1)]
    fixes["accuracy_dm"] = np.rint(10 * np.where(phone.coarse[row], stepped, accuracy_m))
    speed, way = step
    moves = speed >= _REST_M_S
    told = np.where(moves, np.abs(speed + phone.speed_error_m_s[row] * chance.standard_normal(row.size)), 0.0)
    fixes["speed_cm_s"] = np.where(phone.tells_speed[row], np.rint(100 * told), packed.UNKNOWN)
    spread = 30 * phone.speed_error_m_s[row] / np.maximum(speed, 0.3)
    heading = np.degrees(way) + spread * chance.standard_normal(row.size)
    fixes["heading_cdeg"] = np.where(moves, np.rint(100 * (heading % 360.0)) % 36_000, packed.UNKNOWN)
