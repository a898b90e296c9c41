"""Which cells a fence meets: those wholly inside it need no test, the others know the few edges that run through them.

Cells are split level by level, while they are not too many. Whether a cell is inside, outside or neither is judged
from its middle and the distance to the fence's edge there: to the safe side, so no cell that meets the fence is missed.
"""
# ruff: noqa: PLR0917 - kernels call each other by position

from __future__ import annotations

import math
from typing import Any

import numpy as np
from msgspec import Struct

from overworld.domains.world.fences.shapes import Drawn
from overworld.geo.columns import F64, I32, I64, U8
from overworld.geo.compiled import inner_kernel, kernel, threaded_kernel
from overworld.geo.kernels import EARTH_RADIUS_M, level_of_cell, xyz_in_cell

OUTSIDE, TEST, INSIDE = 0, 1, 2
"""Of a cell: it lies outside, it has to be tested, or all of it lies inside."""

PAD_M = 2.0
"""Cells nearer than this to a fence count as met by it, and edges nearer than this to a cell as running through it."""

_PAD = PAD_M / EARTH_RADIUS_M
# From here on a cell that meets a fence lies in the half of the sphere that the fence's plane shows.
_LEVEL_MIN = 3
_LEVEL_MAX = 22
_CIRCLE_CELLS = 12
_POLYGON_CELLS, _CELLS_PER_EDGE, _POLYGON_CELLS_MAX = 16, 4, 400
_SPARE_CELLS = 1_024
_TOUCHING = 1e-9


class Covering(Struct, frozen=True):
    """The cells of one fence, aligned, (n,): which (as bits), whether they need a test, and what for it.

    `point` is a point of the cell in the fence's plane, (n, 2), and `inside` whether the fence holds it; the edges that
    may lie between it and any other place of the cell are rows of the shape: `edge` from `first` on, (n + 1,).
    """

    cell: I64
    kind: U8
    point: F64
    inside: U8
    first: I64
    edge: I32


def covering(shape: Drawn) -> Covering:
    """The cells that a shape meets. Runs without the interpreter's lock."""
    edges = len(shape.edges)
    wanted = min(_POLYGON_CELLS_MAX, _POLYGON_CELLS + _CELLS_PER_EDGE * edges) if edges else _CIRCLE_CELLS
    room = 4 * wanted + _SPARE_CELLS
    cell, kind = np.empty(room, np.int64), np.empty(room, np.uint8)
    count = fill_cells_met(shape.frame, shape.reach, shape.edges, shape.plane, wanted, cell, kind)
    point, inside = np.zeros((count, 2)), np.zeros(count, np.uint8)
    first, edge = np.zeros(count + 1, np.int64), np.empty(count * edges, np.int32)
    if edges:
        fill_tests(shape.frame, shape.edges, shape.plane, cell, kind, point, inside, first, edge)
    return Covering(cell[:count].copy(), kind[:count].copy(), point, inside, first, edge[: first[-1]].copy())


@threaded_kernel
def fill_cells_met(
    frame: F64, reach: float, edges: F64, plane: F64, wanted: int, cell: I64, kind: U8
) -> int:  # fmt: skip
    """Writes the cells of a shape and their kinds; gives how many. About as many as `wanted`, or fewer."""
    done = 0
    open_cells = np.empty(cell.size, np.int64)
    split = np.empty(cell.size, np.int64)
    count = 6
    for face in range(6):
        open_cells[face] = (face << 61) | (1 << 60)
    level = 0
    while count > 0:
        found, whole = 0, done
        for k in range(count):
            quarter = (open_cells[k] & -open_cells[k]) >> 2
            for child in range(4):
                one = open_cells[k] + (2 * child - 3) * quarter
                judged = kind_of(one, frame, reach, edges, plane)
                if judged == INSIDE and whole < cell.size:
                    cell[whole], kind[whole] = one, INSIDE
                    whole += 1
                elif judged == TEST and found < split.size:
                    split[found] = one
                    found += 1
        if level >= _LEVEL_MIN and (whole + found > wanted or level >= _LEVEL_MAX):
            break
        done, count = whole, found
        level += 1
        for k in range(count):
            open_cells[k] = split[k]
        if level >= _LEVEL_MIN and is_fine(open_cells, count, reach):
            break
    for k in range(count):
        cell[done + k], kind[done + k] = open_cells[k], TEST
    return done + count


@inner_kernel
def is_fine(cells: I64, count: int, reach: float) -> bool:
    """Whether cells are so small beside the fence that splitting them spares little."""
    return count > 0 and 1.0 / (1 << level_of_cell(cells[0])) < 0.05 * reach


@inner_kernel
def kind_of(cell: int, frame: F64, reach: float, edges: F64, plane: F64) -> int:
    """Whether a cell lies outside, inside, or perhaps neither."""
    x, y, z = unit_in_cell(cell, 0.5, 0.5)
    radius = radius_about(cell, x, y, z) + _PAD
    off = angle(x, y, z, frame[0, 0], frame[0, 1], frame[0, 2])
    if off > reach + radius:
        return OUTSIDE
    if edges.shape[0] == 0:
        return INSIDE if off + radius < reach else TEST
    for i in range(edges.shape[0]):
        if angle_to_edge(x, y, z, edges[i]) <= radius:
            return TEST
    return INSIDE if holds(x, y, z, frame, plane) else OUTSIDE


