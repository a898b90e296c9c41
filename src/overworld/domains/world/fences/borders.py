"""A place, or a way, and the borders of fences: what the trigger stage asks, each of an entry of the index."""
# ruff: noqa: PLR0917 - kernels call each other by position

from __future__ import annotations

import math
from typing import Any

from overworld.domains.world.fences.covering import INSIDE
from overworld.domains.world.fences.index import NOTHING, SIGN, Columns, range_of
from overworld.geo.columns import I64
from overworld.geo.compiled import inner_kernel
from overworld.geo.kernels import SIZE_MAX, face_uv, leaf_ij, leaf_of_ij, st_of_uv

_CLEAR_MAX = 1e-4  # 637 m; over that little a fence's plane is as good as flat
_CLEAR_SLACK = 1e-10  # more than rounding can move anything
_FLAT = 0.99
_BORDERS_MAX = 40  # entries, and twice so many borders near by, that a comparison may look at beyond the range
_RANGES_MAX = 48
_FACE_SPAN = (1 << 61) - 1


@inner_kernel
def clear_of(
    x: float, y: float, z: float, here: int, step: float, enough: float, index: Columns
) -> tuple[float, int, int]:  # fmt: skip
    """How far a place may move, as a chord of the unit sphere, without leaving a cell around it, or meeting a border of
    a fence that lies there; and the first of the entries, and the one behind the last, of a cell that holds all that is
    not farther than a `step`, but for those of larger cells. -1 when there are too many.

    The cell is the largest in the place's range, or a larger one: for as long as its edge is nearer than every border,
    nearer than what is enough, and not too many borders are in it. Of a place beside the edge of a very large cell
    that edge says nothing: then it is the cells around it that hold all that is near enough.
    """
    start = index.start
    face, u, v = face_uv(x, y, z)
    s, t = st_of_uv(u), st_of_uv(v)
    i, j = leaf_ij(s), leaf_ij(t)
    key = leaf_of_ij(face, i, j) ^ SIGN
    depth = max(abs(x), abs(y), abs(z))
    column, row = depth * leaf_width(s, u), depth * leaf_width(t, v)
    span, size = 1, 1
    while True:
        wider = (span << 2) | 3
        if wider > _FACE_SPAN or (key & ~wider) + 1 < start[here] or key | wider >= start[here + 1]:
            break
        span, size = wider, size << 1
    best, left = border_here(x, y, z, here, index), _BORDERS_MAX
    edge = min(column * off_edge(i, size), row * off_edge(j, size))
    is_cut_short = False
    first, last = here, here
    low = high = int(index.begun[here])
    near_low, near_high = (low, high) if edge > step else (NOTHING, NOTHING)
    while span < _FACE_SPAN and edge < min(enough, max(best, step)):
        span, size = (span << 2) | 3, size << 1
        begin, end = (key & ~span) + 1, key | span
        while start[first] > begin and last - first < _RANGES_MAX:
            first -= 1
        while start[last + 1] <= end and last - first < _RANGES_MAX:
            last += 1
        is_cut_short = last - first == _RANGES_MAX
        if is_cut_short:
            break
        lower = int(index.begun[first] if start[first] < begin else index.begun[first - 1])
        higher = int(index.begun[last])
        nearest, left = nearest_border(x, y, z, i, j, column, row, lower, low, best, left, index)
        nearest, left = nearest_border(x, y, z, i, j, column, row, high, higher, nearest, left, index)
        is_cut_short = left <= 0
        if is_cut_short:
            break
        low, high, best = lower, higher, nearest
        edge = min(column * off_edge(i, size), row * off_edge(j, size))
        if near_low < 0 and edge > step:
            near_low, near_high = low, high
    if is_cut_short:
        reach = min(enough, max(best, step)) + _CLEAR_SLACK
        nearest = border_around(x, y, z, face, i, j, column, row, size >> 1, reach, best, index)
        if nearest >= 0.0:
            best, edge = nearest, reach
    return max(0.0, min(best, edge) - _CLEAR_SLACK), near_low, near_high


