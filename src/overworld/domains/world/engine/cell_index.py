"""Who is in which room cell: one contiguous vector per cell, updates in constant time.

    entry   open-addressing hash of cell ids to cell numbers, at most half full
    cell    per cell: its id, its vector (start, room, rows taken), and whether its change must be published
    row     the vectors: each a block of 4, 8, 16, ... rows with the slot of a player and the unit vector to the
            place at which others may see it
    seat    per slot: the cell number (-1 is nowhere) and the place in the cell's vector
    shown   per slot: what watchers were told

A cell that becomes empty keeps its number until its change has been published, and while somebody watches or listens.
Kernels never grow a column: they stop and say so, and `CellIndex.grow` makes room. The columns are records, because a
move touches every field of a few rows.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from overworld.domains.world.engine.shown import Shown, depart, longer, shown_columns
from overworld.geo.columns import I32, I64, U64
from overworld.geo.compiled import inner_kernel, kernel

NOWHERE = -1
ROOM_MIN = 4

ENTRY = np.dtype([("key", "<i8"), ("at", "<i8")])
CELL = np.dtype(
    [
        ("id", "<i8"),
        ("start", "<i8"),
        ("taken", "<i4"),
        ("room", "<i4"),
        ("changed", "<i4"),
        ("watchers", "<i4"),
        ("listeners", "<i4"),
        ("spare", "<i4"),
    ]
)
ROW = np.dtype([("x", "<f8"), ("y", "<f8"), ("z", "<f8"), ("slot", "<i8")])
SEAT = np.dtype([("cell", "<i4"), ("row", "<i4")])

_CELLS, _ROWS, _FREE, N_CHANGED = 0, 1, 2, 3
_SPREAD = -7046029254386353131  # 2**64 / golden ratio, odd, as int64: Knuth's multiplicative hashing
_BLOCK_SIZES = 40


class Cells(NamedTuple):
    """The columns of the index; cell ids are int64 bits. Of each cell, `watchers` get packed frames and `listeners`
    messages.

    `used` counts cells ever numbered, rows ever given out, free numbers in `free_cell`, and entries of `changed_cell`.
    `free_block` heads a list of freed blocks for each size.
    """

    entry: NDArray[Any]
    cell: NDArray[Any]
    row: NDArray[Any]
    seat: NDArray[Any]
    free_cell: I32
    changed_cell: I32
    free_block: I64
    used: I64
    shown: Shown


@inner_kernel
def _home(entry: NDArray[Any], bits: int) -> int:
    return ((bits * _SPREAD) >> 32) & (entry.size - 1)


@kernel
def find(entry: NDArray[Any], bits: int) -> int:
    """The number of a cell, or -1 when it has none: nobody is in it, minds it, or waits for a change of it."""
    place = _home(entry, bits)
    while entry[place].key != 0:
        if entry[place].key == bits:
            return int(entry[place].at)
        place = (place + 1) & (entry.size - 1)
    return NOWHERE


@inner_kernel
def _enter_key(entry: NDArray[Any], bits: int, i: int) -> None:
    place = _home(entry, bits)
    while entry[place].key != 0:
        place = (place + 1) & (entry.size - 1)
    entry[place].key = bits
    entry[place].at = i


@inner_kernel
def _remove_key(entry: NDArray[Any], bits: int) -> None:
    """Takes a key out and closes the gap, so that every other key is still found. Source: Knuth, TAOCP 3, 6.4 R."""
    mask = entry.size - 1
    gap = _home(entry, bits)
    while entry[gap].key != bits:
        gap = (gap + 1) & mask
    place = gap
    while True:
        place = (place + 1) & mask
        if entry[place].key == 0:
            break
        if ((place - _home(entry, entry[place].key)) & mask) >= ((place - gap) & mask):
            entry[gap].key = entry[place].key
            entry[gap].at = entry[place].at
            gap = place
    entry[gap].key = 0


@kernel
def enter_keys(cells: Cells) -> None:
    """Fills an empty hash from the cells that exist."""
    for i in range(cells.used[_CELLS]):
        if cells.cell[i].id != 0:
            _enter_key(cells.entry, cells.cell[i].id, i)


@inner_kernel
def _size_of(room: int) -> int:
    size = 0
    while ROOM_MIN << size < room:
        size += 1
    return size


@inner_kernel
def _can_take_block(cells: Cells, room: int) -> bool:
    return bool(cells.free_block[_size_of(room)] != 0 or cells.used[_ROWS] + room <= cells.row.size)


@inner_kernel
def _take_block(cells: Cells, room: int) -> int:
    """The start of a block of rows; a free one when there is. The list of free blocks runs through their own rows."""
    size = _size_of(room)
    head = cells.free_block[size]
    if head != 0:
        cells.free_block[size] = cells.row[head - 1].slot
        return int(head - 1)
    start = cells.used[_ROWS]
    cells.used[_ROWS] += room
    return int(start)


@inner_kernel
def _free_block(cells: Cells, start: int, room: int) -> None:
    size = _size_of(room)
    cells.row[start].slot = cells.free_block[size]
    cells.free_block[size] = start + 1


@kernel
def note_change(cells: Cells, i: int) -> None:
    if cells.cell[i].changed == 0:
        cells.cell[i].changed = 1
        cells.changed_cell[cells.used[N_CHANGED]] = i
        cells.used[N_CHANGED] += 1


@inner_kernel
def _new_cell(cells: Cells, bits: int) -> int:
    if cells.used[_FREE] > 0:
        cells.used[_FREE] -= 1
        i = int(cells.free_cell[cells.used[_FREE]])
    else:
        i = int(cells.used[_CELLS])
        cells.used[_CELLS] += 1
    cells.cell[i].id = bits
    cells.cell[i].taken = 0
    cells.cell[i].room = ROOM_MIN
    cells.cell[i].start = _take_block(cells, ROOM_MIN)
    cells.cell[i].changed = cells.cell[i].watchers = cells.cell[i].listeners = 0
    _enter_key(cells.entry, bits, i)
    return i


@inner_kernel
def has_room_for_cell(cells: Cells) -> bool:
    return bool((cells.used[_FREE] > 0 or cells.used[_CELLS] < cells.cell.size) and _can_take_block(cells, ROOM_MIN))


@kernel
def number_cells(cells: Cells, first: int, cell: U64, number: I32) -> int:
    """Writes the numbers of cells, from `first` on, giving them to those that have none; gives how far it came.

    Such a cell counts as changed, so it loses its number at the next publication unless somebody minds it by then.
    """
    for k in range(first, cell.size):
        bits = int(np.int64(cell[k]))
        i = find(cells.entry, bits)
        if i == NOWHERE:
            if not has_room_for_cell(cells):
                return k
            i = _new_cell(cells, bits)
            note_change(cells, i)
        number[k] = i
    return int(cell.size)


@inner_kernel
def _widen(cells: Cells, i: int) -> None:
    """Moves the vector of a cell to a block of twice the room."""
    start, room = cells.cell[i].start, cells.cell[i].room
    wider = _take_block(cells, 2 * room)
    for k in range(cells.cell[i].taken):
        cells.row[wider + k] = cells.row[start + k]
    _free_block(cells, start, room)
    cells.cell[i].start = wider
    cells.cell[i].room = 2 * room


@kernel
def unseat(cells: Cells, slot: int) -> None:
    """Takes a player out of the index; nothing when it is not in it."""
    i = cells.seat[slot].cell
    if i == NOWHERE:
        return
    cells.cell[i].taken -= 1
    last = cells.cell[i].start + cells.cell[i].taken
    mine = cells.cell[i].start + cells.seat[slot].row
    cells.row[mine] = cells.row[last]
    moved = cells.row[mine].slot
    cells.seat[moved].row = cells.seat[slot].row
    cells.seat[slot].cell = NOWHERE
    depart(cells.shown, slot, i)
    note_change(cells, i)


@kernel
def change_cell(cells: Cells, slot: int, bits: int, i: int) -> bool:
    """Gives a player a row in cell number i, or in a new one for -1; False, and nothing done, when there is no room.

    The caller then writes the row's unit vector and notes the change.
    """
    if i == NOWHERE:
        if not has_room_for_cell(cells):
            return False
        i = _new_cell(cells, bits)
    elif cells.cell[i].taken == cells.cell[i].room:
        if not _can_take_block(cells, 2 * cells.cell[i].room):
            return False
        _widen(cells, i)
    unseat(cells, slot)
    cells.seat[slot].cell = i
    cells.seat[slot].row = cells.cell[i].taken
    cells.row[cells.cell[i].start + cells.cell[i].taken].slot = slot
    cells.cell[i].taken += 1
    return True


@kernel
def take_changed(cells: Cells, every: bool, cell: U64) -> int:
    """Marks all changed cells as published and writes those that somebody listens to, or every one; gives how many.

    `cell` is as long as `changed_cell`. Empty cells that nobody minds give back their number and their block.
    """
    found = 0
    for k in range(cells.used[N_CHANGED]):
        i = cells.changed_cell[k]
        one = cells.cell[i]
        one.changed = 0
        if every or one.listeners > 0:
            cell[found] = np.uint64(one.id)
            found += 1
        if one.taken == 0 and one.watchers == 0 and one.listeners == 0:
            _remove_key(cells.entry, one.id)
            _free_block(cells, one.start, one.room)
            one.id = 0
            cells.free_cell[cells.used[_FREE]] = i
            cells.used[_FREE] += 1
    cells.used[N_CHANGED] = 0
    return found


class CellIndex:
    """Owns the columns and makes them longer. `cells` is replaced when they grow: never keep it across a call."""

    def __init__(self, *, players: int, cells: int = 1_024, rows: int = 8_192) -> None:
        self.cells = Cells(
            entry=_entries(cells),
            cell=np.zeros(cells, CELL),
            row=np.zeros(rows, ROW),
            seat=_nobody(players),
            free_cell=np.zeros(cells, np.int32),
            changed_cell=np.zeros(cells, np.int32),
            free_block=np.zeros(_BLOCK_SIZES, np.int64),
            used=np.zeros(4, np.int64),
            shown=shown_columns(players),
        )
        self._taken: U64 = np.empty(cells, np.uint64)

    @property
    def changed(self) -> int:
        """How many cells have changed since they were last published."""
        return int(self.cells.used[N_CHANGED])

    @property
    def occupied(self) -> int:
        """How many cells somebody is in or minds, or was when last published."""
        return int(self.cells.used[_CELLS] - self.cells.used[_FREE])

    def take_changed(self, *, every: bool) -> list[int]:
        """The changed cells that somebody listens to, or all, each once; no cell counts as changed afterwards."""
        if self._taken.size < self.cells.changed_cell.size:
            self._taken = np.empty(self.cells.changed_cell.size, np.uint64)
        count = take_changed(self.cells, every, self._taken)
        taken: list[int] = self._taken[:count].tolist()
        return taken

    def numbers(self, cell: U64) -> I32:
        """The numbers of cells, aligned with them, (n,); valid until the next `take_changed` unless somebody minds."""
        number, done = np.empty(cell.size, np.int32), 0
        while (done := number_cells(self.cells, done, cell, number)) < cell.size:
            self.grow()
        return number

    def listen(self, cell: int, more: int) -> None:
        """Changes by 1 or -1 how many listen to a cell."""
        [i] = self.numbers(np.array([cell], np.uint64)).tolist()
        self.cells.cell["listeners"][i] += more
        note_change(self.cells, i)

    def grow(self) -> None:
        """Doubles what a kernel found too short."""
        cells = self.cells
        if cells.used[_FREE] > 0 or cells.used[_CELLS] < cells.cell.size:
            self.cells = cells._replace(row=_doubled(cells.row))
            return
        self.cells = cells._replace(
            entry=_entries(2 * cells.cell.size),
            cell=_doubled(cells.cell),
            free_cell=_doubled(cells.free_cell),
            changed_cell=_doubled(cells.changed_cell),
        )
        enter_keys(self.cells)

    def grow_players(self, players: int) -> None:
        """Makes room for more slots."""
        cells = self.cells
        self.cells = cells._replace(
            seat=np.concatenate([cells.seat, _nobody(players - cells.seat.size)]), shown=longer(cells.shown, players)
        )


def _entries(cells: int) -> NDArray[Any]:
    return np.zeros(1 << (2 * cells - 1).bit_length(), ENTRY)


def _nobody(players: int) -> NDArray[Any]:
    seat = np.zeros(players, SEAT)
    seat["cell"] = NOWHERE
    return seat


def _doubled(column: NDArray[Any]) -> Any:
    return np.concatenate([column, np.zeros_like(column)])


ALL = (
    _home, find, _enter_key, _remove_key, enter_keys, _size_of, _can_take_block, _take_block, _free_block,
    note_change, _new_cell, has_room_for_cell, number_cells, _widen, unseat, change_cell, take_changed,
)  # fmt: skip
