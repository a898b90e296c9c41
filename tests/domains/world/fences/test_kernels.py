"""Fences against a slow reference that knows no cells and no columns: exact on the sphere, event by event."""

from __future__ import annotations

import math
from uuid import UUID

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from overworld.domains.world.engine.engine import Pass, pass_of
from overworld.domains.world.engine.players import Players
from overworld.domains.world.fences import borders, index
from overworld.domains.world.fences.covering import INSIDE, covering
from overworld.domains.world.fences.index import Listed
from overworld.domains.world.fences.kernels import CROSSED, DWELT, ENTERED, LEFT, WAITS
from overworld.domains.world.fences.shapes import BadShape, drawn
from overworld.domains.world.fences.tracking import KERNELS, Inside, Tracking, warm
from overworld.domains.world.fences.types import Shape
from overworld.domains.world.rules import FIX, SECOND_US
from overworld.geo import cells as geo_cells
from overworld.geo.compiled import compiled_count, kernel
from overworld.geo.kernels import EARTH_RADIUS_M, degrees_of, face_uv, leaf_ij, st_of_uv
from overworld.geo.sphere import destination_deg, unit_vectors

ROOM_LEVEL = 15
# Places where a plane of degrees would go wrong, and two where it would not.
MIDDLES = [
    (37.5665, 126.978),
    (90.0, 0.0),
    (-90.0, 45.0),
    (0.0, 180.0),
    (66.0, -179.99),
    (-16.5, 179.999),
    (0.0, 0.0),
    (35.264389, 45.0),
]


def listed(k, shape, dwell_s=None, shape_number=1):
    ready = drawn(shape)
    return Listed(UUID(int=k), f"fence {k}", shape_number, dwell_s, ready, covering(ready))


def ring(middle, bearings_deg, distances_m):
    """A star about a place, [longitude, latitude] each."""
    corners = [
        destination_deg(middle[0], middle[1], bearing_deg, distance_m)
        for bearing_deg, distance_m in zip(bearings_deg, distances_m, strict=True)
    ]
    return [[lng, lat] for lat, lng in corners]


class Ground:
    """Fences, and players on known ground whose fixes are all accepted."""

    def __init__(self, *fences, players=4):
        self.players = Players(slots=max(8, players), on_grow=lambda _slots: None)
        for k in range(players):
            self.players.admit(UUID(int=k + 1), now_us=1)
        self.tracking = Tracking(self.players)
        self.tracking.put(index.built(list(fences)))
        self.tracking.install(range(players), [])

    def go(self, *places, slot=0, at_s=0.0, begins=False):
        """What a batch of fixes of one player, a second apart, sets off: (kind, fence's number) each."""
        lat, lng = (np.array(column, np.float64) for column in zip(*places, strict=True))
        fix = np.zeros(len(places), FIX)
        fix["slot"] = slot
        fix["time_us"] = np.rint((at_s + np.arange(len(places))) * SECOND_US)
        batch = pass_of(fix, now_us=0)
        batch.judged["x"], batch.judged["y"], batch.judged["z"] = unit_vectors(lat, lng).T
        batch.judged["cell"] = geo_cells.cells_of(lat, lng, ROOM_LEVEL)
        batch.judged["begins"] = begins
        return self.told(batch)

    def told(self, batch: Pass):
        hits = self.tracking.run(batch)
        rows = [self.tracking.index.listed[row] for row in hits["fence"].tolist()]
        return [
            (kind, None if one is None else one.id.int) for kind, one in zip(hits["kind"].tolist(), rows, strict=True)
        ]


def winding(place, rings):
    """How a point lies to rings: turns of the bearing along their edges, walked in steps too small to be ambiguous.

    An even-odd rule by angles alone, summed with a step of at most a hundredth of the distance: no planes, no cells.
    """
    x = np.array(place)
    inside = False
    for corners in rings:
        total = 0.0
        for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            n = np.cross(a, b)
            n /= np.linalg.norm(n)
            normal_a, normal_b = np.cross(x, a), np.cross(x, b)
            turn = math.atan2(float(np.cross(normal_a, normal_b) @ x), float(normal_a @ normal_b))
            total += turn
        inside ^= round(total / (2 * math.pi)) % 2 != 0
    return inside


