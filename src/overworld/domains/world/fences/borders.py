"""A place, or a way, and the borders of fences: what the trigger stage asks, each of an entry of the index."""
# ruff: noqa: PLR0917 - kernels call each other by position

from __future__ import annotations

import math
from typing import Any

from overworld.domains.world.fences.covering import INSIDE
from overworld.domains.world.fences.index import SIGN, Columns, leaf_key, range_of
from overworld.geo.columns import I64
from overworld.geo.compiled import inner_kernel
from overworld.geo.kernels import depth_in_cell

_CLEAR_MAX = 1e-4  # 637 m; over that little a fence's plane is as good as flat
_CLEAR_SLACK = 1e-10  # more than rounding can move anything
_FLAT = 0.99
_FACE_SPAN = (1 << 61) - 1


@inner_kernel
def clear_of(x: float, y: float, z: float, here: int, index: Columns) -> float:
    """How far a place may move, as a chord of the unit sphere, without leaving the largest cell around it that lies in
    its range, or meeting a border of a fence that is tested there.
    """
    start = index.start
    key, span = leaf_key(x, y, z), 1
    while True:
        wider = (span << 2) | 3
        if wider > _FACE_SPAN or (key & ~wider) + 1 < start[here] or key | wider >= start[here + 1]:
            break
        span = wider
    best = min(_CLEAR_MAX, depth_in_cell(((key ^ SIGN) & ~span) | ((span + 1) >> 1), x, y, z))
    at = index.node[here]
    while at >= 0:
        cell = index.cell[at]
        for k in range(cell.entry, cell.entry + cell.entries):
            if index.entry[k].kind != INSIDE:
                best = min(best, border_of(index.entry[k], x, y, z, index))
        at = cell.parent
    return max(0.0, best - _CLEAR_SLACK)


@inner_kernel
def border_of(entry: Any, x: float, y: float, z: float, index: Columns) -> float:
    """How far the border of a fence is, as a chord, as far as it runs through an entry's cell: not more than it is."""
    fence = index.fence[entry.fence]
    dx, dy, dz = x - fence.x, y - fence.y, z - fence.z
    if fence.chord2 >= 0.0:
        return float(abs(math.sqrt(dx * dx + dy * dy + dz * dz) - math.sqrt(fence.chord2)))
    depth = x * fence.x + y * fence.y + z * fence.z
    u = (dx * fence.ux + dy * fence.uy + dz * fence.uz) / depth
    v = (dx * fence.vx + dy * fence.vy + dz * fence.vz) / depth
    best2 = 1.0
    for k in range(entry.edge, entry.edge + entry.edges):
        edge = index.edge[k]
        au, av, eu, ev = edge[0] - u, edge[1] - v, edge[2] - edge[0], edge[3] - edge[1]
        length2 = eu * eu + ev * ev
        along = 0.0
        if length2 > 0.0:
            along = min(1.0, max(0.0, -(au * eu + av * ev) / length2))
        best2 = min(best2, (au + along * eu) ** 2 + (av + along * ev) ** 2)
    # A step on the sphere is at most 1 / depth**2 as long in the plane.
    return float(_FLAT * depth * depth * math.sqrt(best2))


@inner_kernel
def is_inside(entry: Any, x: float, y: float, z: float, index: Columns) -> bool:
    """Whether a place in an entry's cell lies in its fence: on the same side as the cell's point of an even number of
    edges.
    """
    fence = index.fence[entry.fence]
    dx, dy, dz = x - fence.x, y - fence.y, z - fence.z
    if fence.chord2 >= 0.0:
        return bool(dx * dx + dy * dy + dz * dz <= fence.chord2)
    depth = 1.0 / (x * fence.x + y * fence.y + z * fence.z)
    u = (dx * fence.ux + dy * fence.uy + dz * fence.uz) * depth
    v = (dx * fence.vx + dy * fence.vy + dz * fence.vz) * depth
    odd = entry.inside != 0
    for k in range(entry.edge, entry.edge + entry.edges):
        edge = index.edge[k]
        if do_cross(entry.u, entry.v, u, v, edge[0], edge[1], edge[2], edge[3]):
            odd = not odd
    return bool(odd)


@inner_kernel
def do_cross(
    qu: float, qv: float, pu: float, pv: float, au: float, av: float, bu: float, bv: float
) -> bool:  # fmt: skip
    """Whether two segments of the plane cross. A corner on the line counts as being to its left: two edges that meet
    there are crossed once, or twice.
    """
    du, dv = pu - qu, pv - qv
    if (du * (av - qv) - dv * (au - qu) >= 0.0) == (du * (bv - qv) - dv * (bu - qu) >= 0.0):
        return False
    eu, ev = bu - au, bv - av
    return bool((eu * (qv - av) - ev * (qu - au) >= 0.0) != (eu * (pv - av) - ev * (pu - au) >= 0.0))


@inner_kernel
def lie_in_one(start: I64, key: int, other: int) -> bool:
    """Whether the smallest cell around two places lies in one range: then so does the way between them, for a cell is
    convex. A range by itself is not.
    """
    span = 1
    while (key | span) != (other | span):
        span = (span << 2) | 3
        if span > _FACE_SPAN:
            return False
    found = range_of(start, key)
    return bool(start[found] <= (key & ~span) + 1 and key | span < start[found + 1])


@inner_kernel
def leads_through(entry: Any, x: float, y: float, z: float, own: Any, index: Columns) -> bool:
    """Whether the way from the last fix meets a circle, or an edge near an entry's cell. In the fence's plane the way
    is straight, and a circle about the middle a circle.
    """
    fence = index.fence[entry.fence]
    depth, depth_before = x * fence.x + y * fence.y + z * fence.z, own.x * fence.x + own.y * fence.y + own.z * fence.z
    if depth <= 0.0 or depth_before <= 0.0:
        return False
    dx, dy, dz = (x - fence.x) / depth, (y - fence.y) / depth, (z - fence.z) / depth
    pu, pv = dx * fence.ux + dy * fence.uy + dz * fence.uz, dx * fence.vx + dy * fence.vy + dz * fence.vz
    dx, dy, dz = (own.x - fence.x) / depth_before, (own.y - fence.y) / depth_before, (own.z - fence.z) / depth_before
    qu, qv = dx * fence.ux + dy * fence.uy + dz * fence.uz, dx * fence.vx + dy * fence.vy + dz * fence.vz
    if fence.chord2 >= 0.0:
        du, dv = pu - qu, pv - qv
        length2 = du * du + dv * dv
        if length2 == 0.0:
            return False
        along = min(1.0, max(0.0, -(qu * du + qv * dv) / length2))
        radius = math.tan(fence.reach)
        return bool((qu + along * du) ** 2 + (qv + along * dv) ** 2 < radius * radius)
    for k in range(entry.edge, entry.edge + entry.edges):
        edge = index.edge[k]
        if do_cross(qu, qv, pu, pv, edge[0], edge[1], edge[2], edge[3]):
            return True
    return False


ALL = (clear_of, border_of, is_inside, do_cross, lie_in_one, leads_through)
