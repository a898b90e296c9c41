"""Compiled geometry: S2 cell ids and the sphere, for single values, to be called from other kernels.

Layout of an S2 cell id, high bits first: 3 bits face, then 2 bits for each level of the Hilbert curve, then a 1 that
ends it, then zeros. Kernels hold the 64 bits as int64.
Source: s2geometry, s2cell_id.cc and s2coords.h (quadratic projection).
"""
# ruff: noqa: PLR0917, PLR2004 - kernels call each other by position, and formulas keep their numbers

from __future__ import annotations

import math

import numpy as np

from overworld.geo.columns import F64, I64, U64
from overworld.geo.compiled import inner_kernel, kernel, making_kernel

LEVEL_MAX = 30
SIZE_MAX = 1 << LEVEL_MAX
EARTH_RADIUS_M = 6_371_008.8

_SWAP = 1
_POS_TO_IJ = ((0, 1, 3, 2), (0, 2, 3, 1), (3, 2, 0, 1), (3, 1, 0, 2))
_POS_TO_TURN = (1, 0, 0, 3)
_CHORD_SLACK = 1e-15
_SHORT_CHORD2 = 1e-4
_SURELY_M2 = 1.0001 * EARTH_RADIUS_M**2
# The least width of a cell of level 0, by which every other level halves it, and how much wider than a radius is wide
# enough. Source: s2metrics.cc, kMinWidth of the quadratic projection.
_WIDTH_MIN_M = 2.0 * math.sqrt(2.0) / 3.0 * EARTH_RADIUS_M
_WIDER = 1.01

# The axes of each face in space: where its u grows, where its v grows, and the way it looks.
_ACROSS = np.array(((0, 1, 0), (-1, 0, 0), (-1, 0, 0), (0, 0, -1), (0, 0, -1), (0, 1, 0)), np.float64)
_ALONG = np.array(((0, 0, 1), (0, 0, 1), (0, -1, 0), (0, -1, 0), (1, 0, 0), (1, 0, 0)), np.float64)
_DEPTH = np.array(((1, 0, 0), (0, 1, 0), (0, 0, 1), (-1, 0, 0), (0, -1, 0), (0, 0, -1)), np.float64)
_JUST_OUTSIDE = float(np.nextafter(1.0, 2.0))


def _hilbert_tables() -> tuple[I64, I64]:
    """Four levels of the curve at once: (i, j, orientation) to (position, orientation after), and back."""
    to_pos, to_ij = np.zeros(1024, np.int64), np.zeros(1024, np.int64)
    for orientation in range(4):
        for pos in range(256):
            i, j, turned = 0, 0, orientation
            for shift in (6, 4, 2, 0):
                digit = pos >> shift & 3
                ij = _POS_TO_IJ[turned][digit]
                i, j = i << 1 | ij >> 1, j << 1 | ij & 1
                turned ^= _POS_TO_TURN[digit]
            to_pos[(i << 4 | j) << 2 | orientation] = pos << 2 | turned
            to_ij[pos << 2 | orientation] = (i << 4 | j) << 2 | turned
    return to_pos, to_ij


_TO_POS, _TO_IJ = _hilbert_tables()


@kernel
def unit_xyz(lat_deg: float, lng_deg: float) -> tuple[float, float, float]:
    """The unit vector of a place: x to (0, 0), y to (0, 90 E), z to the north pole."""
    phi, theta = math.radians(lat_deg), math.radians(lng_deg)
    cos_phi = math.cos(phi)
    return math.cos(theta) * cos_phi, math.sin(theta) * cos_phi, math.sin(phi)


@kernel
def degrees_of(x: float, y: float, z: float) -> tuple[float, float]:
    """Latitude and longitude of a vector of any length but 0."""
    return math.degrees(math.atan2(z, math.sqrt(x * x + y * y))), math.degrees(math.atan2(y, x))


@kernel
def metres_of_chord2(chord2: float) -> float:
    """Distance along the sphere of two points whose unit vectors lie sqrt(chord2) apart."""
    return 2.0 * EARTH_RADIUS_M * math.asin(min(1.0, 0.5 * math.sqrt(chord2)))