def off_edge_m(place, rings):
    """How far the nearest edge is, by sampling it finely and then exactly by its plane."""
    x, nearest = np.array(place), math.inf
    for corners in rings:
        for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            n = np.cross(a - b, a + b)
            n /= np.linalg.norm(n)
            foot = x - (x @ n) * n
            foot /= np.linalg.norm(foot)
            between = float(np.cross(a, foot) @ n) >= 0 and float(np.cross(foot, b) @ n) >= 0
            ends = min(float(np.linalg.norm(x - a)), float(np.linalg.norm(x - b)))
            nearest = min(nearest, float(np.linalg.norm(x - foot)) if between else ends)
    return nearest * EARTH_RADIUS_M


middles = st.sampled_from(MIDDLES) | st.tuples(st.floats(-89, 89), st.floats(-180, 180))
sizes_m = st.floats(0.6, 6.6).map(lambda power: 10**power)


@st.composite
def stars(draw):
    """A polygon as a star with, perhaps, a hole in its middle; its rings turn either way."""
    middle, size_m = draw(middles), draw(sizes_m)
    count = draw(st.integers(3, 24))
    bearings = [360 * (k + draw(st.floats(0.1, 0.9))) / count for k in range(count)]
    outer = ring(middle, bearings, [size_m * draw(st.floats(0.5, 1.0)) for _ in bearings])
    rings = [outer[:: draw(st.sampled_from([1, -1]))]]
    if draw(st.booleans()):
        rings.append(ring(middle, [0, 90, 180, 270], [0.1 * size_m] * 4))
    return middle, size_m, Shape(polygons=[rings])


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(stars(), st.lists(st.tuples(st.floats(0, 360), st.floats(0, 1.4)), min_size=6, max_size=6))
def test_polygons_hold_the_places_that_a_sum_of_angles_says(star, tries):
    middle, size_m, shape = star
    try:
        ground = Ground(listed(1, shape))
    except BadShape:
        assume(False)
    rings = [unit_vectors(*np.array(corners).T[::-1]) for corners in shape.polygons[0]]
    for bearing_deg, share in tries:
        place = destination_deg(middle[0], middle[1], bearing_deg, share * size_m)
        vector = unit_vectors(*(np.array([one]) for one in place))[0]
        if off_edge_m(vector, rings) < 1e-6 * size_m + 1e-6:
            continue
        wanted = [(ENTERED, 1)] if winding(vector, rings) else []
        assert ground.go(place, begins=True) == wanted
        ground.tracking.forget([0])
        ground.tracking.install([0], [])


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(middles, sizes_m, st.floats(0, 360), st.sampled_from([0.0, 0.5, 0.999, 1.001, 1.5]))
def test_circles_hold_the_places_within_their_radius(middle, radius_m, bearing_deg, share):
    ground = Ground(listed(1, Shape(lat_deg=middle[0], lng_deg=middle[1], radius_m=radius_m)))
    place = destination_deg(middle[0], middle[1], bearing_deg, share * radius_m)
    assert ground.go(place) == ([(ENTERED, 1)] if share < 1 else [])


def test_a_polygon_over_the_date_line_is_whole_or_in_two_parts_alike():
    whole = [[179.0, -1.0], [181.0, -1.0], [181.0, 1.0], [179.0, 1.0]]
    west = [[179.0, -1.0], [180.0, -1.0], [180.0, 1.0], [179.0, 1.0]]
    east = [[-180.0, -1.0], [-179.0, -1.0], [-179.0, 1.0], [-180.0, 1.0]]
    for polygons in ([[whole]], [[west], [east]]):
        ground = Ground(listed(1, Shape(polygons=polygons)))
        walk = [(0.0, 178.9), (0.0, 179.5), (0.0, 180.0), (0.0, -179.5), (0.0, -178.9)]
        assert ground.go(*walk) == [(ENTERED, 1), (LEFT, 1)]


