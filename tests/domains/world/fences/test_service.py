"""Fences made, found, changed and imported, each once and within bounds."""

from __future__ import annotations

import asyncio

import pytest

from overworld.domains.world.fences.errors import BadFence, FenceOfGame, NoFence, TooManyFences
from overworld.domains.world.fences.messages import FeatureCollection, FenceBody, MultiPolygon, Point, Polygon
from overworld.domains.world.fences.types import Declared, Shape
from overworld.geo.box import Box
from overworld.platform.http.errors import PreconditionFailed
from overworld.platform.postgres.idempotency import KeyReused
from tests.domains.world.fences.fenced import BY, body, told

SQUARE = [[126.0, 37.0], [126.01, 37.0], [126.01, 37.01], [126.0, 37.01], [126.0, 37.0]]
BOW_TIE = [[0.0, 0.0], [1.0, 1.0], [1.0, 0.0], [0.0, 1.0]]


def nothing(_there):
    """Any fence will do."""


def collection(*features):
    return FeatureCollection(type="FeatureCollection", features=list(features))


def feature(geometry, **properties):
    return {"type": "Feature", "geometry": geometry, "properties": properties}


async def test_a_fence_is_made_once_under_a_key(fenced):
    service = fenced.parts.service
    wanted = body(fenced.field)
    first, again = [await service.make(wanted, **BY, key="k") for _ in range(2)]
    assert (first.value, first.replayed, again.value, again.replayed) == (again.value, False, first.value, True)
    assert len(service.book) == 1
    with pytest.raises(KeyReused):
        await service.make(body(fenced.field, name="other"), **BY, key="k")


async def test_twins_under_one_key_make_one_fence(open_fenced):
    pair = [open_fenced(), open_fenced()]
    made = await asyncio.gather(*(one.parts.service.make(body(one.field), **BY, key="k") for one in pair))
    assert len({answer.value.id for answer in made}) == 1


@pytest.mark.parametrize(
    ("wanted", "path"),
    [
        (FenceBody(name="x", geometry=Point([0.0, 0.0])), "radius_m"),
        (FenceBody(name="x", geometry=Polygon([SQUARE]), radius_m=5.0), "radius_m"),
        (FenceBody(name="x", geometry=Polygon([BOW_TIE])), "geometry"),
        (FenceBody(name="x", geometry=Polygon([[[0.0, 0.0], [0.0, 0.0], [1.0, 1.0]]])), "geometry"),
        (FenceBody(name="x", geometry=Polygon([[[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]]])), "geometry"),
        (FenceBody(name="x", geometry=Polygon([[[0.0, -80.0], [120.0, 80.0], [240.0, 0.0]]])), "geometry"),
        (FenceBody(name="x", geometry=Point([0.0, 91.0]), radius_m=5.0), "geometry"),
        (FenceBody(name="x", geometry=Polygon([[[k / 2_000, (k % 2) / 9] for k in range(1_001)]])), "geometry"),
    ],
)
async def test_what_cannot_be_drawn_is_refused_with_its_place(fenced, wanted, path):
    with pytest.raises(BadFence) as refused:
        await fenced.parts.service.make(wanted, **BY, key="k")
    assert [error["path"] for error in refused.value.fields["errors"]] == [path]


async def test_an_import_takes_all_features_or_none_and_names_those_that_are_wrong(fenced):
    service = fenced.parts.service
    good = [
        feature({"type": "Polygon", "coordinates": [SQUARE]}, name="square", dwell_s=60, colour="red"),
        feature(
            {"type": "MultiPolygon", "coordinates": [[SQUARE], [[[127, 37], [127.5, 37], [127.5, 38]]]]}, name="two"
        ),
        feature({"type": "Point", "coordinates": [126.0, 37.0, 12.5]}, name="circle", radius_m=25),
    ]
    bad = [
        feature({"type": "Point", "coordinates": [126.0, 37.0]}, name="no radius"),
        feature({"type": "LineString", "coordinates": [[0, 0], [1, 1]]}, name="line"),
        feature({"type": "Polygon", "coordinates": [BOW_TIE]}, name="bow tie"),
        {"type": "Feature", "geometry": good[0]["geometry"], "properties": {}},
    ]
    with pytest.raises(BadFence) as refused:
        await service.take_in(collection(*good, *bad), **BY, key="k")
    assert [error["path"] for error in refused.value.fields["errors"]] == [
        "features.3.properties.radius_m", "features.4.geometry.type", "features.5.geometry", "features.6.properties",
    ]  # fmt: skip
    assert len(service.book) == 0
    ids = (await service.take_in(collection(*good), **BY, key="k")).value.ids
    shown = [await service.find(one) for one in ids]
    assert [(one.name, type(one.geometry), one.radius_m, one.dwell_s) for one in shown] == [
        ("square", Polygon, None, 60), ("two", MultiPolygon, None, None), ("circle", Point, 25.0, None),
    ]  # fmt: skip
    assert (await service.take_in(collection(*good), **BY, key="k")).replayed


