"""How bodies and vehicles really move: where they are once a second, in metres on a plane around where they began.

Speeds follow from what a body or a vehicle can do (it starts and brakes with a limit, slows for a bend, waits at lights
and stations), never from what a server is known to look for.
"""

from __future__ import annotations

import math

import numpy as np
from msgspec import Struct
from numpy.random import Generator

from overworld.geo.columns import F64

_SWAY_S = 20.0
_RIGHT_RAD = math.pi / 2


class Path(Struct, frozen=True):
    """Places of n travellers at each second from 0, their speeds and the way they face, (n, seconds)."""

    east_m: F64
    north_m: F64
    speed_m_s: F64
    heading_rad: F64


class Habits(Struct, frozen=True, kw_only=True):
    """How one kind of traveller moves; pairs are the bounds of what is drawn for each.

    `sway` is the relative standard deviation of the speed one means to have, `drift_rad` that of the heading a second.
    A leg ends in a bend, and with `stop_share` in a stop; without one it is taken at `corner_m_s` at most.
    """

    cruise_m_s: tuple[float, float]
    leg_m: tuple[float, float]
    stop_share: float
    stop_s: tuple[float, float]
    accelerate_m_s2: float
    brake_m_s2: float
    corner_m_s: float
    sway: float = 0.06
    drift_rad: float = 0.01
    bend_rad: float = _RIGHT_RAD
    straight_share: float = 0.5


WALK = Habits(
    cruise_m_s=(0.8, 1.8), leg_m=(40, 160), stop_share=0.4, stop_s=(3, 60), accelerate_m_s2=0.8, brake_m_s2=1.0,
    corner_m_s=1.2, sway=0.09, drift_rad=0.03,
)  # fmt: skip
RUN = Habits(
    cruise_m_s=(2.2, 4.0), leg_m=(120, 600), stop_share=0.1, stop_s=(3, 40), accelerate_m_s2=1.2, brake_m_s2=1.5,
    corner_m_s=2.5, sway=0.06, drift_rad=0.02,
)  # fmt: skip
CYCLE = Habits(
    cruise_m_s=(3.5, 8.0), leg_m=(90, 450), stop_share=0.25, stop_s=(5, 50), accelerate_m_s2=1.0, brake_m_s2=2.0,
    corner_m_s=3.5, sway=0.08, drift_rad=0.01,
)  # fmt: skip
CITY_CAR = Habits(
    cruise_m_s=(8, 16), leg_m=(100, 700), stop_share=0.4, stop_s=(5, 70), accelerate_m_s2=2.2, brake_m_s2=3.0,
    corner_m_s=5.0, sway=0.1, drift_rad=0.004,
)  # fmt: skip
MOTORWAY = Habits(
    cruise_m_s=(22, 36), leg_m=(2_000, 9_000), stop_share=0.0, stop_s=(0, 1), accelerate_m_s2=1.5, brake_m_s2=2.5,
    corner_m_s=20.0, sway=0.04, drift_rad=0.003, bend_rad=0.3,
)  # fmt: skip
TRAIN = Habits(
    cruise_m_s=(16, 30), leg_m=(800, 3_000), stop_share=0.95, stop_s=(20, 45), accelerate_m_s2=0.9, brake_m_s2=0.9,
    corner_m_s=15.0, sway=0.02, drift_rad=0.003, bend_rad=0.3,
)  # fmt: skip
EXPRESS = Habits(
    cruise_m_s=(55, 83), leg_m=(40_000, 90_000), stop_share=1.0, stop_s=(60, 120), accelerate_m_s2=0.5, brake_m_s2=0.5,
    corner_m_s=50.0, sway=0.01, drift_rad=0.0005, bend_rad=0.1,
)  # fmt: skip


def drawn(chance: Generator, bounds: tuple[float, float], count: int) -> F64:
    """So many draws, all between the bounds alike."""
    return chance.uniform(bounds[0], bounds[1], count)


