"""S2 ids against the reference implementation, and what callers rely on: neighbours, covers, tokens, points."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import s2sphere
from hypothesis import given, settings
from hypothesis import strategies as st

from overworld.geo import cells, kernels
from overworld.geo.compiled import compiled_count
from overworld.geo.sphere import destination_deg, distance_between_m

CORNER_LAT_DEG = math.degrees(math.atan(math.sqrt(0.5)))
Place = tuple[float, float]
LEVELS = (0, 1, 2, 7, 15, 16, 23, 29, 30)


def even_places(n, seed):
    """Places spread evenly over the sphere, as two columns."""
    random = np.random.default_rng(seed)
    return np.degrees(np.arcsin(random.uniform(-1, 1, n))), random.uniform(-180, 180, n)


def awkward_places(seed):
    """Poles, face edges, cube corners and the date line: exactly on them, and nanometres to kilometres beside."""
    random = np.random.default_rng(seed)
    places = [(lat, lng) for lat in (-90.0, -45.0, 0.0, 45.0, 90.0) for lng in np.arange(-180.0, 181.0, 45.0)]
    places += [(sign * CORNER_LAT_DEG, lng) for sign in (-1, 1) for lng in (-135.0, -45.0, 45.0, 135.0)]
    for lng in np.arange(-180.0, 180.0, 15.0):
        places.append((math.degrees(math.atan(math.cos(math.radians((lng + 45) % 90 - 45)))), lng))
    near = [
        destination_deg(lat, lng, random.uniform(0, 360), 10 ** random.uniform(-9, 4))
        for lat, lng in places
        for _ in range(100)
    ]
    return np.array(places + near).T


AWKWARD: list[Place] = [(lat, lng) for lat, lng in awkward_places(seed=6).T.tolist()]


def reference(lat_deg, lng_deg):
    return s2sphere.CellId.from_lat_lng(s2sphere.LatLng.from_degrees(lat_deg, lng_deg))


def references(lat_deg, lng_deg, level):
    leaves = (reference(lat, lng) for lat, lng in zip(lat_deg.tolist(), lng_deg.tolist(), strict=True))
    return np.array([leaf.parent(level).id() for leaf in leaves], np.uint64)


@pytest.mark.slow
def test_twenty_thousand_even_places_have_the_ids_of_s2():
    lat_deg, lng_deg = even_places(20_000, seed=1)
    expected = references(lat_deg, lng_deg, 30)
    for level in range(31):
        assert np.array_equal(cells.cells_of(lat_deg, lng_deg, level), cells.parents(expected, level))


@pytest.mark.slow
def test_places_on_and_beside_poles_edges_corners_and_date_line_have_the_ids_of_s2():
    lat_deg, lng_deg = awkward_places(seed=2)
    expected = references(lat_deg, lng_deg, 30)
    assert np.array_equal(cells.cells_of(lat_deg, lng_deg, 30), expected)


def test_one_place_and_a_column_of_places_give_the_same_ids():
    lat_deg, lng_deg = even_places(200, seed=3)
    for level in LEVELS:
        single = [cells.cell_of(lat, lng, level) for lat, lng in zip(lat_deg.tolist(), lng_deg.tolist(), strict=True)]
        assert single == cells.cells_of(lat_deg, lng_deg, level).tolist()


def test_parents_levels_tokens_and_centres_agree_with_s2():
    lat_deg, lng_deg = even_places(150, seed=4)
    for lat, lng in zip(lat_deg.tolist(), lng_deg.tolist(), strict=True):
        leaf = reference(lat, lng)
        for level in LEVELS:
            expected = leaf.parent(level)
            cell = cells.parent(leaf.id(), level)
            assert cell == expected.id()
            assert cells.level_of(cell) == level
            assert cells.token(cell) == expected.to_token()
            assert cells.from_token(cells.token(cell)) == cell
            centre = expected.to_lat_lng()
            off_m = distance_between_m(*cells.centre_deg(cell), centre.lat().degrees, centre.lng().degrees)
            assert off_m < 1e-6


def test_corners_are_those_of_s2_in_its_order():
    lat_deg, lng_deg = even_places(100, seed=5)
    for lat, lng in zip(lat_deg.tolist(), lng_deg.tolist(), strict=True):
        expected = s2sphere.Cell(reference(lat, lng).parent(12))
        for k, (corner_lat, corner_lng) in enumerate(cells.vertices_deg(expected.id().id())):
            corner = s2sphere.LatLng.from_point(expected.get_vertex(k))
            assert distance_between_m(corner_lat, corner_lng, corner.lat().degrees, corner.lng().degrees) < 1e-6


@pytest.mark.parametrize("level", [0, 1, 2, 7, 15, 16, 23])
def test_neighbours_are_those_of_s2(level):
    for place in AWKWARD[::9]:
        cell = reference(*place).parent(level)
        expected = {beside.id() for beside in cell.get_all_neighbors(level)} - {cell.id()}
        assert cells.neighbours(cell.id()) == sorted(expected)


@pytest.mark.parametrize("level", [2, 15, 29, 30])
def test_neighbours_are_the_cells_around_the_corners(level):
    """Also at the finest levels, where the reference itself puts cells beyond a face's edge in the wrong place."""
    step_m = 0.05 * 7.8e6 / 2**level
    for place in AWKWARD[::9]:
        cell = cells.cell_of(*place, level)
        around = {
            cells.cell_of(*destination_deg(*corner, bearing, step_m), level)
            for corner in cells.vertices_deg(cell)
            for bearing in range(0, 360, 15)
        }
        assert cells.neighbours(cell) == sorted(around - {cell})