def test_a_ring_around_a_pole_holds_the_pole_and_its_hole_does_not():
    cap = [[lng, 80.0] for lng in range(0, 360, 10)]
    hole = [[lng, 89.0] for lng in range(0, 360, 30)]
    ground = Ground(listed(1, Shape(polygons=[[cap]])), listed(2, Shape(polygons=[[cap, hole]])))
    assert ground.go((89.9, 17.0)) == [(ENTERED, 1)]
    assert ground.go((85.0, 17.0), at_s=9) == [(ENTERED, 2)]
    assert ground.go((79.0, 17.0), at_s=18) == [(LEFT, 2), (LEFT, 1)]


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(
    middles, st.floats(0.5, 5.5).map(lambda power: 10**power), st.floats(0, 360), st.floats(-1.6, 1.6), st.booleans()
)
def test_a_way_crosses_what_it_leads_through(middle, radius_m, bearing_deg, off, as_polygon):
    """Two fixes on either side; the way between them passes the middle at a distance of `off` radii."""
    assume(abs(abs(off) - 1) > 0.02)
    bearings = [360 * k / 96 for k in range(96)]
    polygon = Shape(polygons=[[ring(middle, bearings, [radius_m] * 96)]])
    circle = Shape(lat_deg=middle[0], lng_deg=middle[1], radius_m=radius_m)
    ground = Ground(listed(1, polygon if as_polygon else circle))
    frame = drawn(circle).frame
    angle, reach = math.radians(bearing_deg), radius_m / EARTH_RADIUS_M
    along = math.cos(angle) * frame[1] + math.sin(angle) * frame[2]
    across = math.cos(angle) * frame[2] - math.sin(angle) * frame[1]
    foot = math.cos(off * reach) * frame[0] + math.sin(off * reach) * across
    ends = [math.cos(3 * reach) * foot + sign * math.sin(3 * reach) * along for sign in (-1, 1)]
    places = [degrees_of(*end.tolist()) for end in ends]
    assert ground.go(*places) == ([(CROSSED, 1)] if abs(off) < 1 else [])


def test_every_fence_on_a_long_way_is_crossed_once_whatever_cells_lie_between():
    rng = np.random.default_rng(5)
    fences = []
    for k in range(60):
        middle = destination_deg(0.0, 179.99, 90.0, 100.0 + 60 * k)
        size_m = float(rng.uniform(2, 25))
        star = ring(middle, [0, 72, 144, 216, 288], [size_m] * 5)
        shape = Shape(polygons=[[star]]) if k % 2 else Shape(lat_deg=middle[0], lng_deg=middle[1], radius_m=size_m)
        fences.append(listed(k, shape))
    ground = Ground(*fences)
    told = ground.go((0.0, 179.99), destination_deg(0.0, 179.99, 90.0, 4_000.0))
    assert sorted(told) == [(CROSSED, k) for k in range(60)]


def scattered(rng, middle, *, count, within_m, power_max):
    """Circles and stars by turns, from 3 m to ten to the `power_max` metres, around a place."""
    for k in range(count):
        place = destination_deg(middle[0], middle[1], float(rng.uniform(0, 360)), float(rng.uniform(0, within_m)))
        size_m = float(10 ** rng.uniform(0.5, power_max))
        star = ring(place, [0, 72, 144, 216, 288], rng.uniform(0.3, 1.0, 5) * size_m)
        yield Shape(polygons=[[star]]) if k % 2 else Shape(lat_deg=place[0], lng_deg=place[1], radius_m=size_m)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(MIDDLES), st.integers(0, 2**32), st.sampled_from([0.3, 1.4, 8.0, 60.0, 3e6]))
