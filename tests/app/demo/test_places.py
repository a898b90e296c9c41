"""Walkers go on from where they were last, if it was they who walked last."""

from __future__ import annotations

import pytest

from overworld.app.demo import places
from overworld.app.demo.city import City
from overworld.app.demo.places import Places

CITY = City(46.0, 14.5, 1_000.0)
PLACES = [(1.5, -2.0), (300.0, 400.0)]


def test_what_was_kept_is_read_back(tmp_path):
    Places(1, CITY, PLACES).write(tmp_path)
    assert places.read(tmp_path, seed=1, city=CITY) == PLACES
    assert [path.name for path in tmp_path.iterdir()] == [places.FILE_NAME]


@pytest.mark.parametrize(("seed", "city"), [(2, CITY), (1, City(46.0, 14.5, 2_000.0))])
def test_the_places_of_others_are_not_theirs(tmp_path, seed, city):
    Places(1, CITY, PLACES).write(tmp_path)
    assert places.read(tmp_path, seed=seed, city=city) == []


@pytest.mark.parametrize("content", [b"", b"{", b'{"seed": 1}', b'{"seed": 1, "city": [], "place": [[0]]}'])
def test_a_damaged_file_is_as_good_as_none(tmp_path, content):
    (tmp_path / places.FILE_NAME).write_bytes(content)
    assert places.read(tmp_path, seed=1, city=CITY) == []


def test_no_folder_is_as_good_as_an_empty_one(tmp_path):
    assert places.read(tmp_path / "gone", seed=1, city=CITY) == []
