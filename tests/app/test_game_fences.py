"""Fences of a definition: in game.toml and in a GeoJSON beside it, checked like all else."""

from __future__ import annotations

import json

import pytest

from overworld.app.game import GameErrors, GameFile, check
from overworld.app.versions.changes import changes
from overworld.app.versions.messages import Effect
from overworld.domains.world.fences.definition import declared
from tests.app.test_game import GOOD

CIRCLE = "\n[fences.gate]\nlat = 46.05\nlng = 14.5\nradius_m = 40\n"
SQUARE = """
[fences."the square"]
polygon = [[46.0, 14.0], [46.1, 14.0], [46.1, 14.1], [46.0, 14.1]]
holes = [[[46.04, 14.04], [46.05, 14.04], [46.05, 14.05]]]
dwell_s = 60
"""
PARK = {
    "type": "Feature",
    "geometry": {"type": "Polygon", "coordinates": [[[14, 46], [14.1, 46], [14.1, 46.1], [14, 46]]]},
    "properties": {"name": "park"},
}


def written(folder, text, *features):
    (folder / "game.toml").write_text(GOOD + text)
    (folder / "fences.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    if not features:
        (folder / "fences.geojson").unlink()
    return folder


def test_fences_of_both_files_become_one_list(tmp_path):
    game = check(written(tmp_path, CIRCLE + SQUARE, PARK))
    gate, square, park = declared(game.fences)
    assert (gate.name, gate.shape.radius_m, gate.shape.lat_deg) == ("gate", 40.0, 46.05)
    assert (square.name, square.dwell_s) == ("the square", 60)
    assert square.shape.polygons[0][0][1] == [14.0, 46.1]
    assert len(square.shape.polygons[0]) == 2
    assert (park.name, park.shape.polygons[0][0][1]) == ("park", [14.1, 46])


def test_a_fence_that_changes_is_in_force_at_once(tmp_path):
    before = check(written(tmp_path, CIRCLE, PARK))
    after = check(written(tmp_path, CIRCLE.replace("40", "50"), PARK | {"properties": {"name": "park", "dwell_s": 9}}))
    assert before.digest != after.digest
    found = changes(before, after)
    assert [one.key for one in found] == ["fences.gate.radius_m", "fences.park.dwell_s"]
    assert {one.effect for one in found} == {Effect.AT_ONCE}
    assert isinstance(after.written, GameFile)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (CIRCLE.replace("radius_m = 40\n", ""), "fences.gate: must have either lat, lng and radius_m, or a polygon"),
        (CIRCLE.replace("40", "0.5"), "fences.gate.radius_m: Expected `float` >= 1.0"),
        (CIRCLE.replace("lat", "latt"), "fences.gate.latt: unknown key; did you mean `lat`?"),
        (SQUARE.replace("[46.1, 14.0], [46.1, 14.1]", "[46.1, 14.1], [46.1, 14.0]"), "edges 0 and 2 cross"),
        (SQUARE.replace("[46.0, 14.0], [46.1, 14.0]", "[46.0]"), "fences.the square.polygon: Expected `array`"),
    ],
)
def test_a_fence_that_cannot_be_is_placed_and_explained(tmp_path, text, error):
    with pytest.raises(GameErrors) as refused:
        check(written(tmp_path, text))
    assert error in str(refused.value)
    assert "line " in str(refused.value)


@pytest.mark.parametrize(
    ("feature", "error"),
    [
        (PARK | {"properties": {}}, "features.1.properties: Object missing required field `name`"),
        (
            PARK | {"geometry": {"type": "Point", "coordinates": [1, 2]}},
            "features.1.properties.radius_m: A point needs",
        ),
        (PARK, "features.1.properties.name: there is a `park` before"),
    ],
)
def test_a_wrong_feature_is_named_with_its_file_and_number(tmp_path, feature, error):
    with pytest.raises(GameErrors) as refused:
        check(written(tmp_path, CIRCLE, PARK, feature))
    assert "fences.geojson: 1 error" in str(refused.value)
    assert error in str(refused.value)


def test_a_name_in_both_files_is_refused(tmp_path):
    with pytest.raises(GameErrors, match="names are unique"):
        check(written(tmp_path, CIRCLE.replace("gate", "park"), PARK))