def test_a_cell_has_eight_neighbours_but_seven_at_a_corner_of_the_cube():
    assert len(cells.neighbours(cells.cell_of(37.5, 127.0, 15))) == 8
    assert len(cells.neighbours(cells.cell_of(CORNER_LAT_DEG, 45.0, 15))) == 7
    assert len(cells.neighbours(cells.cell_of(0.0, 0.0, 0))) == 4


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    level=st.integers(3, 22),
    place=st.sampled_from([*AWKWARD[::40], (37.57, 126.98), (-33.9, 151.2)]),
    radius_cells=st.floats(0, 3),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_cover_holds_the_cell_of_every_place_in_the_disc_and_no_cell_without_one(
    level, place: Place, radius_cells, seed
):
    """Brute force both ways: places drawn in the disc, and the nearest point of each covering cell found by search."""
    radius_m = radius_cells * 7.8e6 / 2**level
    met = cells.cover_cap(*place, radius_m, level, 500)
    assert met == sorted(set(met))
    random = np.random.default_rng(seed)
    drawn = [
        destination_deg(*place, random.uniform(0, 360), radius_m * math.sqrt(random.uniform())) for _ in range(200)
    ]
    rim = [destination_deg(*place, bearing, radius_m * (1 - 1e-9)) for bearing in range(0, 360, 3)]
    lat_deg, lng_deg = np.array([*drawn, *rim, place]).T
    found = cells.cells_of(lat_deg, lng_deg, level)
    assert set(found.tolist()) <= set(met)
    for cell in met:
        assert nearest_m(cell, place) <= radius_m + 1e-3 * max(radius_m, 7.8e6 / 2**level)


def nearest_m(cell, place: Place):
    """Distance to the nearest point of a cell, by walking its border and zooming in on the best stretch."""
    level = cells.level_of(cell)
    if cells.cell_of(*place, level) == cell:
        return 0.0
    corners = cells.vertices_deg(cell)
    best_m = math.inf
    for start, end in pairwise((*corners, corners[0])):
        low, high = 0.0, 1.0
        for _ in range(6):
            steps = np.linspace(low, high, 13)
            off_m = [distance_between_m(*place, *between(start, end, step)) for step in steps]
            k = int(np.argmin(off_m))
            best_m = min(best_m, off_m[k])
            low, high = steps[max(0, k - 1)], steps[min(12, k + 1)]
    return best_m