def test_who_is_clear_of_all_borders_is_told_the_same_as_who_is_compared_with_every_fix(middle, seed, step_m):
    """Walkers among fences that overlap; the other one's fences are put anew before each fix, so it is never clear."""
    rng = np.random.default_rng(seed)
    shapes = scattered(rng, middle, count=40, within_m=300, power_max=2.3)
    fences = [listed(k, shape, dwell_s=20 if k % 3 == 0 else None) for k, shape in enumerate(shapes)]
    walker, compared = Ground(*fences), Ground(*fences)
    place, bearing_deg = middle, 0.0
    for k in range(120):
        bearing_deg += float(rng.normal(0, 20))
        place = destination_deg(place[0], place[1], bearing_deg, step_m * float(rng.exponential()))
        compared.tracking.put(compared.tracking.index)
        assert walker.go(place, at_s=k) == compared.go(place, at_s=k)
    assert walker.tracking.inside(0) == compared.tracking.inside(0)


@kernel
def borders_within(vectors, reach, columns, around, least):
    """How far each place may move without meeting a border: one of the cells around, and any."""
    for n in range(vectors.shape[0]):
        x, y, z = vectors[n]
        face, u, v = face_uv(x, y, z)
        s, t = st_of_uv(u), st_of_uv(v)
        depth = max(abs(x), abs(y), abs(z))
        column, row = depth * borders.leaf_width(s, u), depth * borders.leaf_width(t, v)
        i, j = leaf_ij(s), leaf_ij(t)
        here = index.range_of(columns.start, index.leaf_key(x, y, z))
        least[n] = own = borders.border_here(x, y, z, here, columns)
        around[n] = borders.border_around(x, y, z, face, i, j, column, row, 1, reach, own, columns)
        for k in range(columns.entry.size):
            if columns.entry[k].kind != INSIDE:
                least[n] = min(least[n], borders.border_of(columns.entry[k], x, y, z, columns))


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from([(37.5665, 126.978), (66.0, -179.99), (-16.5, 179.999), (0.3, 0.2)]), st.integers(0, 2**32))
def test_the_cells_around_a_place_hold_every_border_that_is_near(middle, seed):
    rng = np.random.default_rng(seed)
    shapes = scattered(rng, middle, count=60, within_m=800, power_max=2.5)
    columns = index.built([listed(k, shape) for k, shape in enumerate(shapes)]).columns
    places = [
        destination_deg(middle[0], middle[1], float(bearing_deg), float(distance_m))
        for bearing_deg, distance_m in zip(rng.uniform(0, 360, 200), rng.uniform(0, 800, 200), strict=True)
    ]
    vectors = unit_vectors(*np.array(places).T)
    around, least = np.empty(200), np.empty(200)
    for reach_m in (0.1, 3.0, 20.0):
        reach = reach_m / EARTH_RADIUS_M
        borders_within(vectors, reach, columns, around, least)
        found = around >= 0
        assert np.count_nonzero(found) > (150 if reach_m < 10 else 20)
        assert np.abs(np.minimum(around, reach) - np.minimum(least, reach))[found].max() < 1e-15


def test_nobody_crosses_on_the_way_to_where_a_new_track_begins():
    ground = Ground(listed(1, Shape(radius_m=10.0)))
    ground.go((0.0, -0.001))
    assert ground.go((0.0, 0.001), at_s=9, begins=True) == []


def test_memberships_have_no_bound():
    """Five hundred fences around one another, and every player in all of them."""
    fences = [listed(k, Shape(radius_m=100.0 + k), dwell_s=5) for k in range(500)]
    ground = Ground(*fences, players=20)
    for slot in range(20):
        assert len(ground.go((0.0, 0.0), slot=slot)) == 500
    assert ground.tracking.memberships == 10_000
    kinds = [kind for kind, _ in ground.go((0.0, 0.0), slot=3, at_s=7)]
    assert kinds == [DWELT] * 500
    assert [kind for kind, _ in ground.go((1.0, 0.0), slot=3, at_s=8, begins=True)] == [LEFT] * 500
    assert ground.tracking.memberships == 9_500


def test_a_batch_with_more_hits_than_there_was_room_for_tells_all():
    ground = Ground(*[listed(k, Shape(radius_m=50.0)) for k in range(300)])
    places = [(0.0, 0.0), (0.1, 0.0)] * 20
    told = ground.go(*places)
    assert len(told) == 300 * 40
    assert sorted(told[:300]) == [(ENTERED, k) for k in range(300)]
    assert [kind for kind, _ in told[::300]] == [ENTERED, LEFT] * 20