@inner_kernel
def border_here(x: float, y: float, z: float, here: int, index: Columns) -> float:
    """How far a place may move, as `clear_of`, without meeting a border in the cells of its range."""
    best = _CLEAR_MAX
    at = index.node[here]
    while at >= 0:
        cell = index.cell[at]
        for k in range(cell.entry, cell.entry + cell.entries):
            if index.entry[k].kind != INSIDE:
                best = min(best, border_of(index.entry[k], x, y, z, index))
        at = cell.parent
    return best


@inner_kernel
def border_around(
    x: float, y: float, z: float, face: int, i: int, j: int, column: float, row: float, known: int, reach: float,
    best: float, index: Columns,
) -> float:  # fmt: skip
    """The least of a distance and those to all borders within a reach, by the cells around that hold it: four at most.
    The cell of `known` leaf cells each way that holds the place, and all larger ones, were looked at before. -1 when
    there are too many borders, or the reach is too wide or leads to another face.
    """
    if reach > _CLEAR_MAX:
        return -1.0
    start = index.start
    columns, rows = int(reach / column) + 2, int(reach / row) + 2
    if min(i - columns, j - rows) < 0 or max(i + columns, j + rows) >= SIZE_MAX:
        return -1.0
    size = 4
    while size < 2 * max(columns, rows):
        size <<= 1
    span = (size * size - 1) << 1
    left = _BORDERS_MAX
    for to_i in range((i - columns) & -size, i + columns + 1, size):
        for to_j in range((j - rows) & -size, j + rows + 1, size):
            if (to_i ^ i) & -known == 0 and (to_j ^ j) & -known == 0 and size <= known:
                continue
            begin = (leaf_of_ij(face, to_i, to_j) & ~span) ^ SIGN
            first = range_of(start, begin)
            last, end = first, begin + span
            while start[last + 1] <= end and last - first < _RANGES_MAX:
                last += 1
            lower = int(index.begun[first] if start[first] < begin else index.begun[first - 1])
            best, left = nearest_border(
                x, y, z, i, j, column, row, lower, int(index.begun[last]), best, left, index
            )  # fmt: skip
            at = index.node[first]
            while at >= 0:
                cell = index.cell[at]
                box = index.box[cell.entry]
                if 0 <= i - box.i < box.size and 0 <= j - box.j < box.size:
                    break
                if cell.entry < lower:
                    best, left = nearest_border(
                        x, y, z, i, j, column, row, cell.entry, cell.entry + cell.entries, best, left, index
                    )  # fmt: skip
                at = cell.parent
            if left <= 0 or last - first == _RANGES_MAX:
                return -1.0
    return best


@inner_kernel
def nearest_border(
    x: float, y: float, z: float, i: int, j: int, column: float, row: float, first: int, end: int, best: float,
    left: int, index: Columns,
) -> tuple[float, int]:  # fmt: skip
    """The least of a distance and those to the borders of some entries, and how many more may be looked at: with none
    `left` it is not the least. An entry whose cell is farther than the least has none nearer.
    """
    left -= end - first
    for k in range(first, end):
        box = index.box[k]
        if left <= 0:
            break
        if box.edges == NOTHING:
            continue
        across, along = off_box(i, box.i, box.size), off_box(j, box.j, box.size)
        if max(column * across, row * along) < best:
            left -= 2 + box.edges
            best = min(best, border_of(index.entry[k], x, y, z, index))
    return best, left


@inner_kernel
def leaf_width(s: float, u: float) -> float:
    """How wide a leaf cell is at a coordinate of a face, over the depth there; not more than any near by."""
    return _FLAT * (8.0 / 3.0) * max(s, 1.0 - s) / (SIZE_MAX * math.sqrt(1.0 + u * u))


@inner_kernel
def off_edge(i: int, size: int) -> int:
    """How many whole leaf cells lie between one and the nearer edge of the cell of so many that holds it."""
    inside = i & (size - 1)
    return min(inside, size - 1 - inside)


@inner_kernel
def off_box(i: int, first: int, size: int) -> int:
    """How many whole leaf cells lie between one and a cell of so many; 0 in it."""
    return max(0, first - i - 1, i - first - size)


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


ALL = (
    clear_of, border_here, border_around, nearest_border, leaf_width, off_edge, off_box, border_of, is_inside, do_cross,
    lie_in_one, leads_through,
)  # fmt: skip
