"""The plane of a cell, in which its entities lie and move on by themselves: places as metres and steps of a grid."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from overworld.domains.world.engine.shown import COAST_MS
from overworld.geo.compiled import inner_kernel
from overworld.geo.kernels import EARTH_RADIUS_M, xyz_in_cell
from overworld.kernel.packed import SPEED_UNIT_M_S

# Per cell number: the plane that touches the sphere at the cell's centre, with east (which has no z) and north in it.
PLANE = np.dtype([(name, "<f8") for name in ("x", "y", "z", "east_x", "east_y", "north_x", "north_y", "north_z")])

_OFFSET_MAX = 32_767
_TURN = 256
_NEAR_POLE = 0.99999  # 28 km; farther off, the norths within a cell differ by less than a heading's unit
_RADIANS = 2.0 * math.pi / _TURN


@inner_kernel
def lay_plane(bits: int, plane: Any) -> None:
    """Writes the plane of a cell."""
    x, y, z = xyz_in_cell(bits, 0.5, 0.5)
    scale = 1.0 / math.sqrt(x * x + y * y + z * z)
    x, y, z = x * scale, y * scale, z * scale
    across = math.sqrt(x * x + y * y)
    east_x, east_y = (-y / across, x / across) if across > 0.0 else (0.0, 1.0)
    plane.x, plane.y, plane.z = x, y, z
    plane.east_x, plane.east_y = east_x, east_y
    plane.north_x, plane.north_y, plane.north_z = -z * east_y, z * east_x, x * east_y - y * east_x


@inner_kernel
def offset_m(plane: Any, row: Any) -> tuple[float, float]:
    """Where a place lies from a cell's centre, east and north in its plane, in metres."""
    east = row.x * plane.east_x + row.y * plane.east_y
    north = row.x * plane.north_x + row.y * plane.north_y + row.z * plane.north_z
    return east * EARTH_RADIUS_M, north * EARTH_RADIUS_M


@inner_kernel
def in_units(metres: float, unit_m: float) -> int:
    return int(max(-_OFFSET_MAX, min(_OFFSET_MAX, round(metres / unit_m))))


@inner_kernel
def heading_in(plane: Any, row: Any, one: Any) -> int:
    """The heading of a last fix, from the north of its cell: near a pole the two norths differ. 0 at rest."""
    heading = int(one.fix_heading)
    if one.fix_speed == 0:
        return 0
    if abs(row.z) < _NEAR_POLE or (row.x == 0.0 and row.y == 0.0):
        return heading
    east = row.x * plane.east_y - row.y * plane.east_x
    north = row.x * plane.north_y - row.y * plane.north_x
    return (heading - round(math.atan2(north, east) / _RADIANS)) % _TURN


@inner_kernel
def coasted_to_m(one: Any, now_ms: int, unit_m: float) -> tuple[float, float]:
    """Where watchers have an entity by now, in metres."""
    east, north = one.east * unit_m, one.north * unit_m
    if one.speed == 0:
        return east, north
    moved_m = one.speed * SPEED_UNIT_M_S * max(0, min(now_ms - one.when_ms, COAST_MS)) / 1_000
    angle = one.heading * _RADIANS
    return east + moved_m * math.sin(angle), north + moved_m * math.cos(angle)


ALL = (lay_plane, offset_m, in_units, heading_in, coasted_to_m)
