"""Who is to be seen, at the places that others may see: those the index holds.

Nothing here, nor in `nearest`, is a function of another place: neither who is found, nor the order, nor a distance. So
where strangers are seen at coarse places, no number of questions from different ones adds up to more than the coarse
cell.
"""
# ruff: noqa: PLR0917 - kernels call each other by position

from __future__ import annotations

import numpy as np

from overworld.domains.world.engine.cell_index import NOWHERE, Cells, find
from overworld.geo.columns import F64, I32, I64, U64
from overworld.geo.compiled import kernel
from overworld.geo.kernels import chord2_to_cell, degrees_of, xyz_in_cell

_TIE = 1e-6  # cells that touch the same corner are equally far; their centres then decide


@kernel
def fill_present(cells: Cells, cell: U64, per_cell_max: int, slot: I32, lat_deg: F64, lng_deg: F64) -> int:
    """Writes who is in some room cells, and where; gives how many. Of a crowded cell it takes the first."""
    found = 0
    for k in range(cell.size):
        i = find(cells.entry, int(np.int64(cell[k])))
        if i == NOWHERE:
            continue
        for row in range(cells.cell[i].start, cells.cell[i].start + min(cells.cell[i].taken, per_cell_max)):
            if found == slot.size:
                return found
            slot[found] = cells.row[row].slot
            lat_deg[found], lng_deg[found] = degrees_of(cells.row[row].x, cells.row[row].y, cells.row[row].z)
            found += 1
    return found


def nearest_first(cell: U64, x: float, y: float, z: float) -> I64:
    """The order of cells by the distance of their nearest point from a unit vector, then of their centres, (n,)."""
    distance = np.empty(cell.size)
    fill_distances(cell, x, y, z, distance)
    return distance.argsort(kind="stable")


@kernel
def fill_distances(cell: U64, x: float, y: float, z: float, distance: F64) -> None:
    """Writes numbers that order cells as `nearest_first` does."""
    for k in range(cell.size):
        bits = int(np.int64(cell[k]))
        at_x, at_y, at_z = xyz_in_cell(bits, 0.5, 0.5)
        cosine = (at_x * x + at_y * y + at_z * z) / np.sqrt(at_x * at_x + at_y * at_y + at_z * at_z)
        distance[k] = chord2_to_cell(bits, x, y, z) + _TIE * (1.0 - cosine)


ALL = (fill_present, fill_distances)