@inner_kernel
def is_surely_within(chord2: float, distance_m: float) -> bool:
    """Whether it takes no arc to say that `metres_of_chord2` is at most a distance. False may also be: perhaps.

    The arc of a short chord is longer by less than a part in a hundred thousand.
    """
    return bool(chord2 < _SHORT_CHORD2 and chord2 * _SURELY_M2 < distance_m * distance_m and distance_m > 0.0)


@kernel
def chord2_of_metres(distance_m: float) -> float:
    """The squared straight distance of unit vectors that lie so far apart along the sphere; 4 from the antipode on."""
    half = min(0.5 * math.pi, 0.5 * distance_m / EARTH_RADIUS_M)
    return (2.0 * math.sin(half)) ** 2


@inner_kernel
def face_uv(x: float, y: float, z: float) -> tuple[int, float, float]:
    """The face of the cube that a vector points at, and where on it, each coordinate in [-1, 1]."""
    ax, ay, az = abs(x), abs(y), abs(z)
    if ax > ay and ax > az:
        return (0, y / x, z / x) if x > 0 else (3, z / x, y / x)
    if ay > az and ay >= ax:
        return (1, -x / y, z / y) if y > 0 else (4, z / y, -x / y)
    return (2, -x / z, -y / z) if z > 0 else (5, -y / z, -x / z)


@inner_kernel
def xyz_of_face_uv(face: int, u: float, v: float) -> tuple[float, float, float]:
    """The vector to a point of a face; its length is not 1."""
    across, along, depth = _ACROSS[face], _ALONG[face], _DEPTH[face]
    return (
        depth[0] + u * across[0] + v * along[0],
        depth[1] + u * across[1] + v * along[1],
        depth[2] + u * across[2] + v * along[2],
    )


@inner_kernel
def st_of_uv(u: float) -> float:
    if u >= 0:
        return 0.5 * math.sqrt(1.0 + 3.0 * u)
    return 1.0 - 0.5 * math.sqrt(1.0 - 3.0 * u)


@inner_kernel
def uv_of_st(s: float) -> float:
    if s >= 0.5:
        return (1.0 / 3.0) * (4.0 * s * s - 1.0)
    return (1.0 / 3.0) * (1.0 - 4.0 * (1.0 - s) * (1.0 - s))


@inner_kernel
def leaf_ij(s: float) -> int:
    """The row or column of the leaf cell that holds s."""
    return max(0, min(SIZE_MAX - 1, math.floor(SIZE_MAX * s)))


@inner_kernel
def leaf_of_ij(face: int, i: int, j: int) -> int:
    """The id of the leaf cell in column i and row j of a face."""
    pos = face << 60
    turned = face & _SWAP
    for k in range(7, -1, -1):
        found = _TO_POS[((i >> (4 * k)) & 15) << 6 | ((j >> (4 * k)) & 15) << 2 | turned]
        pos |= int(found >> 2) << (8 * k)
        turned = int(found & 3)
    return pos * 2 + 1


@inner_kernel
def ij_of(cell: int) -> tuple[int, int, int]:
    """The face of a cell, and column and row of a leaf inside it."""
    face = (cell >> 61) & 7
    i, j, turned = 0, 0, face & _SWAP
    for k in range(7, -1, -1):
        mask = 15 if k == 7 else 255
        found = _TO_IJ[((cell >> (8 * k + 1)) & mask) << 2 | turned]
        i |= int(found >> 6) << (4 * k)
        j |= int((found >> 2) & 15) << (4 * k)
        turned = int(found & 3)
    return face, i, j


@inner_kernel
def level_of_cell(cell: int) -> int:
    level = LEVEL_MAX
    while level > 0 and cell & 1 == 0:
        cell >>= 2
        level -= 1
    return level


@inner_kernel
def ancestor(cell: int, level: int) -> int:
    """The cell of a level, not finer than the given one, that holds it."""
    end = 1 << (2 * (LEVEL_MAX - level))
    return (cell & -end) | end


@inner_kernel
def cell_at_xyz(x: float, y: float, z: float, level: int) -> int:
    """The cell of a level that a vector points at."""
    face, u, v = face_uv(x, y, z)
    return ancestor(leaf_of_ij(face, leaf_ij(st_of_uv(u)), leaf_ij(st_of_uv(v))), level)