def between(start: Place, end: Place, part):
    """A point on the great circle of two places."""
    a, b = (np.array(kernels.unit_xyz(*place)) for place in (start, end))
    return kernels.degrees_of(*((1 - part) * a + part * b))


def test_a_disc_of_no_size_is_covered_by_the_cells_that_touch_its_place():
    assert cells.cover_cap(37.57, 126.98, 0.0, 15, 4) == [cells.cell_of(37.57, 126.98, 15)]
    assert len(cells.cover_cap(0.0, 0.0, 0.0, 15, 4)) == 4
    assert len(cells.cover_cap(CORNER_LAT_DEG, 45.0, 1.0, 15, 4)) == 3


def test_the_whole_sphere_is_covered_by_every_cell():
    everything = cells.cover_cap(12.0, 34.0, 3e7, 3, 384)
    assert len(everything) == 6 * 4**3
    assert all(cells.is_valid(cell) and cells.level_of(cell) == 3 for cell in everything)


def test_a_cover_of_too_many_cells_is_refused():
    met = cells.cover_cap(37.57, 126.98, 1_000.0, 15, 4_096)
    assert cells.cover_cap(37.57, 126.98, 1_000.0, 15, len(met)) == met
    with pytest.raises(ValueError, match="more than"):
        cells.cover_cap(37.57, 126.98, 1_000.0, 15, len(met) - 1)


@given(
    place=st.sampled_from(AWKWARD[::17]),
    level=st.sampled_from(LEVELS),
    u=st.floats(0, 1, exclude_max=True),
    v=st.floats(0, 1, exclude_max=True),
)
def test_a_point_drawn_in_a_cell_lies_in_it(place: Place, level, u, v):
    cell = cells.cell_of(*place, level)
    assert cells.cell_of(*cells.uniform_point_in(cell, u, v), level) == cell


@pytest.mark.parametrize(
    "text", ["", "X", "0", "g", "89c25a3140", "89C25A314", "c", "e", "ffff", "89c25a314000000001", "-1", "٣"]
)
def test_a_token_that_names_no_cell_or_names_it_another_way_is_refused(text):
    with pytest.raises(ValueError, match="token"):
        cells.from_token(text)


@pytest.mark.parametrize("cell", [0, -1, 2, 6 << 61 | 1 << 60, 2**64, 2**70])
def test_numbers_that_are_no_cell(cell):
    assert not cells.is_valid(cell)
    with pytest.raises(ValueError, match="not a cell"):
        cells.neighbours(cell)


@pytest.mark.parametrize(("lat", "lng"), [(90.1, 0), (-91, 0), (math.nan, 0), (0, math.nan), (0, math.inf)])
def test_what_is_no_place_has_no_cell(lat, lng):
    with pytest.raises(ValueError, match="not a place"):
        cells.cell_of(lat, lng, 15)
    with pytest.raises(ValueError, match="not a place"):
        cells.cover_cap(lat, lng, 1.0, 15, 8)


def test_a_column_tells_places_that_are_none_by_the_id_0():
    found = cells.cells_of(np.array([0.0, np.nan, 1.0]), np.array([0.0, 0.0, np.inf]), 15)
    assert (found != 0).tolist() == [True, False, False]


def test_longitudes_past_the_date_line_name_the_same_cells():
    assert cells.cell_of(10.0, 181.0, 20) == cells.cell_of(10.0, -179.0, 20)


def test_nothing_compiles_after_warm():
    """The first request must not wait for a compiler, whatever columns it brings."""
    cells.warm()
    before = compiled_count(kernels.ALL)
    cell = cells.cell_of(1, 2, 0)
    column = np.zeros(4)
    column.flags.writeable = False
    cells.cells_of(column, column[::-1], 30)
    cells.cells_of(np.zeros(4, np.float32), np.zeros(8)[::2], 30)
    cells.uniform_point_in(cell, 0, 0.5)
    cells.neighbours(cells.cell_of(-80, -170, 30))
    cells.cover_cap(1, 2, 3, 10, 9)
    assert compiled_count(kernels.ALL) == before
