"""Fences against a slow reference that knows no cells and no columns: exact on the sphere, event by event."""

from __future__ import annotations

import math
from uuid import UUID

import numpy as np
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from overworld.domains.world.engine.engine import Pass, pass_of
from overworld.domains.world.engine.players import Players
from overworld.domains.world.fences import index
from overworld.domains.world.fences.covering import covering
from overworld.domains.world.fences.index import Listed
from overworld.domains.world.fences.kernels import ENTERED
from overworld.domains.world.fences.shapes import BadShape, drawn
from overworld.domains.world.fences.tracking import Tracking
from overworld.domains.world.fences.types import Shape
from overworld.domains.world.rules import FIX, SECOND_US
from overworld.geo import cells as geo_cells
from overworld.geo.kernels import EARTH_RADIUS_M
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
    corners = [destination_deg(*middle, *pair) for pair in zip(bearings_deg, distances_m, strict=True)]
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
        place = destination_deg(*middle, bearing_deg, share * size_m)
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
    place = destination_deg(*middle, bearing_deg, share * radius_m)
    assert ground.go(place) == ([(ENTERED, 1)] if share < 1 else [])
