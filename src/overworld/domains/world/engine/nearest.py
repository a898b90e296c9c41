"""The nearest players to a place: only the winners leave the kernel, in order, with their ids as text.

Cells are looked at nearest first, in a heap, and so is a bounded heap of the best rows so far. When it is full, what
lies beyond its worst is skipped, a whole cell at a time: in a dense city a few cells answer. Distances are rounded
before they are compared, and equal ones go by id, so pages join without a gap wherever they end.
"""
# ruff: noqa: PLR0917, PLR2004 - kernels call each other by position

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from overworld.domains.world.engine.cell_index import NOWHERE, Cells, find
from overworld.geo.columns import F64, I64, U8, U64
from overworld.geo.compiled import inner_kernel, kernel
from overworld.geo.kernels import chord2_of_metres, degrees_of, fill_cover, metres_of_chord2

ID_CHARACTERS = 36
FOUND = np.dtype([("distance_m", "<f8"), ("high", "<u8"), ("low", "<u8"), ("row", "<i8")])

_CHORD_SLACK = 1e-12  # a few micrometres: more than rounding can move a row or the edge of a cell
_BYTES, _PAIRS = np.uint64(0x00FF00FF00FF00FF), np.uint64(0x0000FFFF0000FFFF)
_DASH, _ZERO, _BEFORE_A = ord("-"), ord("0"), ord("a") - 10


class Asked(NamedTuple):
    """What is asked, as kernels take it.

    Distances are rounded to `step_m / per_step` (two numbers, so that tenths of a metre come out as the nearest float).
    Entries from (`from_m`, id of the words `from_high`, `from_low`) on are given.
    """

    x: float
    y: float
    z: float
    radius_m: float
    level: int
    per_cell_max: int
    viewer: int
    step_m: float
    per_step: float
    from_m: float
    from_high: np.uint64
    from_low: np.uint64


class Scratch(NamedTuple):
    """What a search writes into: the cells it meets, and the squared chord and number of each."""

    cell: U64
    chord2: F64
    number: I64


@inner_kernel
def number_of(word: np.uint64) -> np.uint64:
    """The number that eight bytes write, the first one highest, from their word in this machine's order."""
    word = ((word & _BYTES) << np.uint64(8)) | ((word >> np.uint64(8)) & _BYTES)
    word = ((word & _PAIRS) << np.uint64(16)) | ((word >> np.uint64(16)) & _PAIRS)
    return (word << np.uint64(32)) | (word >> np.uint64(32))


@inner_kernel
def is_before(found: NDArray[Any], a: int, b: int) -> bool:
    """Whether one entry comes before another: by rounded distance, then by id."""
    if found[a].distance_m != found[b].distance_m:
        return bool(found[a].distance_m < found[b].distance_m)
    if found[a].high != found[b].high:
        return bool(found[a].high < found[b].high)
    return bool(found[a].low < found[b].low)


@inner_kernel
def swap(found: NDArray[Any], a: int, b: int) -> None:
    moved = found[a].distance_m, found[a].high, found[a].low, found[a].row
    found[a] = found[b]
    found[b].distance_m, found[b].high, found[b].low, found[b].row = moved


@inner_kernel
def sink_last(found: NDArray[Any], place: int, count: int) -> None:
    """Restores a heap with the last entry on top after its entry at `place` came before those beneath."""
    while True:
        child = 2 * place + 1
        if child >= count:
            return
        if child + 1 < count and is_before(found, child, child + 1):
            child += 1
        if not is_before(found, place, child):
            return
        swap(found, place, child)
        place = child


@inner_kernel
def sink_near(chord2: F64, number: I64, place: int, count: int) -> None:
    """Restores the heap of cells, the nearest on top, after the one at `place` became farther."""
    while True:
        child = 2 * place + 1
        if child >= count:
            return
        if child + 1 < count and chord2[child + 1] < chord2[child]:
            child += 1
        if chord2[place] <= chord2[child]:
            return
        chord2[place], chord2[child] = chord2[child], chord2[place]
        number[place], number[child] = number[child], number[place]
        place = child


