"""S2 cells: 64-bit ids that tile the sphere in 31 levels, for single places and for columns.

An id is a Python int or a uint64 column; every id of a level is smaller than those of the cells after it on the
Hilbert curve. Bit-exact with s2geometry. Positions are degrees, and no place is special: not the poles, not the
date line, not the cube's edges.
Source: s2geometry.io, "S2 Cells".
"""

from __future__ import annotations

import math
import re

import numpy as np

from overworld.geo import kernels
from overworld.geo.columns import F64, U64

LEVEL_MAX = kernels.LEVEL_MAX
LAT_MAX_DEG = 90.0
CELL_MAX = (6 << 61) - 1
_ENDS = 0x1555_5555_5555_5555
_TOKEN = re.compile(r"[0-9a-f]{0,15}[1-9a-f]", re.ASCII)
_EDGE_MARGIN = 2.0**-16


def cell_of(lat_deg: float, lng_deg: float, level: int) -> int:
    """The cell of a level at a place. Longitudes may run past 180.

    Raises: ValueError when a coordinate is not finite, the latitude is off the sphere, or the level is not 0-30.
    """
    _require_place(lat_deg, lng_deg)
    _require_level(level)
    return int(kernels.cell_at(float(lat_deg), float(lng_deg), level)) & 2**64 - 1


def cells_of(lat_deg: F64, lng_deg: F64, level: int) -> U64:
    """The cells of a level at many places, aligned with them, (n,); 0 where a coordinate is not finite.

    Raises: ValueError when the columns differ in length or the level is not 0-30.
    """
    _require_level(level)
    lat_deg, lng_deg = np.ascontiguousarray(lat_deg, np.float64), np.ascontiguousarray(lng_deg, np.float64)
    if lat_deg.ndim != 1 or lat_deg.shape != lng_deg.shape:
        raise ValueError(f"columns are not aligned: {lat_deg.shape} and {lng_deg.shape}")
    cell = np.empty(lat_deg.size, np.uint64)
    kernels.fill_cells(_writable(lat_deg), _writable(lng_deg), level, cell)
    return cell


def is_valid(cell: int) -> bool:
    """Whether a number is the id of a cell."""
    return 0 < cell <= CELL_MAX and (cell & -cell & _ENDS) != 0


def level_of(cell: int) -> int:
    """0 for a face of the cube to 30 for a leaf of about a square centimetre."""
    return LEVEL_MAX - (cell & -cell).bit_length() // 2


def parent(cell: int, level: int) -> int:
    """The cell of a coarser (or the same) level that holds a cell.

    Raises: ValueError when the level is finer than the cell's.
    """
    if not 0 <= level <= level_of(cell):
        raise ValueError(f"a cell of level {level_of(cell)} has no parent of level {level}")
    end = 1 << 2 * (LEVEL_MAX - level)
    return cell & -end | end


def parents(cell: U64, level: int) -> U64:
    """The cells of a level that hold the given ones, (n,); none of them may be coarser."""
    end = np.uint64(1 << 2 * (LEVEL_MAX - level))
    return cell & ~(end - np.uint64(1)) & ~end | end


def token(cell: int) -> str:
    """The id in hexadecimal without its trailing zeros: how cells are written in channels and events."""
    return format(cell, "016x").rstrip("0")


def from_token(text: str) -> int:
    """The cell of a token.

    Only the one form that `token` gives is read, so that two names never mean one cell; no cell (`X`) is refused.
    Raises: ValueError.
    """
    cell = int(text.ljust(16, "0"), 16) if _TOKEN.fullmatch(text) else 0
    if not is_valid(cell):
        raise ValueError(f"not a cell token: {text[:40]!r}")
    return cell


def centre_deg(cell: int) -> tuple[float, float]:
    """Latitude and longitude of a cell's centre (S2's: the middle in the cell's own coordinates)."""
    return kernels.degrees_in_cell(_bits(cell), 0.5, 0.5)


def vertices_deg(cell: int) -> tuple[tuple[float, float], ...]:
    """The four corners of a cell, counter-clockwise as seen from above."""
    corners = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
    return tuple(kernels.degrees_in_cell(_bits(cell), right, up) for right, up in corners)


def uniform_point_in(cell: int, u: float, v: float) -> tuple[float, float]:
    """A point inside a cell from two numbers in [0, 1): even draws fill the cell evenly.

    It keeps a 65,536th of the cell's width from the edges, so that rounding never puts it into the next cell.
    Even to 1 % at level 8 and better at finer ones.
    """
    inner = 1.0 - 2.0 * _EDGE_MARGIN
    return kernels.degrees_in_cell(_bits(cell), _EDGE_MARGIN + inner * u, _EDGE_MARGIN + inner * v)


def neighbours(cell: int) -> list[int]:
    """The cells of the same level that share an edge or a corner with one, sorted, without itself.

    Eight; seven at the corners of the cube, and four for a whole face.
    """
    beside = np.empty(8, np.uint64)
    kernels.fill_neighbours(_bits(cell), beside)
    return sorted(set(beside.tolist()))


def cover_cap(lat_deg: float, lng_deg: float, radius_m: float, level: int, cells_max: int) -> list[int]:
    """Every cell of a level that meets the disc around a place, and no other, sorted.

    A cell that misses the disc by less than 10 nanometres counts as met.
    Raises: ValueError when there are more than `cells_max`, and for places, radii and levels that are none.
    """
    _require_place(lat_deg, lng_deg)
    _require_level(level)
    if not 0 <= radius_m < math.inf:
        raise ValueError(f"not a radius: {radius_m} m")
    x, y, z = kernels.unit_xyz(float(lat_deg), float(lng_deg))
    met = np.empty(cells_max, np.uint64)
    count = kernels.fill_cover(x, y, z, float(radius_m), level, met, np.empty(cells_max))
    if count < 0:
        raise ValueError(f"more than {cells_max} cells of level {level} meet a disc of {radius_m} m")
    found: list[int] = met[:count].tolist()
    return found


def warm() -> None:
    """Compiles, or loads from the cache, everything here that compiles. Before it the first calls wait for that."""
    cell = cell_of(0.0, 0.0, 15)
    cells_of(np.zeros(1), np.zeros(1), 15)
    centre_deg(cell)
    neighbours(cell)
    cover_cap(0.0, 0.0, 100.0, 15, 16)


def _bits(cell: int) -> int:
    """The id as kernels hold it: the same 64 bits, signed."""
    if not is_valid(cell):
        raise ValueError(f"not a cell: {cell}")
    return cell - 2**64 if cell >= 2**63 else cell


def _writable(column: F64) -> F64:
    """Kernels are compiled for writable columns; a read-only one would be another type and compile again."""
    return column if column.flags.writeable else column.copy()


def _require_place(lat_deg: float, lng_deg: float) -> None:
    if not (abs(lat_deg) <= LAT_MAX_DEG and math.isfinite(lng_deg)):
        raise ValueError(f"not a place: {lat_deg}, {lng_deg}")


def _require_level(level: int) -> None:
    if not 0 <= level <= LEVEL_MAX:
        raise ValueError(f"not a level: {level}")
