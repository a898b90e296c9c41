"""A place's biome follows from where it is, is the same on every server, and decides what spawns there."""

from __future__ import annotations

from collections import Counter

import pytest
from msgspec.structs import replace

from overworld.domains.gameplay.biomes import Biomes
from overworld.domains.gameplay.land import Land
from overworld.domains.gameplay.rules import spawn_table
from overworld.domains.gameplay.spawns import Spawns
from overworld.domains.gameplay.types import Biome
from overworld.geo import cells
from tests.domains.gameplay.field import CURRENCIES, LEVELS, RULES, SECRET

LJUBLJANA, PIRAN, VIENNA, QUITO, TROMSO = (
    (46.056, 14.506),
    (45.528, 13.568),
    (48.208, 16.373),
    (-0.180, -78.467),
    (69.65, 18.96),
)


def table_of(biomes, **rules):
    by_code = {currency.code: currency for currency in CURRENCIES}
    return spawn_table(replace(RULES, biomes=biomes, **rules), LEVELS, by_code)


def biomes_of(biomes, key=SECRET, land=None):
    return Biomes(key=key, tables=table_of(biomes).biomes, land=land or Land.bundled())


def cell_at(place: tuple[float, float]) -> int:
    return cells.cell_of(place[0], place[1], 15)


def test_the_coast_is_near_the_sea_and_nowhere_else():
    coast = biomes_of({"coast": Biome(coast=True)})
    assert [coast.at(cell_at(place)) for place in (PIRAN, LJUBLJANA, VIENNA, QUITO)] == [0, -1, -1, -1]


def test_latitudes_count_from_the_equator_both_ways():
    bands = biomes_of({"far": Biome(latitude_min_deg=60), "near": Biome(latitude_max_deg=23.5)})
    south = (-QUITO[0] - 20, 25.0)
    assert [bands.at(cell_at(place)) for place in (TROMSO, QUITO, south, VIENNA)] == [0, 1, 1, -1]


def test_the_first_that_fits_by_rank_then_by_name_is_the_biome():
    everywhere = {"b": Biome(rank=1), "c": Biome(), "d": Biome()}
    assert [one.name for one in table_of(everywhere).biomes] == ["c", "d", "b"]
    assert biomes_of(everywhere).at(cell_at(VIENNA)) == 0
    there = {"b": Biome(rank=1), "c": Biome(latitude_min_deg=60)}
    assert biomes_of(there).at(cell_at(VIENNA)) == 1


def test_a_share_is_drawn_by_the_secret_a_whole_coarse_cell_at_once():
    """2,000 cells of level 9: within four standard errors of a quarter; another secret draws others."""
    one = {"vein": Biome(share=0.25, share_level=9)}
    drawn, other = biomes_of(one), biomes_of(one, key=b"another secret")
    start = cells.parent(cell_at(VIENNA), 9)
    step = 2 * (start & -start)
    coarse = [start + step * i for i in range(2_000)]
    got = [drawn.at(cells.cell_of(*cells.centre_deg(cell), 15)) for cell in coarse]
    assert abs(got.count(0) / 2_000 - 0.25) < 4 * (0.25 * 0.75 / 2_000) ** 0.5
    assert got != [other.at(cells.cell_of(*cells.centre_deg(cell), 15)) for cell in coarse]
    around = [cells.cell_of(*cells.uniform_point_in(coarse[0], u / 9, v / 9), 15) for u in range(9) for v in range(9)]
    assert {drawn.at(cell) for cell in around} == {got[0]}


def test_what_spawns_follows_the_weights_and_the_density_of_the_biome():
    """Relics alone and twice as many south of the line; outside nothing changes, not even a place."""
    north = {"north": Biome(latitude_min_deg=60, mean_per_cell=16, weights={"copper": 0, "opal": 0})}
    source, plain = (
        Spawns(key=SECRET, table=table_of(biomes), cells_cached_max=1_000, land=Land.bundled())
        for biomes in (north, {})
    )
    wanted = [cell_at(TROMSO), *cells.neighbours(cell_at(TROMSO))]
    there = source.in_cells(wanted, window=7)
    assert Counter(spawn.kind.type for spawn in there) == {"relic": len(there)}
    assert 9 * 12 < len(there) < 9 * 20 and len(plain.in_cells(wanted, window=7)) < 9 * 11
    home = [cell_at(VIENNA), *cells.neighbours(cell_at(VIENNA))]
    assert source.in_cells(home, window=7) == plain.in_cells(home, window=7)


@pytest.mark.parametrize("land", [None, Land.bundled()])
def test_two_servers_agree(land):
    one = {"vein": Biome(share=0.5), "coast": Biome(coast=True)}
    places = [cell_at((lat, lng)) for lat in range(-80, 81, 8) for lng in range(-180, 180, 30)]
    assert [biomes_of(one, land=land).at(cell) for cell in places] == [biomes_of(one).at(cell) for cell in places]