@inner_kernel
def heap_cells(cells: Cells, asked: Asked, scratch: Scratch) -> int:
    """Fills the heap of the cells within the radius in which there is somebody; gives how many, or -1 for too many."""
    met = fill_cover(asked.x, asked.y, asked.z, asked.radius_m, asked.level, scratch.cell, scratch.chord2)
    count = 0
    for k in range(met):
        i = find(cells.entry, int(np.int64(scratch.cell[k])))
        if i != NOWHERE and cells.cell[i].taken > 0:
            scratch.chord2[count] = scratch.chord2[k]
            scratch.number[count] = i
            count += 1
    for place in range(count // 2 - 1, -1, -1):
        sink_near(scratch.chord2, scratch.number, place, count)
    return count if met >= 0 else -1


@inner_kernel
def reach_of(worst_m: float, step_m: float, per_step: float) -> float:
    """The squared chord within which everything lies that rounds to a distance or less."""
    edge_m = worst_m + 0.5 * step_m / per_step
    return (math.sqrt(chord2_of_metres(edge_m)) + _CHORD_SLACK) ** 2


@inner_kernel
def put(found: NDArray[Any], count: int, distance_m: float, high: np.uint64, low: np.uint64, row: int) -> int:
    """Takes an entry in, in the place of the last one when there is no room; gives how many there are."""
    place = count if count < found.size else 0
    found[place].distance_m = distance_m
    found[place].high = high
    found[place].low = low
    found[place].row = row
    if count == found.size:
        sink_last(found, 0, count)
        return count
    while place > 0 and is_before(found, (place - 1) // 2, place):
        swap(found, place, (place - 1) // 2)
        place = (place - 1) // 2
    return count + 1


@inner_kernel
def search_cell(cells: Cells, i: int, words: U64, asked: Asked, reach: float, found: NDArray[Any], count: int) -> int:
    """Takes in who is in one cell, no farther than `reach`; gives how many entries there are then."""
    start = cells.cell[i].start
    first_m, first_high, first_low = asked.from_m, asked.from_high, asked.from_low
    last_m, last_high, last_low = found[0].distance_m, found[0].high, found[0].low
    known_chord2, distance_m = -1.0, 0.0
    for row in range(start, start + min(cells.cell[i].taken, asked.per_cell_max)):
        at = cells.row[row]
        chord2 = (at.x - asked.x) ** 2 + (at.y - asked.y) ** 2 + (at.z - asked.z) ** 2
        if chord2 > reach or at.slot == asked.viewer:
            continue
        if chord2 != known_chord2:
            steps = np.rint(metres_of_chord2(chord2) * asked.per_step / asked.step_m)
            distance_m = steps * asked.step_m / asked.per_step
            known_chord2 = chord2
        if distance_m < first_m or (count == found.size and distance_m > last_m):
            continue
        high, low = number_of(words[at.slot, 0]), number_of(words[at.slot, 1])
        if distance_m == first_m and (high < first_high or (high == first_high and low < first_low)):
            continue
        if (
            count == found.size
            and distance_m == last_m
            and (high > last_high or (high == last_high and low > last_low))
        ):
            continue
        count = put(found, count, distance_m, high, low, row)
        last_m, last_high, last_low = found[0].distance_m, found[0].high, found[0].low
    return count


@kernel
def fill_nearest(cells: Cells, words: U64, asked: Asked, scratch: Scratch, found: NDArray[Any]) -> int:
    """Writes the first `found.size` entries within the radius, in order; gives how many, or -1 for too many cells.

    `words` has the bytes of the ids by slot, eight in a word. Of a crowded cell the first `per_cell_max` rows are
    looked at.
    """
    waiting = heap_cells(cells, asked, scratch)
    if waiting < 0:
        return -1
    limit = chord2_of_metres(asked.radius_m)
    reach, farthest_cell = limit, 4.0
    count = 0
    while waiting > 0 and scratch.chord2[0] <= farthest_cell:
        i = scratch.number[0]
        waiting -= 1
        scratch.chord2[0] = scratch.chord2[waiting]
        scratch.number[0] = scratch.number[waiting]
        sink_near(scratch.chord2, scratch.number, 0, waiting)
        count = search_cell(cells, i, words, asked, reach, found, count)
        if count == found.size:
            farthest_cell = reach_of(found[0].distance_m, asked.step_m, asked.per_step)
            reach = min(limit, farthest_cell)
    for last in range(count - 1, 0, -1):
        swap(found, 0, last)
        sink_last(found, 0, last)
    return count


@inner_kernel
def write_id(high: int, low: int, text: U8) -> None:
    """Writes an id as RFC 9562 has it: 32 digits in groups of 8, 4, 4, 4 and 12."""
    place = 0
    for k in range(32):
        if k in (8, 12, 16, 20):
            text[place] = _DASH
            place += 1
        word = high if k < 16 else low
        digit = (word >> np.uint64(60 - 4 * (k & 15))) & np.uint64(15)
        text[place] = np.uint8((_ZERO if digit < 10 else _BEFORE_A) + np.int64(digit))
        place += 1


@kernel
def tell_found(cells: Cells, found: NDArray[Any], count: int, lat_deg: F64, lng_deg: F64, text: U8) -> None:
    """Writes the places and the ids of entries, one id after the other."""
    for k in range(count):
        at = cells.row[found[k].row]
        lat_deg[k], lng_deg[k] = degrees_of(at.x, at.y, at.z)
        write_id(found[k].high, found[k].low, text[k * ID_CHARACTERS : (k + 1) * ID_CHARACTERS])


ALL = (
    number_of, is_before, swap, sink_last, sink_near, heap_cells, reach_of, put, search_cell, fill_nearest, write_id,
    tell_found,
)  # fmt: skip
