"""A city's places are where they are said to be, also where longitudes meet."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overworld.app.demo.city import City
from overworld.geo import sphere

MIDDLES = [
    (46.0569, 14.5058),
    (-17.8, 179.99),
    (-17.8, -179.99),
    (90.0, 0.0),
    (90.0, 33.0),
    (-90.0, -120.0),
    (0.0, 0.0),
]
METRES = st.floats(-20_000, 20_000)


@pytest.mark.parametrize(("lat_deg", "lng_deg"), MIDDLES)
@given(east_m=METRES, north_m=METRES)
def test_a_place_is_read_back_from_its_degrees(lat_deg, lng_deg, east_m, north_m):
    city = City(lat_deg, lng_deg, 30_000)
    assert city.place(*city.degrees((east_m, north_m))) == pytest.approx((east_m, north_m), abs=0.001)


@pytest.mark.parametrize(("lat_deg", "lng_deg"), MIDDLES)
@given(east_m=METRES, north_m=METRES)
def test_a_place_is_as_far_from_the_middle_as_its_metres_say(lat_deg, lng_deg, east_m, north_m):
    city = City(lat_deg, lng_deg, 30_000)
    metres = sphere.distance_between_m(lat_deg, lng_deg, *city.degrees((east_m, north_m)))
    assert metres == pytest.approx(math.hypot(east_m, north_m), abs=0.01)


@given(a=st.tuples(METRES, METRES), b=st.tuples(METRES, METRES))
def test_metres_between_places_are_metres_on_the_ground(a, b):
    city = City(46.0569, 14.5058, 30_000)
    metres = sphere.distance_between_m(*city.degrees(a), *city.degrees(b))
    assert metres == pytest.approx(math.dist(a, b), rel=1e-5, abs=0.01)


def test_somewhere_is_anywhere_in_the_city_with_equal_chance():
    city, random = City(46.0569, 14.5058, 1_000), Random(1)
    places = [city.somewhere(random) for _ in range(4_000)]
    assert all(city.holds(place) for place in places)
    inner = sum(math.hypot(*place) < 500 for place in places)
    assert inner == pytest.approx(1_000, abs=100)
    assert sum(place[0] > 0 for place in places) == pytest.approx(2_000, abs=130)
