"""Nothing spawns far out at sea, and every place on land, islands too, has what it should."""

from __future__ import annotations

import math

import pytest
from msgspec.structs import replace

from overworld.domains.gameplay.land import Land
from overworld.geo import cells
from tests.domains.gameplay.field import RULES


@pytest.fixture(scope="module")
def land():
    return Land.bundled()


@pytest.mark.parametrize(
    ("place", "lat_deg", "lng_deg"),
    [
        ("Ljubljana", 46.056, 14.506),
        ("Venice", 45.438, 12.336),
        ("Manhattan", 40.783, -73.971),
        ("Lhasa", 29.653, 91.131),
        ("Valletta", 35.899, 14.514),
        ("Malé", 4.175, 73.509),
        ("Honolulu", 21.307, -157.858),
        ("Funchal", 32.667, -16.925),
        ("Suva, by the date line", -18.141, 178.442),
        ("Taveuni, across the date line", -16.85, -179.97),
        ("Uelen, beyond the date line", 66.16, -169.81),
        ("Wrangel, on the date line", 71.2, 180.0),
        ("the south pole", -90.0, 0.0),
        ("Vostok", -78.464, 106.837),
        ("Alert", 82.50, -62.35),
        ("Lake Baikal's shore", 51.87, 104.83),
        ("5 km off Piran", 45.57, 13.52),
        ("Null Island, which the map has", 0.0, 0.0),
    ],
)
def test_land_and_its_coasts_are_marked(land, place, lat_deg, lng_deg):
    assert land.is_near(cells.cell_of(lat_deg, lng_deg, 15)), place


@pytest.mark.parametrize(
    ("place", "lat_deg", "lng_deg"),
    [
        ("Gulf of Guinea", -2.0, 1.0),
        ("North Pacific on the date line", 40.0, 180.0),
        ("South Pacific", -48.9, -123.4),
        ("the north pole", 90.0, 0.0),
        ("mid Atlantic", 30.0, -45.0),
        ("Southern Ocean", -60.0, 0.0),
        ("Southern Ocean on the date line", -60.0, -180.0),
        ("80 km off Lisbon", 38.7, -10.45),
        ("the middle of the Black Sea", 43.2, 34.0),
        ("the middle of the Caspian", 41.7, 50.8),
    ],
)
def test_the_open_sea_is_not(land, place, lat_deg, lng_deg):
    assert not land.is_near(cells.cell_of(lat_deg, lng_deg, 15)), place


def test_a_third_of_earth_is_on_or_by_the_land(land):
    """29 % is land; even places on the sphere, in golden-angle order."""
    places = [(i + 0.5) / 20_000 for i in range(20_000)]
    hit = sum(land.is_near(cell) for cell in map(_spiral, places))
    assert 0.29 < hit / len(places) < 0.33


async def test_a_game_decides_whether_the_sea_is_empty(field):
    at = field.clock.now()
    sea = [cells.cell_of(-60.0, 0.0, 15), *cells.neighbours(cells.cell_of(-60.0, 0.0, 15))]
    found = []
    for near_land in (True, False):
        server = await field.server(replace(RULES, near_land=near_land))
        found.append(len(await server.collectibles_in(sea, player_id=field.ids(), at=at)))
    assert found[0] == 0 < found[1]


def _spiral(part: float) -> int:
    """The cell of a place on a spiral from pole to pole that fills the sphere evenly."""
    lat_deg = math.degrees(math.asin(2 * part - 1))
    return cells.cell_of(lat_deg, math.remainder(part * 20_000 * 137.50776405, 360.0), 15)
