"""All fences by the cells they meet: what a place is near is found with one search, and mostly with none.

The cells of all fences make a forest, for of two S2 cells that meet one holds the other. Laid out along the curve they
cut it into ranges; each range knows the smallest cell around it, each cell the fences that chose it and the next larger
cell. Nothing is copied from large cells into small ones, so nested fences cost no more than they are.
Source: the layout is that of S2CellIndex in s2geometry.
"""
# ruff: noqa: PLR0917 - kernels call each other by position

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from overworld.domains.world.fences.covering import INSIDE, Covering
from overworld.domains.world.fences.shapes import Drawn
from overworld.geo.columns import F64, I32, I64
from overworld.geo.compiled import inner_kernel, threaded_kernel
from overworld.geo.kernels import cell_at_xyz, corner_ij

SIGN = -(2**63)
"""Turned in a cell's bits, it makes signed numbers compare as the ids do."""

NOTHING = -1
_LEAF = 30
_FIRST, _LAST = -(2**63), 2**63 - 1

# A fence as the kernels see it: its frame, a circle's squared chord (-1 for polygons), how long dwelling is (0: none).
FENCE = np.dtype(
    [(name, "<f8") for name in ("x", "y", "z", "ux", "uy", "uz", "vx", "vy", "vz", "chord2", "reach")]
    + [("dwell_us", "<i8")]
)
# One cell of one fence: as `Covering` has it; its edges are rows of `edge`.
ENTRY = np.dtype(
    [("u", "<f8"), ("v", "<f8"), ("edge", "<i4"), ("edges", "<i4"), ("fence", "<i4"), ("kind", "u1"), ("inside", "u1"),
     ("spare", "<u2")]
)  # fmt: skip
# The same cell as columns and rows of leaf cells of its face, from the first on, `size` each way; and how many edges
# run through it, or `NOTHING` for one that needs no test.
BOX = np.dtype([(name, "<i4") for name in ("i", "j", "size", "edges")])
# One cell of any: the next larger one, and its entries.
NODE = np.dtype([("parent", "<i4"), ("entry", "<i4"), ("entries", "<i4")])


class Columns(NamedTuple):
    """The index as the kernels take it. `start` has the first key of each range, and the end; `node` the cell there,
    and `begun` how many entries, in their order, are of cells that begin there or before. `box` lies beside `entry`.
    """

    start: I64
    node: I32
    begun: I32
    cell: NDArray[Any]
    entry: NDArray[Any]
    box: NDArray[Any]
    edge: F64
    fence: NDArray[Any]


class Listed(Struct, frozen=True):
    """A fence in the index: what events say of it, and what it is judged by."""

    id: UUID
    name: str
    shape_number: int
    dwell_s: int | None
    shape: Drawn
    covering: Covering


class Index(Struct, frozen=True):
    """Every fence in its row, or None in a row that is free; `row` finds it by its id."""

    listed: tuple[Listed | None, ...]
    row: dict[UUID, int]
    columns: Columns

    @property
    def is_empty(self) -> bool:
        """Whether there are no fences at all."""
        return not self.row


def empty() -> Index:
    """An index without fences."""
    return built([])


def built(fences: Sequence[Listed], *, before: Index | None = None) -> Index:
    """The index of some fences; those that were there before keep their rows, and no row of one that goes is reused.

    Takes a third of a second for 10,000 fences, most of it without the interpreter's lock: call it in a thread.
    """
    listed = _rows(fences, before)
    row = {one.id: i for i, one in enumerate(listed) if one is not None}
    ordered = [(i, one) for i, one in enumerate(listed) if one is not None]
    cell, owner = _joined(ordered)
    entry, edge = _entries(ordered, owner)
    low, size = (cell - ((cell & -cell) - 1)) ^ SIGN, cell & -cell
    order = np.lexsort((-size, low))
    cell, entry = cell[order], entry[order]
    is_first = np.ones(cell.size, np.bool_)
    is_first[1:] = cell[1:] != cell[:-1]
    first = np.flatnonzero(is_first)
    nodes = np.zeros(first.size, NODE)
    nodes["entry"], nodes["entries"] = first, np.diff(np.append(first, cell.size))
    start = np.empty(2 * first.size + 2, np.int64)
    at, begun = np.empty(start.size, np.int32), np.empty(start.size, np.int32)
    count = fill_ranges(cell[first], nodes, start, at, begun)
    ends = np.append(first, cell.size).astype(np.int32)
    ranges = start[: count + 1].copy(), at[:count].copy(), ends[begun[:count]]
    box = np.empty(entry.size, BOX)
    fill_boxes(cell, entry, box)
    columns = Columns(*ranges, nodes, entry, box, edge, _fences(listed))
    return Index(tuple(listed), row, columns)


def _rows(fences: Sequence[Listed], before: Index | None) -> list[Listed | None]:
    """Old fences where they were, new ones in rows that were free before, or behind."""
    known = before.row if before else {}
    listed: list[Listed | None] = [None] * (len(before.listed) if before else 0)
    free = [i for i, one in enumerate(before.listed) if one is None] if before else []
    for one in fences:
        if one.id in known:
            listed[known[one.id]] = one
        elif free:
            listed[free.pop()] = one
        else:
            listed.append(one)
    return listed


