"""The index against a dictionary that does the same slowly, over random moves with growth, emptying and reuse."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from overworld.domains.world.engine import cell_index
from overworld.domains.world.engine.cell_index import NOWHERE, CellIndex
from overworld.geo import cells as geo_cells

SLOTS = 40
# Rooms around places where geometry is awkward, and enough of them that their keys collide in a small table.
ROOMS = [
    room
    for place in ((37.5, 127.0), (90.0, 0.0), (-90.0, 0.0), (0.0, 180.0), (35.2643896828, 45.0), (0.0, 0.0))
    for room in [geo_cells.cell_of(*place, 15), *geo_cells.neighbours(geo_cells.cell_of(*place, 15))]
]


def bits(cell):
    return cell - 2**64 if cell >= 2**63 else cell


def seat(index: CellIndex, slot, cell, x):
    """What the verdict pass does for one accepted fix."""
    while True:
        i = cell_index.find(index.cells.entry, bits(cell))
        if i != NOWHERE and index.cells.seat[slot]["cell"] == i:
            break
        if cell_index.change_cell(index.cells, slot, bits(cell), i):
            break
        index.grow()
    i = int(index.cells.seat[slot]["cell"])
    row = index.cells.cell[i]["start"] + index.cells.seat[slot]["row"]
    index.cells.row[row]["x"] = x
    cell_index.note_change(index.cells, i)


def taken(index: CellIndex, *, every=True):
    return index.take_changed(every=every)


def inhabitants(index: CellIndex, cell):
    """{slot: x} of a cell, as its vector says."""
    i = cell_index.find(index.cells.entry, bits(cell))
    if i == NOWHERE:
        return {}
    of = index.cells.cell[i]
    rows = index.cells.row[of["start"] : of["start"] + of["taken"]]
    return dict(zip(rows["slot"].tolist(), rows["x"].tolist(), strict=True))


class IndexMachine(RuleBasedStateMachine):
    """Random moves, departures and publications; after each step everything must agree."""

    @initialize(cells=st.sampled_from([1, 2, 16]), rows=st.sampled_from([4, 8, 64]))
    def begin(self, cells, rows):
        self.index = CellIndex(players=SLOTS, cells=cells, rows=rows)
        self.where: dict[int, tuple[int, float]] = {}
        self.changed: set[int] = set()
        self.listened: Counter[int] = Counter()

    @rule(slot=st.integers(0, SLOTS - 1), cell=st.sampled_from(ROOMS), x=st.floats(-1, 1))
    def move(self, slot, cell, x):
        if slot in self.where:
            self.changed.add(self.where[slot][0])
        self.where[slot] = (cell, x)
        self.changed.add(cell)
        seat(self.index, slot, cell, x)

    @rule(cell=st.sampled_from(ROOMS))
    def crowd(self, cell):
        for slot in range(SLOTS):
            self.move(slot, cell, slot / SLOTS)

    @rule(slot=st.integers(0, SLOTS - 1))
    def leave(self, slot):
        if slot in self.where:
            self.changed.add(self.where.pop(slot)[0])
        cell_index.unseat(self.index.cells, slot)

    @rule(cell=st.sampled_from(ROOMS))
    def listen(self, cell):
        self.listened[cell] += 1
        self.changed.add(cell)
        self.index.listen(cell, 1)

    @rule(cell=st.sampled_from(ROOMS))
    def unlisten(self, cell):
        if self.listened[cell]:
            self.listened[cell] -= 1
            self.changed.add(cell)
            self.index.listen(cell, -1)

    @rule(every=st.booleans())
    def publish(self, every):
        told = taken(self.index, every=every)
        assert len(told) == len(set(told))
        assert set(told) == {cell for cell in self.changed if every or self.listened[cell]}
        self.changed = set()

    @invariant()
    def everybody_is_where_they_went_and_nowhere_else(self):
        expected: dict[int, dict[int, float]] = {}
        for slot, (cell, x) in getattr(self, "where", {}).items():
            expected.setdefault(cell, {})[slot] = x
        for cell in ROOMS:
            if hasattr(self, "index"):
                assert inhabitants(self.index, cell) == expected.get(cell, {})

    @invariant()
    def rows_of_cells_never_overlap_and_empty_cells_are_given_back(self):
        if not hasattr(self, "index"):
            return
        cells = self.index.cells.cell
        live = cells[cells["id"] != 0]
        spans = sorted(zip(live["start"].tolist(), (live["start"] + live["room"]).tolist(), strict=True))
        assert all(end <= begin for (_, end), (begin, _) in pairwise(spans))
        assert self.index.changed == len(self.changed)
        assert (
            self.index.occupied
            == len(live)
            == len({cell for cell, _ in self.where.values()} | self.changed | set(+self.listened))
        )


IndexMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
TestIndex = pytest.mark.slow(IndexMachine.TestCase)


def test_a_cell_that_was_emptied_and_published_is_forgotten():
    index = CellIndex(players=2)
    seat(index, 0, ROOMS[0], 0.5)
    cell_index.unseat(index.cells, 0)
    assert cell_index.find(index.cells.entry, bits(ROOMS[0])) != NOWHERE
    assert taken(index) == [ROOMS[0]]
    assert cell_index.find(index.cells.entry, bits(ROOMS[0])) == NOWHERE
    assert index.occupied == 0


def test_wandering_through_many_cells_keeps_the_columns_small():
    """Numbers and blocks of cells that emptied are used again, however far a player walks."""
    index = CellIndex(players=1, cells=16, rows=64)
    for k in range(5_000):
        seat(index, 0, geo_cells.cell_of(0.0, k * 0.01, 15), 0.0)
        if k % 5 == 0:
            taken(index)
    assert index.cells.cell.size == 16
    assert index.cells.row.size == 64


def test_a_cell_somebody_listens_to_keeps_its_number_although_it_is_empty():
    index = CellIndex(players=1)
    index.listen(ROOMS[0], 1)
    assert taken(index, every=False) == [ROOMS[0]]
    assert taken(index) == []
    assert index.occupied == 1
    index.listen(ROOMS[0], -1)
    assert taken(index, every=False) == []
    assert index.occupied == 0


def test_growing_players_keeps_who_is_where():
    index = CellIndex(players=1)
    seat(index, 0, ROOMS[3], 0.25)
    index.grow_players(100)
    seat(index, 99, ROOMS[3], 0.75)
    assert inhabitants(index, ROOMS[3]) == {0: 0.25, 99: 0.75}