@kernel
def cell_at(lat_deg: float, lng_deg: float, level: int) -> int:
    """The cell of a level at a place; 0, which is no cell, when a coordinate is not finite."""
    if not (math.isfinite(lat_deg) and math.isfinite(lng_deg)):
        return 0
    x, y, z = unit_xyz(lat_deg, lng_deg)
    return cell_at_xyz(x, y, z, level)


@kernel
def fill_cells(lat_deg: F64, lng_deg: F64, level: int, cell: U64) -> None:
    """Writes `cell_at` of each place."""
    for i in range(lat_deg.size):
        cell[i] = np.uint64(cell_at(lat_deg[i], lng_deg[i], level))


@inner_kernel
def corner_ij(cell: int) -> tuple[int, int, int, int]:
    """Face, first column, first row, and how many columns and rows of leaf cells a cell spans."""
    face, i, j = ij_of(cell)
    size = 1 << (LEVEL_MAX - level_of_cell(cell))
    return face, i & -size, j & -size, size


@inner_kernel
def xyz_in_cell(cell: int, right: float, up: float) -> tuple[float, float, float]:
    """The vector to a point of a cell, `right` and `up` in [0, 1] across its width and height; not of length 1."""
    face, i, j, size = corner_ij(cell)
    return xyz_of_face_uv(face, uv_of_st((i + right * size) / SIZE_MAX), uv_of_st((j + up * size) / SIZE_MAX))


@inner_kernel
def centre_xyz(x: float, y: float, z: float, level: int) -> tuple[float, float, float]:
    """The unit vector to the centre of the cell of a level that a vector points at."""
    x, y, z = xyz_in_cell(cell_at_xyz(x, y, z, level), 0.5, 0.5)
    scale = 1.0 / math.sqrt(x * x + y * y + z * z)
    return x * scale, y * scale, z * scale


@kernel
def degrees_in_cell(cell: int, right: float, up: float) -> tuple[float, float]:
    """Latitude and longitude of a point of a cell."""
    x, y, z = xyz_in_cell(cell, right, up)
    return degrees_of(x, y, z)


@inner_kernel
def leaf_beside(face: int, i: int, j: int) -> int:
    """The leaf cell in a column and row that may lie beyond the face's edge, then on the face that begins there.

    The point is put only just outside, where both faces agree on the other coordinate.
    """
    if 0 <= i < SIZE_MAX and 0 <= j < SIZE_MAX:
        return leaf_of_ij(face, i, j)
    u = max(-_JUST_OUTSIDE, min(_JUST_OUTSIDE, (2.0 * i + 1.0 - SIZE_MAX) / SIZE_MAX))
    v = max(-_JUST_OUTSIDE, min(_JUST_OUTSIDE, (2.0 * j + 1.0 - SIZE_MAX) / SIZE_MAX))
    x, y, z = xyz_of_face_uv(face, u, v)
    other, u, v = face_uv(x, y, z)
    return leaf_of_ij(other, leaf_ij(0.5 * (u + 1.0)), leaf_ij(0.5 * (v + 1.0)))


@kernel
def fill_neighbours(cell: int, neighbour: U64) -> None:
    """Writes the cells to the eight sides of a cell; around a corner of the cube some come twice."""
    face, i, j, size = corner_ij(cell)
    level = level_of_cell(cell)
    n = 0
    for right in range(-1, 2):
        for up in range(-1, 2):
            if right != 0 or up != 0:
                neighbour[n] = np.uint64(ancestor(leaf_beside(face, i + right * size, j + up * size), level))
                n += 1


@inner_kernel
def chord2_to_edge(across: float, along: float, depth: float, at: float, low: float, high: float) -> float:
    """The squared chord from a unit vector to one edge of a cell, in the frame of the cell's face.

    The edge lies in the plane across = at * depth, from along = low * depth to high * depth.
    """
    scale = 1.0 / math.sqrt(1.0 + at * at)
    off = (across - at * depth) * scale
    foot_depth = depth + off * at * scale
    if foot_depth > 0 and low * foot_depth <= along <= high * foot_depth:
        return 2.0 * off * off / (1.0 + math.sqrt(max(0.0, 1.0 - off * off)))
    best = 4.0
    for end in (low, high):
        norm = 1.0 / math.sqrt(1.0 + at * at + end * end)
        best = min(best, (across - at * norm) ** 2 + (along - end * norm) ** 2 + (depth - norm) ** 2)
    return best