def _joined(ordered: Sequence[tuple[int, Listed]]) -> tuple[I64, I32]:
    none = np.empty(0, np.int64)
    cell = np.concatenate([none, *(one.covering.cell for _, one in ordered)])
    rows = np.array([i for i, _ in ordered], np.int32)
    return cell, np.repeat(rows, [one.covering.cell.size for _, one in ordered])


def _entries(ordered: Sequence[tuple[int, Listed]], owner: I32) -> tuple[NDArray[Any], F64]:
    """The entries of all fences in the order of `_joined`, and their edges side by side."""
    entry = np.zeros(owner.size, ENTRY)
    entry["fence"] = owner
    coverings = [one.covering for _, one in ordered]
    if coverings:
        entry["kind"] = np.concatenate([one.kind for one in coverings])
        entry["inside"] = np.concatenate([one.inside for one in coverings])
        entry["u"], entry["v"] = np.concatenate([one.point for one in coverings]).T
        counts = np.concatenate([np.diff(one.first) for one in coverings])
        entry["edges"] = counts
        entry["edge"] = np.cumsum(counts) - counts
    edges = [one.shape.plane[one.covering.edge] for _, one in ordered]
    return entry, np.concatenate([np.empty((0, 4)), *edges])


def _fences(listed: Sequence[Listed | None]) -> NDArray[Any]:
    fence = np.zeros(max(1, len(listed)), FENCE)
    for i, one in enumerate(listed):
        if one is not None:
            frame = tuple(one.shape.frame.ravel().tolist())
            fence[i] = (*frame, one.shape.chord2, one.shape.reach, 1_000_000 * (one.dwell_s or 0))
    return fence


@threaded_kernel
def fill_ranges(cell: I64, nodes: NDArray[Any], start: I64, at: I32, begun: I32) -> int:
    """Writes the ranges that cells in order cut the curve into, how many cells have begun by then, and the parents of
    the cells; gives how many ranges.
    """
    stack = np.empty(32, np.int64)
    depth = 0
    start[0], at[0], begun[0] = _FIRST, NOTHING, 0
    count = 1
    for k in range(cell.size + 1):
        low = _LAST
        if k < cell.size:
            low = (cell[k] - ((cell[k] & -cell[k]) - 1)) ^ SIGN
        while depth > 0:
            top = cell[stack[depth - 1]]
            end = (top + ((top & -top) - 1)) ^ SIGN
            if end >= low:
                break
            depth -= 1
            count = begin(start, at, begun, count, end + 1, stack[depth - 1] if depth > 0 else NOTHING, k)
        if k < cell.size:
            nodes[k].parent = stack[depth - 1] if depth > 0 else NOTHING
            stack[depth] = k
            depth += 1
            count = begin(start, at, begun, count, low, k, k + 1)
    start[count] = _LAST
    return count


@inner_kernel
def begin(start: I64, at: I32, begun: I32, count: int, key: int, node: int, cells: int) -> int:
    """Begins a range, after so many cells; one that begins where the last one did takes its place."""
    if start[count - 1] == key:
        count -= 1
    start[count], at[count], begun[count] = key, node, cells
    return count + 1


@threaded_kernel
def fill_boxes(cell: I64, entry: NDArray[Any], box: NDArray[Any]) -> None:
    """Writes the boxes of entries, whose cells are aligned with them."""
    for k in range(cell.size):
        _, box[k].i, box[k].j, box[k].size = corner_ij(cell[k])
        box[k].edges = entry[k].edges if entry[k].kind != INSIDE else NOTHING


@inner_kernel
def leaf_key(x: float, y: float, z: float) -> int:
    """Where on the curve a unit vector lies."""
    return cell_at_xyz(x, y, z, _LEAF) ^ SIGN


@inner_kernel
def range_of(start: I64, key: int) -> int:
    """The range that holds a key."""
    return range_between(start, key, 0, start.size - 2)


@inner_kernel
def range_near(start: I64, key: int, near: int) -> int:
    """The same, found soonest where it is near another range, or -1 for none."""
    if near < 0:
        return range_of(start, key)
    low, high, step = near, near, 1
    while start[low] > key:
        high, low, step = low - 1, max(0, low - step), 2 * step
    while high < start.size - 2 and start[high + 1] <= key:
        low, high, step = high + 1, min(start.size - 2, high + step), 2 * step
    return range_between(start, key, low, high)


@inner_kernel
def range_between(start: I64, key: int, low: int, high: int) -> int:
    """The range that holds a key, if it is one of these."""
    while low < high:
        middle = (low + high + 1) >> 1
        if start[middle] <= key:
            low = middle
        else:
            high = middle - 1
    return low


ALL = (fill_ranges, fill_boxes, begin, leaf_key, range_of, range_near, range_between)