async def test_there_are_no_more_fences_than_the_setting_says(open_fenced):
    here = open_fenced(fences_max=2)
    for _ in range(2):
        await here.circle()
    with pytest.raises(TooManyFences):
        await here.circle()


async def test_a_change_holds_for_the_revision_it_names(fenced):
    service = fenced.parts.service
    fence_id = await fenced.circle()

    def stale(there):
        assert there.revision == 1
        raise PreconditionFailed

    for doing in (
        service.change(fence_id, body(fenced.field, name="new"), **BY, matches=stale),
        service.delete(fence_id, **BY, matches=stale),
    ):
        with pytest.raises(PreconditionFailed):
            await doing
    changed = await service.change(fence_id, body(fenced.field, name="new", dwell_s=9), **BY, matches=nothing)
    assert (changed.revision, changed.name, changed.dwell_s) == (2, "new", 9)
    same = await service.change(fence_id, body(fenced.field, name="new", dwell_s=9), **BY, matches=nothing)
    assert same.revision == 2
    await service.delete(fence_id, **BY, matches=nothing)
    did = ["fence.make", "fence.change", "fence.delete"]
    assert fenced.field.trail.did == [(action, str(fence_id)) for action in did]
    for doing in (service.find(fence_id), service.delete(fence_id, **BY, matches=nothing)):
        with pytest.raises(NoFence):
            await doing


async def test_fences_are_listed_by_distance_page_by_page_or_in_a_box(fenced):
    book = fenced.parts.service.book
    for east_m in (3_000, 0, 1_000, 2_000):
        await fenced.circle(east_m=east_m, radius_m=100, name=str(east_m))
    here = fenced.field.report()
    place = (here.lat, here.lng, 1_950.0)
    first = book.around(place=place, after=(-1.0, ""), limit=2)
    assert [(fence.name, round(off)) for off, fence in first] == [("0", 0), ("1000", 900)]
    second = book.around(place=place, after=(first[-1][0], str(first[-1][1].id)), limit=2)
    assert [fence.name for _, fence in second] == ["2000"]
    box = Box(west_deg=here.lng - 0.001, south_deg=37, east_deg=here.lng + 0.012, north_deg=38)
    assert {fence.name for _, fence in book.around(box=box, after=(-1.0, ""), limit=9)} == {"0", "1000"}


async def test_the_games_fences_come_and_go_with_its_definition(fenced, database):
    service = fenced.parts.service
    here = fenced.field.report()
    circle = Declared(name="gate", shape=Shape(lat_deg=here.lat, lng_deg=here.lng, radius_m=40.0))
    await service.adopt(
        [circle, Declared(name="far", shape=Shape(lat_deg=1.0, lng_deg=1.0, radius_m=9.0))], game="pond"
    )
    assert await fenced.go(1, 0) == ["zone.entered"]
    await fenced.settle()
    await service.adopt([circle], game="pond")
    [(_, gate)] = service.book.around(after=(-1.0, ""), limit=9)
    assert (gate.name, gate.source, gate.revision) == ("gate", "game", 1)
    with pytest.raises(FenceOfGame):
        await service.delete(gate.id, **BY, matches=nothing)
    await service.adopt([], game="pond")
    assert len(service.book) == 0
    assert await told(database) == [("entered", 1, ""), ("left", 1, "deleted")]


async def test_another_server_follows_what_is_kept(open_fenced):
    one, other = open_fenced(), open_fenced()
    fence_id = await one.circle()
    await one.circle(east_m=5_000)
    await other.parts.load()
    assert await other.go(1, 0) == ["zone.entered"]
    await one.parts.service.delete(fence_id, **BY, matches=nothing)
    await other.parts.load()
    assert len(other.parts.service.book) == 1
    assert await other.go(1, 0) == []
    for each in (one, other):
        await each.parts.stop(within_s=1)