@inner_kernel
def chord2_to_cell(cell: int, x: float, y: float, z: float) -> float:
    """The squared chord from a unit vector to the nearest point of a cell; 0 inside. Edges are great circles.

    The way to the nearest point enters the cell there, so it lies on an edge whose outer side the vector is on.
    """
    face, i, j, size = corner_ij(cell)
    across = x * _ACROSS[face, 0] + y * _ACROSS[face, 1] + z * _ACROSS[face, 2]
    along = x * _ALONG[face, 0] + y * _ALONG[face, 1] + z * _ALONG[face, 2]
    depth = x * _DEPTH[face, 0] + y * _DEPTH[face, 1] + z * _DEPTH[face, 2]
    left, right = uv_of_st(i / SIZE_MAX), uv_of_st((i + size) / SIZE_MAX)
    low, high = uv_of_st(j / SIZE_MAX), uv_of_st((j + size) / SIZE_MAX)
    best = -1.0
    if across < left * depth:
        best = chord2_to_edge(across, along, depth, left, low, high)
    elif across > right * depth:
        best = chord2_to_edge(across, along, depth, right, low, high)
    if along < low * depth:
        other = chord2_to_edge(along, across, depth, low, left, right)
        best = other if best < 0 else min(best, other)
    elif along > high * depth:
        other = chord2_to_edge(along, across, depth, high, left, right)
        best = other if best < 0 else min(best, other)
    return max(best, 0.0)


@making_kernel
def fill_roots(x: float, y: float, z: float, radius_m: float, level: int, waiting: I64) -> int:
    """Writes cells that hold the whole cap around a unit vector, the last on the curve first; gives how many.

    The cell of the centre and those beside it, of a level at which every cell is wider than the radius; the faces of
    the cube when there is none.
    """
    coarse = 0
    while coarse < level and _WIDTH_MIN_M / (2 << coarse) > _WIDER * radius_m:
        coarse += 1
    if coarse == 0:
        for face in range(6):
            waiting[face] = ((5 - face) << 61) | (1 << 60)
        return 6
    beside = np.empty(9, np.uint64)
    centre = cell_at_xyz(x, y, z, coarse)
    fill_neighbours(centre, beside)
    beside[8] = np.uint64(centre)
    found = 0
    for k in range(9):
        place = found
        while place > 0 and np.uint64(waiting[place - 1]) < beside[k]:
            place -= 1
        if place > 0 and np.uint64(waiting[place - 1]) == beside[k]:
            continue
        for moved in range(found, place, -1):
            waiting[moved] = waiting[moved - 1]
        waiting[place] = np.int64(beside[k])
        found += 1
    return found


@making_kernel
def fill_cover(x: float, y: float, z: float, radius_m: float, level: int, cell: U64, chord2: F64) -> int:
    """Writes every cell of a level that meets the cap around a unit vector, in the order of the curve.

    Beside it how far it is: the squared chord to its nearest point. Gives how many there are, or -1 when they are more
    than `cell` holds. A cell that misses the cap by less than 10 nanometres counts as met.
    """
    limit = (math.sqrt(chord2_of_metres(radius_m)) + _CHORD_SLACK) ** 2
    waiting = np.empty(9 + 3 * LEVEL_MAX, np.int64)
    depth = fill_roots(x, y, z, radius_m, level, waiting)
    found = 0
    while depth > 0:
        depth -= 1
        current = waiting[depth]
        nearest = chord2_to_cell(current, x, y, z)
        if nearest > limit:
            continue
        if level_of_cell(current) == level:
            if found == cell.size:
                return -1
            cell[found] = np.uint64(current)
            chord2[found] = nearest
            found += 1
            continue
        quarter = (current & -current) >> 2
        for child in range(3, -1, -1):
            waiting[depth] = current + (2 * child - 3) * quarter
            depth += 1
    return found


ALL = (
    unit_xyz, degrees_of, metres_of_chord2, is_surely_within, chord2_of_metres, face_uv, xyz_of_face_uv, st_of_uv,
    uv_of_st, leaf_ij, leaf_of_ij, ij_of, level_of_cell, ancestor, cell_at_xyz, cell_at, fill_cells, corner_ij,
    xyz_in_cell, centre_xyz, degrees_in_cell, leaf_beside, fill_neighbours, chord2_to_edge, chord2_to_cell,
    fill_roots, fill_cover,
)  # fmt: skip
