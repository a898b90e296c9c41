"""What others see around a home tells neither where in it somebody is nor where in its cell the home is."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from overworld.domains.world.shares.rules import shown, zone_of
from overworld.domains.world.shares.types import Home, Shown, Sight
from overworld.geo import cells
from overworld.geo.sphere import destination_deg, distance_between_m

COARSE_LEVEL = 16
LJUBLJANA = (46.0511, 14.5051)

bearings = st.floats(0, 360)
parts = st.floats(0, 1)
sights = st.sampled_from(["live", "coarse"])
homes = st.builds(
    Home,
    lat_deg=st.floats(-90, 90),
    lng_deg=st.floats(-180, 180),
    radius_m=st.integers(50, 1_000),
)


def seen(home: Home | None, place: tuple[float, float], sight: Sight = "live") -> Shown:
    zone = None if home is None else zone_of(home, coarse_level=COARSE_LEVEL)
    return shown(*place, sight=sight, zone=zone, coarse_level=COARSE_LEVEL)


def beside(home: Home, bearing_deg: float, distance_m: float) -> tuple[float, float]:
    return destination_deg(home.lat_deg, home.lng_deg, bearing_deg, distance_m)


@given(home=homes, sight=sights, there=st.tuples(bearings, parts), here=st.tuples(bearings, parts))
def test_the_place_shown_does_not_depend_on_where_in_the_disc_somebody_is(home, sight, there, here):
    places = [beside(home, bearing, part * home.radius_m) for bearing, part in (there, here)]
    first, second = (seen(home, place, sight) for place in places)
    assert first == second
    assert not first.exact


@given(home=homes, inner=st.tuples(parts, parts), there=st.tuples(bearings, st.floats(0, 5_000)), sight=sights)
def test_nothing_that_is_shown_depends_on_where_in_its_cell_the_home_is(home, inner, there, sight):
    """So whoever measures the edge of the zone, from outside and as well as they like, learns the cell alone."""
    level = level_of_zone(home)
    cell = cells.cell_of(home.lat_deg, home.lng_deg, level)
    moved = Home(**dict(zip(("lat_deg", "lng_deg"), inside(cell, *inner), strict=True)), radius_m=home.radius_m)
    place = beside(home, *there)
    assert seen(home, place, sight) == seen(moved, place, sight)


def level_of_zone(home: Home) -> int:
    zone = zone_of(home, coarse_level=COARSE_LEVEL)
    for level in range(COARSE_LEVEL, 8, -1):
        middle = cells.centre_deg(cells.cell_of(home.lat_deg, home.lng_deg, level))
        if middle == (zone.lat_deg, zone.lng_deg):
            return level
    raise AssertionError("the middle of the zone is the middle of no cell around the home")


def inside(cell: int, u: float, v: float) -> tuple[float, float]:
    return cells.uniform_point_in(cell, min(u, 0.999_999), min(v, 0.999_999))


@given(home=homes)
def test_the_cell_in_which_the_home_may_be_is_about_as_wide_as_the_radius_or_wider(home):
    """Cells of a level differ by up to a factor of about two in area."""
    cell = cells.cell_of(home.lat_deg, home.lng_deg, level_of_zone(home))
    corners = cells.vertices_deg(cell)
    edges_m = [distance_between_m(*corners[n], *corners[(n + 1) % 4]) for n in range(4)]
    assert min(edges_m) > 0.6 * home.radius_m
    assert zone_of(home, coarse_level=COARSE_LEVEL).reach_m < 5 * max(home.radius_m, 100)


@given(bearing=bearings, radius_m=st.integers(50, 1_000))
def test_beyond_the_zone_a_live_place_is_exact_and_a_coarse_one_is_not(bearing, radius_m):
    home = Home(lat_deg=LJUBLJANA[0], lng_deg=LJUBLJANA[1], radius_m=radius_m)
    far = beside(home, bearing, 10_000.0)
    assert seen(home, far) == Shown(lat_deg=round(far[0], 5), lng_deg=round(far[1], 5), exact=True)
    middle = cells.centre_deg(cells.cell_of(*far, COARSE_LEVEL))
    assert seen(home, far, "coarse") == Shown(lat_deg=middle[0], lng_deg=middle[1], exact=False)


def test_who_tells_no_home_is_shown_everywhere():
    assert seen(None, LJUBLJANA).exact


def test_a_home_told_again_with_another_radius_is_in_cells_that_hold_each_other():
    """So two zones of one home say no more than the smaller one."""
    found = []
    for radius_m in (50, 100, 200, 400, 700, 1_000):
        home = Home(lat_deg=LJUBLJANA[0], lng_deg=LJUBLJANA[1], radius_m=radius_m)
        found.append(cells.cell_of(*LJUBLJANA, level_of_zone(home)))
    for finer, coarser in pairwise(found):
        assert cells.parent(finer, cells.level_of(coarser)) == coarser
