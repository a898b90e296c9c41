"""What a client knows of the others, as frame after frame tells it."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from overworld.client.packed import decode_surroundings
from overworld.client.surroundings import Surroundings
from overworld.geo import cells, sphere
from overworld.kernel import packed
from overworld.kernel.clock import FixedClock
from tests.client import frames

HERE = cells.cell_of(48.2, 16.37, 15)
THERE = cells.neighbours(HERE)[0]
PLACES = [(48.2, 16.37), (89.9999, 12.0), (-90.0, 0.0), (0.0, 180.0), (-17.5, -179.9999), (0.0, 0.0), (35.26, 45.0)]
ME = "00000000-0000-0000-0000-000000000063"


def account(number):
    return bytes(15) + bytes([number])


def account_id(number):
    return str(UUID(bytes=account(number)))


def someone(id, *, east=0, north=0, heading=0, speed=0):
    return id, east, north, heading, speed, account(id)


@pytest.fixture(scope="module", autouse=True)
def _compiled():
    """The first call of a kernel would count as a slow example."""
    cells.warm()


@pytest.fixture
def clock():
    """A clock that stands still."""
    return FixedClock(datetime(2026, 11, 21, tzinfo=UTC))


@pytest.fixture
def around(clock):
    """Knows nobody yet."""
    return Surroundings(own_id=ME, clock=clock)


def tell(around, *sections, clock_ms=0):
    around.apply(decode_surroundings(frames.surroundings(sections, clock_ms=clock_ms)))


def where(around):
    return {one.id: one.cell for one in around.everybody()}


def test_a_whole_cell_replaces_what_was_told_of_it_and_of_no_other(around):
    tell(around, frames.section(HERE, entered=[someone(1), someone(2)]), frames.section(THERE, entered=[someone(3)]))
    tell(around, frames.section(HERE, flags=packed.SECTION_WHOLE, entered=[someone(4)]))
    assert where(around) == {4: HERE, 3: THERE}


def test_a_cell_that_is_gone_is_forgotten(around):
    tell(around, frames.section(HERE, entered=[someone(1)]), frames.section(THERE, entered=[someone(3)]))
    tell(around, frames.section(HERE, flags=packed.SECTION_GONE))
    assert (where(around), around.cells) == ({3: THERE}, {THERE})


def test_who_left_one_cell_for_another_stays_whichever_is_told_first(around):
    tell(around, frames.section(HERE, entered=[someone(1), someone(2)]))
    tell(around, frames.section(THERE, entered=[someone(1)]), frames.section(HERE, left=[1, 2]))
    assert where(around) == {1: THERE}
    tell(around, frames.section(THERE, left=[1]), frames.section(HERE, entered=[someone(1)]))
    assert where(around) == {1: HERE}


def test_an_id_taken_over_in_the_same_section_is_its_new_owner(around):
    tell(around, frames.section(HERE, entered=[someone(1)]))
    tell(around, frames.section(HERE, left=[1], entered=[(1, 0, 0, 0, 0, account(9))]))
    assert [one.account_id for one in around.everybody()] == [account_id(9)]


def test_a_move_of_somebody_unknown_says_nothing(around):
    tell(around, frames.section(HERE, moved=[(5, 1, 1, 0, 0)]))
    assert len(around) == 0


def test_the_player_itself_is_not_around(around):
    own = UUID(ME).int
    tell(around, frames.section(HERE, entered=[someone(own), someone(1)]))
    tell(around, frames.section(HERE, moved=[(own, 1, 1, 0, 0)]))
    assert where(around) == {1: HERE}


@given(
    st.sampled_from(PLACES),
    st.integers(12, 16),
    st.integers(-(2**15), 2**15 - 1),
    st.integers(-(2**15), 2**15 - 1),
)
def test_offsets_lead_as_far_from_the_centre_and_in_the_direction_they_say(place, level, east, north):
    cell = cells.cell_of(place[0], place[1], level)
    around = Surroundings(own_id=ME)
    tell(around, frames.section(cell, entered=[someone(1, east=east, north=north)]))
    (one,) = around.everybody(0)
    centre = cells.centre_deg(cell)
    far_m = np.hypot(east, north) * packed.offset_unit_m(level)
    assert sphere.distance_between_m(*centre, one.lat, one.lng) == pytest.approx(far_m, rel=1e-6, abs=1e-3)
    there = sphere.destination_deg(*centre, np.degrees(np.arctan2(east, north)), far_m)
    assert sphere.distance_between_m(*there, one.lat, one.lng) < 0.001 + far_m * 1e-6


@pytest.mark.parametrize(("elapsed_ms", "metres"), [(-50, 0.0), (0, 0.0), (500, 2.5), (4_000, 20.0), (60_000, 20.0)])
def test_somebody_goes_on_for_a_while_and_then_stands(around, elapsed_ms, metres):
    tell(around, frames.section(HERE, entered=[someone(1, heading=64, speed=25)]), clock_ms=2**32 - 100)
    (begins,) = around.everybody(2**32 - 100)
    (one,) = around.everybody((2**32 - 100 + elapsed_ms) % 2**32)
    assert sphere.distance_between_m(begins.lat, begins.lng, one.lat, one.lng) == pytest.approx(metres, abs=0.001)
    assert (one.heading_deg, one.speed_m_s) == (90.0, 5.0)
    assert one.lng >= begins.lng


def test_now_is_the_time_since_the_last_frame_by_the_servers_clock(around, clock):
    tell(around, frames.section(HERE, entered=[someone(1, speed=20)]), clock_ms=2**32 - 100)
    clock.advance(timedelta(seconds=1))
    assert around.clock_ms == 900
    assert around.everybody() == around.everybody(900)
    tell(around, clock_ms=1_000)
    assert around.everybody() == around.everybody(1_000) != around.everybody(900)


def test_a_move_begins_anew_where_it_says(around):
    tell(around, frames.section(HERE, entered=[someone(1, speed=20)]), clock_ms=0)
    tell(around, frames.section(HERE, moved=[(1, 300, 400, 0, 0)]), clock_ms=1_000)
    (one,) = around.everybody(5_000)
    assert sphere.distance_between_m(*cells.centre_deg(HERE), one.lat, one.lng) == pytest.approx(5.0, abs=0.001)
    assert one.account_id == account_id(1)


class Model:
    """The rules told the simplest way: one dict from one to (cell, account)."""

    def __init__(self):
        self.known = {}

    def apply(self, cell, flags, left, entered, moved):
        if flags:
            self.known = {one: at for one, at in self.known.items() if at[0] != cell}
        if flags & packed.SECTION_GONE:
            return
        for one in left:
            if self.known.get(one, (None,))[0] == cell:
                del self.known[one]
        for one, *_, who in entered:
            self.known[one] = (cell, who)
        for one, *_ in moved:
            if one in self.known:
                self.known[one] = (cell, self.known[one][1])


ids = st.integers(1, 6)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([HERE, THERE]),
            st.sampled_from([0, 0, 0, packed.SECTION_WHOLE, packed.SECTION_GONE]),
            st.lists(ids, max_size=3),
            st.lists(ids.map(someone), max_size=3),
            st.lists(ids.map(lambda one: (one, 0, 0, 0, 0)), max_size=3),
        ),
        max_size=20,
    )
)
def test_any_row_of_sections_leaves_those_whom_the_rules_leave(told):
    around, model = Surroundings(own_id=ME), Model()
    for cell, flags, left, entered, moved in told:
        tell(around, frames.section(cell, flags=flags, left=left, entered=entered, moved=moved))
        model.apply(cell, flags, left, entered, moved)
        assert where(around) == {one: at[0] for one, at in model.known.items()}
        assert {seen.account_id for seen in around.everybody()} == {
            str(UUID(bytes=who)) for _, who in model.known.values()
        }