def travel(chance: Generator, count: int, seconds: int, habits: Habits) -> Path:
    """The ways of so many travellers of a kind."""
    path = Path(*(np.zeros((count, seconds)) for _ in range(4)))
    cruise = drawn(chance, habits.cruise_m_s, count)
    heading = chance.uniform(-math.pi, math.pi, count)
    left_m = drawn(chance, habits.leg_m, count) * chance.random(count)
    stops = chance.random(count) < habits.stop_share
    east, north, sway, pause_s = (np.zeros(count) for _ in range(4))
    speed = cruise * (chance.random(count) < 0.7)
    keeps = math.exp(-1 / _SWAY_S)
    steady = habits.sway * chance.uniform(0.2, 1.4, count)  # some hold their speed, or have it held for them
    for second in range(seconds):
        path.east_m[:, second], path.north_m[:, second] = east, north
        path.speed_m_s[:, second], path.heading_rad[:, second] = speed, heading
        sway = keeps * sway + steady * math.sqrt(1 - keeps**2) * chance.standard_normal(count)
        corner = np.where(stops, 0.0, habits.corner_m_s)
        wanted = np.minimum(cruise * (1 + sway), np.sqrt(corner**2 + 2 * habits.brake_m_s2 * np.maximum(left_m, 0)))
        wanted = np.where(pause_s > 0, 0.0, wanted)
        speed = np.maximum(0, speed + np.clip(wanted - speed, -habits.brake_m_s2, habits.accelerate_m_s2))
        heading = heading + habits.drift_rad * chance.standard_normal(count) * (speed > 0)
        east = east + speed * np.sin(heading)
        north = north + speed * np.cos(heading)
        left_m, pause_s = left_m - speed, np.maximum(0, pause_s - 1)
        done = left_m <= 0
        pause_s = np.where(done & stops, drawn(chance, habits.stop_s, count), pause_s)
        speed = np.where(done & stops, 0.0, speed)
        side = np.where(chance.random(count) < 0.5, 1.0, -1.0) * (chance.random(count) >= habits.straight_share)
        heading = heading + np.where(done, side * habits.bend_rad, 0.0)
        stops = np.where(done, chance.random(count) < habits.stop_share, stops)
        left_m = np.where(done, drawn(chance, habits.leg_m, count), left_m)
    return path


def rest(chance: Generator, count: int, seconds: int) -> Path:
    """People who stay where they are: they shift in their seats, and now and then change it."""
    keeps = math.exp(-1 / 40)
    shape = (count, seconds)
    east, north = np.zeros(shape), np.zeros(shape)
    for second in range(1, seconds):
        for axis in (east, north):
            axis[:, second] = keeps * axis[:, second - 1] + 0.05 * chance.standard_normal(count)
    seat = np.cumsum((chance.random(shape) < 1 / 400) * chance.uniform(-4, 4, shape), axis=1)
    return Path(east + seat, north, np.zeros(shape), np.zeros(shape))


def beside(chance: Generator, leader: Path, rows: np.ndarray, *, apart_m: float = 0.8) -> Path:
    """People who walk with the leaders of some rows: at arm's length, at times a few steps behind."""
    lag_s = chance.integers(0, 4, rows.size)
    seconds = leader.east_m.shape[1]
    at = np.maximum(0, np.arange(seconds)[None, :] - lag_s[:, None])
    keeps = math.exp(-1 / 30)
    offsets = [np.zeros((rows.size, seconds)) for _ in range(2)]
    for axis in offsets:
        axis[:, 0] = apart_m * chance.standard_normal(rows.size)
        for second in range(1, seconds):
            fresh = chance.standard_normal(rows.size)
            axis[:, second] = keeps * axis[:, second - 1] + apart_m * math.sqrt(1 - keeps**2) * fresh
    taken = [column[rows[:, None], at] for column in (leader.east_m, leader.north_m)]
    return Path(
        taken[0] + offsets[0],
        taken[1] + offsets[1],
        leader.speed_m_s[rows[:, None], at],
        leader.heading_rad[rows[:, None], at],
    )
