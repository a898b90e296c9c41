"""Who reads whose history, how it comes in pages, what a look by staff leaves behind, and that erased is erased."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from overworld.domains.world.history import store
from overworld.domains.world.history.types import Sample
from overworld.geo import cells
from tests.domains.world.conftest import START
from tests.domains.world.joined import ANN, BOB, STAFF, kept, of, over_http
from tests.domains.world.journeys import HOME


@pytest.fixture
async def client(server):
    async with over_http(server) as opened:
        yield opened


async def recorded(server, *minutes: int, player: UUID = ANN) -> None:
    """Keeps a fix of a player at each minute after the start."""
    samples = [Sample(player, START + timedelta(minutes=n), *HOME, 0x47652D6140000000, 4.0) for n in minutes]
    await server.field.parts.history.recorder.write()
    async with server.database.transaction() as tx:
        days = set(await store.days(tx))
        for day in sorted({sample.recorded_at.date() for sample in samples} - days):
            await store.make_day(tx, day)
        await store.add(tx, samples)


def minutes_of(items) -> list[int]:
    return [(datetime.fromisoformat(item["recorded_at"]) - START) // timedelta(minutes=1) for item in items]


async def test_ones_own_track_comes_newest_first_in_pages_that_meet(server, client):
    await recorded(server, *range(7))
    await recorded(server, 3, player=BOB)
    seen, cursor = [], None
    for _ in range(5):
        params = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = (await client.get("/v1/location/history", params=params, headers=of(ANN))).json()
        seen += minutes_of(page["items"])
        cursor = page["cursor"]
        if cursor is None:
            break
    assert seen == [6, 5, 4, 3, 2, 1, 0]


async def test_a_fix_that_two_servers_kept_is_shown_once(server, client):
    await recorded(server, 0, 1, 1, 2)
    page = (await client.get("/v1/location/history", headers=of(ANN))).json()
    assert minutes_of(page["items"]) == [2, 1, 0]


async def test_a_place_is_told_as_it_was_kept(server, client):
    await recorded(server, 0)
    [item] = (await client.get("/v1/location/history", headers=of(ANN))).json()["items"]
    assert item == {
        "recorded_at": "2026-11-21T09:00:00Z",
        "lat": HOME[0],
        "lng": HOME[1],
        "accuracy_m": 4.0,
        "cell": "47652d614",
    }


async def test_what_was_kept_exactly_is_coarse_once_the_setting_is(start_server):
    exact, coarse = start_server(), start_server(precision="coarse")
    await recorded(exact, 0)
    [place] = await coarse.history.service.own(ANN, start=None, end=None, limit=5)
    assert (place.lat, place.lng) == cells.centre_deg(cells.cell_of(*HOME, 16))
    assert place.accuracy_m is None


async def test_a_span_holds_its_start_and_not_its_end(server, client):
    await recorded(server, *range(5))
    params = {"from": "2026-11-21T09:01:00Z", "to": "2026-11-21T18:33:00+09:30"}
    page = (await client.get("/v1/location/history", params=params, headers=of(ANN))).json()
    assert minutes_of(page["items"]) == [2, 1]
    backwards = {"from": "2026-11-21T09:03:00", "to": "2026-11-21T09:01:00"}
    assert (await client.get("/v1/location/history", params=backwards, headers=of(ANN))).json()["items"] == []


@pytest.mark.parametrize("params", [{"from": "yesterday"}, {"to": "2026-13-01"}, {"cursor": "x"}, {"limit": 0}])
async def test_what_is_no_time_or_no_page_is_refused(client, params):
    assert (await client.get("/v1/location/history", params=params, headers=of(ANN))).status_code == 400


async def test_nothing_older_than_what_is_kept_is_shown_though_its_day_is_still_there(server):
    await recorded(server, 0)
    server.field.wait(8 * 86_400)
    assert await server.history.service.own(ANN, start=None, end=None, limit=5) == []


async def test_a_look_by_staff_is_kept_with_whom_they_looked_at_and_when(server, client):
    await recorded(server, 0, 1)
    params = {"from": "2026-11-21T09:00:00Z"}
    page = (await client.get(f"/v1/admin/location/{ANN}/history", params=params, headers=of(STAFF))).json()
    assert minutes_of(page["items"]) == [1, 0]
    [entry] = server.trail.entries
    assert (entry.actor_id, entry.action, entry.target) == (STAFF, "location.read_history", str(ANN))
    assert entry.note == "2026-11-21T09:00:00Z to now"
    assert entry.address


async def test_a_look_whose_trace_cannot_be_kept_shows_nothing(server, client, monkeypatch):
    await recorded(server, 0)

    async def full(tx, entries):
        raise OSError("no room")

    monkeypatch.setattr(server.trail, "record", full)
    reply = await client.get(f"/v1/admin/location/{ANN}/history", headers=of(STAFF))
    assert (reply.status_code, "items" in reply.json()) == (500, False)


async def test_players_read_only_their_own_and_leave_no_trace(server, client):
    await recorded(server, 0)
    assert (await client.get(f"/v1/admin/location/{ANN}/history", headers=of(BOB))).status_code == 403
    assert (await client.get("/v1/location/history", headers=of(BOB))).json()["items"] == []
    assert server.trail.entries == []


async def test_erased_is_erased_what_waits_included_and_nobody_elses(server, client):
    await recorded(server, 0, 1)
    await recorded(server, 2, player=BOB)
    await server.field.stand(1)
    await server.field.stand(2)
    assert (await client.delete("/v1/location/history", headers=of(ANN))).status_code == 204
    await server.history.recorder.write()
    assert {row[0] for row in await kept(server.database)} == {BOB}
    assert len(await kept(server.database)) == 2


async def test_other_servers_forget_what_they_have_not_written_when_they_hear_of_it(start_server):
    here, there = start_server(), start_server()
    await there.field.stand(1)
    await there.field.stand(2)
    await here.history.service.erase(ANN)
    await there.catch_up()
    await there.history.recorder.write()
    assert [row[0] for row in await kept(here.database)] == [BOB]


async def test_a_copy_under_way_elsewhere_while_a_player_is_erased_leaves_nothing(start_server, monkeypatch):
    here, there = start_server(), start_server()
    await there.field.stand(1)
    copied, go_on = asyncio.Event(), asyncio.Event()
    add = store.add

    async def slow(tx, samples):
        await add(tx, samples)
        copied.set()
        await go_on.wait()

    monkeypatch.setattr("overworld.domains.world.history.recorder.store.add", slow)
    writing = asyncio.create_task(there.history.recorder.write())
    await copied.wait()
    await here.history.service.erase(ANN)
    hearing = asyncio.create_task(there.catch_up())
    go_on.set()
    await asyncio.gather(writing, hearing)
    assert await kept(here.database) == []


async def test_who_erased_its_history_is_recorded_again_from_then_on(server):
    await server.field.stand(1)
    await server.history.service.erase(ANN)
    server.field.wait(61)
    await server.field.stand(1)
    await server.history.recorder.write()
    assert await kept(server.database) == [(ANN, START + timedelta(seconds=61))]
