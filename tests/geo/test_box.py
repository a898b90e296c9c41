"""What a map shows: boxes over the date line and the poles, and discs that cover them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from overworld.geo.box import Box
from overworld.geo.sphere import distance_between_m

LAT_DEG = st.floats(-90, 90)
LNG_DEG = st.floats(-180, 180)
CITY = Box(west_deg=14.4, south_deg=46.0, east_deg=14.6, north_deg=46.1)
FIJI = Box(west_deg=176.0, south_deg=-20.0, east_deg=-178.0, north_deg=-16.0)


@pytest.mark.parametrize(
    ("box", "place", "inside"),
    [
        (CITY, (46.05, 14.5), True),
        (CITY, (46.0, 14.4), True),
        (CITY, (45.99, 14.5), False),
        (CITY, (46.05, -14.5), False),
        (FIJI, (-18.0, 180.0), True),
        (FIJI, (-18.0, -180.0), True),
        (FIJI, (-18.0, -179.0), True),
        (FIJI, (-18.0, 175.0), False),
        (FIJI, (-18.0, 0.0), False),
        (CITY, (float("nan"), 14.5), False),
    ],
)
def test_places_lie_in_boxes_or_not(box, place, inside):
    assert box.holds(np.array([place[0]]), np.array([place[1]])).tolist() == [inside]


@st.composite
def boxes(draw) -> Box:
    south, north = sorted((draw(LAT_DEG), draw(LAT_DEG)))
    return Box(west_deg=draw(LNG_DEG), south_deg=south, east_deg=draw(LNG_DEG), north_deg=north)


@given(boxes(), st.floats(0, 1), st.floats(0, 1))
def test_the_disc_covers_every_place_of_the_box(box, u, v):
    inside_lat = box.south_deg + u * (box.north_deg - box.south_deg)
    inside_lng = (box.west_deg + v * box.width_deg + 180) % 360 - 180
    centre_lat, centre_lng, radius_m = box.disc()
    assert distance_between_m(centre_lat, centre_lng, inside_lat, inside_lng) <= radius_m + 0.5


@given(boxes())
def test_of_a_box_of_half_a_turn_at_most_a_corner_lies_on_the_discs_edge(box):
    assume(box.width_deg <= 180)
    centre_lat, centre_lng, radius_m = box.disc()
    edges = (box.south_deg, box.north_deg)
    corners = (distance_between_m(centre_lat, centre_lng, edge, box.west_deg) for edge in edges)
    assert radius_m == pytest.approx(max(corners), abs=0.5)
