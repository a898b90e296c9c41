"""Distances and destinations against places whose distances are known, and against each other."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from overworld.geo import kernels, sphere
from overworld.geo.compiled import kernel

LAT_DEG = st.floats(-90, 90)
LNG_DEG = st.floats(-180, 180)
QUARTER_M = math.pi / 2 * sphere.EARTH_RADIUS_M


@pytest.mark.parametrize(
    ("place", "to", "expected_m"),
    [
        ((0, 0), (0, 0), 0),
        ((0, 0), (90, 123), QUARTER_M),
        ((0, 179.5), (0, -179.5), QUARTER_M / 90),
        ((89.5, 10), (89.5, -170), QUARTER_M / 90),
        ((12, 34), (-12, -146), 2 * QUARTER_M),
        ((36.12, -86.67), (33.94, -118.40), 2_886_448),
    ],
)
def test_known_distances(place: tuple[float, float], to: tuple[float, float], expected_m):
    """The last row is the worked example of Rosetta Code's haversine page, scaled to this radius."""
    assert sphere.distance_between_m(*place, *to) == pytest.approx(expected_m, abs=2)
    assert sphere.distance_m(*place, np.array([to[0]]), np.array([to[1]]))[0] == pytest.approx(expected_m, abs=2)


@given(LAT_DEG, LNG_DEG, LAT_DEG, LNG_DEG)
def test_chords_of_unit_vectors_and_haversines_agree(lat, lng, to_lat, to_lng):
    a, b = (np.array(kernels.unit_xyz(*place)) for place in ((lat, lng), (to_lat, to_lng)))
    by_chord_m = kernels.metres_of_chord2(float(((a - b) ** 2).sum()))
    assert by_chord_m == pytest.approx(sphere.distance_between_m(lat, lng, to_lat, to_lng), abs=0.5)


@given(LAT_DEG, LNG_DEG, st.floats(0, 360), st.floats(0, 2e7))
def test_a_walk_ends_as_far_away_as_it_is_long(lat, lng, bearing, walked_m):
    end = sphere.destination_deg(lat, lng, bearing, walked_m)
    assert abs(end[0]) <= 90
    assert abs(end[1]) <= 180
    assert sphere.distance_between_m(lat, lng, *end) == pytest.approx(walked_m, abs=0.5)


@given(st.floats(0, 2e7))
def test_a_distance_survives_the_way_through_chords(distance_m):
    assert kernels.metres_of_chord2(kernels.chord2_of_metres(distance_m)) == pytest.approx(distance_m, abs=0.5)


def test_a_kilometre_north_from_a_place_near_the_date_line():
    assert sphere.destination_deg(0, 179.999, 90, 1_000) == pytest.approx((0, -179.992007), abs=1e-6)


def test_unit_vectors_of_columns_are_those_of_single_places():
    lat_deg, lng_deg = np.array([0.0, 90.0, -12.5]), np.array([0.0, 7.0, 179.9])
    rows = sphere.unit_vectors(lat_deg, lng_deg)
    assert rows.shape == (3, 3)
    for row, lat, lng in zip(rows, lat_deg.tolist(), lng_deg.tolist(), strict=True):
        assert row == pytest.approx(kernels.unit_xyz(lat, lng), abs=1e-15)


def test_nan_in_nan_out():
    assert np.isnan(sphere.distance_m(0, 0, np.array([math.nan]), np.array([0.0]))[0])


@kernel
def surely_within(chord2: float, distance_m: float) -> bool:
    return kernels.is_surely_within(chord2, distance_m)


@given(st.floats(-3, 7.3).map(lambda power: 10**power), st.floats(0.999, 1.001) | st.floats(0, 3))
def test_what_is_surely_within_a_distance_is(distance_m: float, share: float):
    limit_m = share * distance_m
    chord2 = kernels.chord2_of_metres(distance_m)
    if surely_within(chord2, limit_m):
        assert kernels.metres_of_chord2(chord2) <= limit_m
    elif distance_m < 10_000:
        assert kernels.metres_of_chord2(chord2) > 0.9999 * limit_m
