"""Who is to be seen, as strangers may see it: every place is the centre of a coarse cell.

Nothing here is a function of an exact place: neither who is found, nor the order, nor a distance. So no number of
questions from different places adds up to more than the coarse cell.
"""
# ruff: noqa: PLR0917 - kernels call each other by position

from __future__ import annotations

import math

import numpy as np

from overworld.domains.world.engine.cell_index import NOWHERE, Cells, find
from overworld.geo.columns import F64, I32, U64
from overworld.geo.compiled import kernel
from overworld.geo.kernels import (
    cell_at_xyz,
    chord2_of_metres,
    degrees_of,
    metres_of_chord2,
    xyz_in_cell,
)


@kernel
def coarse_xyz(x: float, y: float, z: float, level: int) -> tuple[float, float, float]:
    """The unit vector to the centre of the cell of a level that holds a place."""
    x, y, z = xyz_in_cell(cell_at_xyz(x, y, z, level), 0.5, 0.5)
    scale = 1.0 / math.sqrt(x * x + y * y + z * z)
    return x * scale, y * scale, z * scale


@kernel
def fill_present(
    cells: Cells, cell: U64, per_cell_max: int, coarse_level: int, slot: I32, lat_deg: F64, lng_deg: F64
) -> int:
    """Writes who is in some room cells, with coarse places; gives how many. Of a crowded cell it takes the first."""
    found = 0
    for k in range(cell.size):
        i = find(cells.entry, int(np.int64(cell[k])))
        if i == NOWHERE:
            continue
        for row in range(cells.cell[i].start, cells.cell[i].start + min(cells.cell[i].taken, per_cell_max)):
            if found == slot.size:
                return found
            x, y, z = coarse_xyz(cells.row[row].x, cells.row[row].y, cells.row[row].z, coarse_level)
            slot[found] = cells.row[row].slot
            lat_deg[found], lng_deg[found] = degrees_of(x, y, z)
            found += 1
    return found


@kernel
def fill_near(
    cells: Cells, cell: U64, x: float, y: float, z: float, radius_m: float, coarse_level: int, per_cell_max: int,
    slot: I32, distance_m: F64, lat_deg: F64, lng_deg: F64,
) -> int:  # fmt: skip
    """Writes who has its coarse place within a radius of (x, y, z), among those in some room cells; gives how many."""
    limit = chord2_of_metres(radius_m)
    found = 0
    for k in range(cell.size):
        i = find(cells.entry, int(np.int64(cell[k])))
        if i == NOWHERE:
            continue
        for row in range(cells.cell[i].start, cells.cell[i].start + min(cells.cell[i].taken, per_cell_max)):
            if found == slot.size:
                return found
            at_x, at_y, at_z = coarse_xyz(cells.row[row].x, cells.row[row].y, cells.row[row].z, coarse_level)
            chord2 = (at_x - x) ** 2 + (at_y - y) ** 2 + (at_z - z) ** 2
            if chord2 <= limit:
                slot[found] = cells.row[row].slot
                distance_m[found] = metres_of_chord2(chord2)
                lat_deg[found], lng_deg[found] = degrees_of(at_x, at_y, at_z)
                found += 1
    return found


ALL = (coarse_xyz, fill_present, fill_near)