def test_a_player_who_is_not_known_waits_and_goes_on_from_what_is_installed():
    ground = Ground(listed(1, Shape(radius_m=50.0)), listed(2, Shape(lat_deg=1.0, radius_m=50.0)))
    ground.tracking.forget([0])
    assert ground.go((0.0, 0.0)) == [(WAITS, 2)]
    ground.tracking.install([0], [Inside(0, 1, 5, dwelt=False)])
    assert ground.tracking.inside(0) == [Inside(0, 1, 5, dwelt=False)]
    assert ground.go((0.0, 0.0), at_s=9) == [(LEFT, 2), (ENTERED, 1)]


def test_a_slot_that_is_given_away_takes_no_membership_along():
    ground = Ground(listed(1, Shape(radius_m=50.0)))
    assert ground.go((0.0, 0.0)) == [(ENTERED, 1)]
    ground.players.forget(0)
    ground.players.admit(UUID(int=77), now_us=1)
    fix = np.zeros(1, FIX)
    fix["generation"] = 1
    batch = pass_of(fix, now_us=0)
    batch.judged["x"], batch.judged["cell"] = 1.0, geo_cells.cell_of(0.0, 0.0, ROOM_LEVEL)
    assert [kind for kind, _ in ground.told(batch)] == [WAITS]
    assert ground.tracking.memberships == 0


def test_other_fences_take_no_more_room_however_often_they_are_put():
    ground = Ground(listed(1, Shape(radius_m=50.0)))
    for k in range(40):
        assert ground.go((0.0, 0.0), (0.1, 0.0), at_s=3 * k) == [(ENTERED, 1), (LEFT, 1)]
        ground.tracking.put(ground.tracking.index)


def test_other_fences_keep_their_members_when_some_go_come_or_change():
    stays, goes, moves = (listed(k, Shape(radius_m=50.0)) for k in range(3))
    ground = Ground(stays, goes, moves)
    assert len(ground.go((0.0, 0.0))) == 3
    moved = listed(2, Shape(radius_m=60.0), shape_number=2)
    comes = listed(9, Shape(radius_m=70.0))
    ground.tracking.put(index.built([stays, moved, comes], before=ground.tracking.index))
    assert ground.tracking.memberships == 1
    assert sorted(ground.go((0.0, 0.0), at_s=5)) == [(ENTERED, 2), (ENTERED, 9)]
    ground.tracking.put(index.built([stays], before=ground.tracking.index))
    assert ground.go((0.1, 0.0), at_s=9) == [(LEFT, 0)]


def test_the_stage_compiles_nothing_once_it_is_warm():
    warm()
    mine = (*KERNELS, degrees_of)
    before = compiled_count(mine)
    assert drawn(Shape(radius_m=50.0)).middle_deg == (0.0, 0.0)
    ground = Ground(listed(1, Shape(radius_m=50.0), dwell_s=3), listed(2, Shape(polygons=[[[[0, 0], [1, 0], [1, 1]]]])))
    ground.go((0.0, 0.0), (0.3, 0.6), (0.5, 2.0))
    ground.tracking.dwelt(now_us=10**9, fixed_since_us=0)
    assert compiled_count(mine) == before


@pytest.mark.parametrize("radius_m", [1.0, 100.0, 10_000.0, 1e6, 5e6])
def test_a_covering_stays_small(radius_m):
    circle = covering(drawn(Shape(lat_deg=37.0, lng_deg=127.0, radius_m=radius_m)))
    assert circle.cell.size <= 160
    bearings = [0.36 * k for k in range(1_000)]
    polygon = (
        covering(drawn(Shape(polygons=[[ring((37.0, 127.0), bearings, [0.99 * radius_m] * 1_000)]])))
        if radius_m > 9
        else circle
    )
    assert polygon.cell.size <= 400