@threaded_kernel
def fill_tests(
    frame: F64, edges: F64, plane: F64, cell: I64, kind: U8, point: F64, inside: U8, first: I64, edge: I32
) -> None:  # fmt: skip
    """Writes for each cell to be tested a point that no edge runs through, and the edges that are near."""
    used = 0
    for k in range(inside.size):
        first[k] = used
        if kind[k] != TEST:
            continue
        x, y, z = clear_point(cell[k], edges)
        radius = radius_about(cell[k], x, y, z) + _PAD
        for i in range(edges.shape[0]):
            if angle_to_edge(x, y, z, edges[i]) <= radius:
                edge[used] = i
                used += 1
        inside[k] = holds(x, y, z, frame, plane)
        point[k, 0], point[k, 1] = in_plane(x, y, z, frame)
    first[inside.size] = used


@inner_kernel
def clear_point(cell: int, edges: F64) -> tuple[float, float, float]:
    """A point of a cell that lies off every edge: its middle, as a rule."""
    x, y, z = unit_in_cell(cell, 0.5, 0.5)
    if clearance(x, y, z, edges) > _TOUCHING * radius_about(cell, x, y, z):
        return x, y, z
    best = -1.0
    for k in range(1, 8):
        other_x, other_y, other_z = unit_in_cell(cell, 0.5 + 0.037 * k, 0.5 - 0.053 * k)
        clear = clearance(other_x, other_y, other_z, edges)
        if clear > best:
            best, x, y, z = clear, other_x, other_y, other_z
    return x, y, z


@inner_kernel
def clearance(x: float, y: float, z: float, edges: F64) -> float:
    """How far the nearest edge is, in radians."""
    nearest = math.pi
    for i in range(edges.shape[0]):
        nearest = min(nearest, angle_to_edge(x, y, z, edges[i]))
    return nearest


@inner_kernel
def unit_in_cell(cell: int, right: float, up: float) -> tuple[float, float, float]:
    """The unit vector to a point of a cell."""
    x, y, z = xyz_in_cell(cell, right, up)
    scale = 1.0 / math.sqrt(x * x + y * y + z * z)
    return x * scale, y * scale, z * scale


@inner_kernel
def radius_about(cell: int, x: float, y: float, z: float) -> float:
    """How far the farthest corner of a cell is from a point of it, in radians: nothing of the cell is farther."""
    farthest = 0.0
    for right in (0.0, 1.0):
        for up in (0.0, 1.0):
            corner_x, corner_y, corner_z = unit_in_cell(cell, right, up)
            farthest = max(farthest, angle(x, y, z, corner_x, corner_y, corner_z))
    return farthest


@inner_kernel
def angle(x: float, y: float, z: float, to_x: float, to_y: float, to_z: float) -> float:
    """Between two unit vectors, in radians; exact for small ones too."""
    return 2.0 * math.asin(min(1.0, 0.5 * math.sqrt((x - to_x) ** 2 + (y - to_y) ** 2 + (z - to_z) ** 2)))


@inner_kernel
def angle_to_edge(x: float, y: float, z: float, edge: Any) -> float:
    """From a unit vector to the nearest point of a great-circle edge, in radians.

    The normal is half of (a - b) x (a + b), which keeps its digits where a and b are close.
    """
    ax, ay, az, bx, by, bz = edge[0], edge[1], edge[2], edge[3], edge[4], edge[5]
    dx, dy, dz, sx, sy, sz = ax - bx, ay - by, az - bz, ax + bx, ay + by, az + bz
    nx, ny, nz = dy * sz - dz * sy, dz * sx - dx * sz, dx * sy - dy * sx
    length = math.sqrt(nx * nx + ny * ny + nz * nz)
    if length > 0.0:
        # The foot lies between the ends when the point is on the inner side of the planes through both ends.
        from_a = (ny * az - nz * ay) * (x - ax) + (nz * ax - nx * az) * (y - ay) + (nx * ay - ny * ax) * (z - az)
        from_b = (ny * bz - nz * by) * (x - bx) + (nz * bx - nx * bz) * (y - by) + (nx * by - ny * bx) * (z - bz)
        facing = x * sx + y * sy + z * sz
        if from_a >= 0.0 and from_b <= 0.0 and facing > 0.0:
            off = ((x - ax) * nx + (y - ay) * ny + (z - az) * nz) / length
            return math.asin(min(1.0, abs(off)))
    return min(angle(x, y, z, ax, ay, az), angle(x, y, z, bx, by, bz))


@inner_kernel
def in_plane(x: float, y: float, z: float, frame: F64) -> tuple[float, float]:
    """Where a unit vector lies in a fence's plane; it must point less than a quarter round from the middle."""
    mx, my, mz = frame[0, 0], frame[0, 1], frame[0, 2]
    depth = 1.0 / (x * mx + y * my + z * mz)
    dx, dy, dz = x - mx, y - my, z - mz
    return (
        (dx * frame[1, 0] + dy * frame[1, 1] + dz * frame[1, 2]) * depth,
        (dx * frame[2, 0] + dy * frame[2, 1] + dz * frame[2, 2]) * depth,
    )


@kernel
def holds(x: float, y: float, z: float, frame: F64, plane: F64) -> bool:
    """Whether polygons hold a place, by all of their edges: a ray meets an odd number of them."""
    if x * frame[0, 0] + y * frame[0, 1] + z * frame[0, 2] <= 0.0:
        return False
    u, v = in_plane(x, y, z, frame)
    odd = False
    for i in range(plane.shape[0]):
        au, av, bu, bv = plane[i, 0], plane[i, 1], plane[i, 2], plane[i, 3]
        if (av > v) != (bv > v) and u < (bu - au) * (v - av) / (bv - av) + au:
            odd = not odd
    return odd


ALL = (
    fill_cells_met, is_fine, kind_of, fill_tests, clear_point, clearance, unit_in_cell, radius_about, angle,
    angle_to_edge, in_plane, holds,
)  # fmt: skip
