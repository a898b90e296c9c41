"""The live map's data from a real server: exact places, figures, and what is collected as it happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
import pytest_asyncio

from bench.servers import ServerProcess
from tests.system.player import LJUBLJANA, Player

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

VIEW = {"west": 14.49, "south": 46.04, "east": 14.53, "north": 46.07}
ELSEWHERE = {"west": 2.2, "south": 48.8, "east": 2.4, "north": 48.9}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory) -> AsyncIterator[ServerProcess]:
    async with ServerProcess(tmp_path_factory.mktemp("live") / "data") as started:
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def player(server) -> AsyncIterator[Player]:
    """The only one there; it stands in view."""
    async with AsyncExitStack() as stack:
        joined = await stack.enter_async_context(Player(server))
        await joined.stand(*LJUBLJANA)
        yield joined


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def live(server) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody on the machine, without a token."""
    async with httpx.AsyncClient(base_url=f"{server.http}/v1/live") as client:
        yield client


async def test_a_player_is_where_it_is_to_a_centimetre(live, player):
    await player.stand(*LJUBLJANA)
    world = (await live.get("/world", params=VIEW)).json()
    assert world["players"]["lat"] == [pytest.approx(LJUBLJANA[0], abs=1e-7)]
    assert world["players"]["lng"] == [pytest.approx(LJUBLJANA[1], abs=1e-7)]
    assert (world["in_view"], world["totals"]["players"], world["totals"]["sockets"]) == (1, 1, 1)
    assert world["totals"]["fixes_accepted"] >= 1
    assert str(player.api.session.user.id) not in str(world)


async def test_its_id_stays_while_it_moves(live, player):
    before = (await live.get("/world", params=VIEW)).json()["players"]
    await player.stand(LJUBLJANA[0] + 0.0001, LJUBLJANA[1])
    after = (await live.get("/world", params=VIEW)).json()["players"]
    assert before["id"] == after["id"]
    assert before["lat"] != after["lat"]


async def test_elsewhere_nobody_is_and_the_bound_on_players_holds(live, player):
    assert (await live.get("/world", params=ELSEWHERE)).json()["in_view"] == 0
    bounded = (await live.get("/world", params=VIEW | {"players_max": 0})).json()
    assert (bounded["in_view"], bounded["players"]["id"]) == (1, [])


async def test_a_coin_that_is_collected_vanishes_and_is_told_of(live, player):
    coin = (await player.around(*LJUBLJANA))[0]
    lying = (await live.get("/collectibles", params=VIEW)).json()
    assert coin["id"] in lying["items"]["id"]
    assert lying["at_ms"] < lying["expires_at_ms"] <= lying["at_ms"] + 1_800_000
    last = (await live.get("/world", params=VIEW)).json()["collected"]["last"]
    await player.stand(coin["lat"], coin["lng"])
    assert (await player.collect(coin["id"], key="live")).status_code == 200
    async with asyncio.timeout(10):
        told: list[dict[str, Any]] = []
        while not told:
            told = (await live.get("/world", params=VIEW | {"collected_after": last})).json()["collected"]["items"]
    assert [(one["n"], one["id"], one["type"]) for one in told] == [(last + 1, coin["id"], coin["type"])]
    assert coin["id"] not in (await live.get("/collectibles", params=VIEW)).json()["items"]["id"]


async def test_what_lies_in_view_is_exactly_what_lies_in_the_box(live):
    items = (await live.get("/collectibles", params=VIEW)).json()["items"]
    assert len(items["id"]) == len(set(items["id"])) > 20
    assert all(VIEW["south"] <= lat <= VIEW["north"] for lat in items["lat"])
    assert all(VIEW["west"] <= lng <= VIEW["east"] for lng in items["lng"])


@pytest.mark.parametrize(
    "view",
    [
        {"west": 179.99, "south": -16.9, "east": -179.99, "north": -16.88},
        {"west": -180, "south": 89.995, "east": 180, "north": 90},
        {"west": 10, "south": 46, "east": 10, "north": 46},
    ],
    ids=["date line", "north pole", "a point"],
)
async def test_views_at_the_ends_of_the_map_are_answered(live, view):
    for path in ("/world", "/collectibles"):
        assert (await live.get(path, params=view)).status_code == 200


async def test_a_whole_planet_is_too_wide_for_coins(live):
    planet = {"west": -180, "south": -90, "east": 180, "north": 90}
    assert (await live.get("/world", params=planet)).status_code == 200
    refused = await live.get("/collectibles", params=planet)
    assert (refused.status_code, refused.json()["code"], refused.json()["cells_max"]) == (
        400,
        "live.view_too_wide",
        3_000,
    )


@pytest.mark.parametrize(
    "wrong",
    [{"south": 47}, {"west": 181}, {"north": "x"}, {"east": "nan"}, {"players_max": -1}, {"collected_after": -1}],
)
async def test_views_that_are_none_are_refused(live, wrong):
    assert (await live.get("/world", params=VIEW | wrong)).status_code == 400


async def test_a_player_is_shown_what_they_hold_are_at_and_where_they_stand(live, player):
    coin = (await player.around(*LJUBLJANA))[-1]
    await player.stand(coin["lat"], coin["lng"])
    assert (await player.collect(coin["id"], key="shown")).status_code == 200
    score = str(await player.balance())
    async with asyncio.timeout(10):
        shown = (await player.raw.get("/v1/live/me")).json()
        while [place["score"] for standing in shown["standings"] for place in standing["around"]] != [score, score]:
            shown = (await player.raw.get("/v1/live/me")).json()
    me = await player.api.me()
    assert (shown["name"], shown["level"], shown["experience"]) == (me.username, me.level, me.experience)
    assert shown["level_from"] <= shown["experience"] < shown["level_to"]
    assert shown["balances"] == [{"currency": "coin", "amount": score}]
    active = [quest.id for quest in await player.api.quests() if quest.state == "active"]
    assert [quest["id"] for quest in shown["quests"]] == active
    for standing, board in zip(shown["standings"], ("daily", "global"), strict=True):
        told = await player.api.leaderboard(board, around_me=True)
        assert (standing["board"], standing["rank"], standing["players"]) == (board, 1, told.players)
        assert standing["around"] == [{"rank": 1, "name": me.username, "score": score, "is_player": True}]


async def test_any_player_in_view_is_shown_the_same_and_nothing_when_nothing_changed(live, player):
    [number] = (await live.get("/world", params=VIEW)).json()["players"]["id"]
    shown = await live.get(f"/players/{number}")
    assert (shown.json()["id"], shown.json()["name"]) == (number, player.api.session.user.username)
    async with asyncio.timeout(30):  # what was done before may still be counted for a quest of all
        while (again := await live.get(f"/players/{number}", headers={"if-none-match": shown.headers["etag"]})).content:
            shown = again
    assert again.status_code == 304


@pytest.mark.parametrize("number", [0, 2**24 + 5, 2**53], ids=["another time", "nobody's place", "no place"])
async def test_an_id_that_nobody_in_view_has_is_not_found(live, player, number):
    [taken] = (await live.get("/world", params=VIEW)).json()["players"]["id"]
    refused = await live.get(f"/players/{taken + (1 << 24) if number == 0 else number}")
    assert (refused.status_code, refused.json()["code"]) == (404, "live.no_player")


async def test_nobody_is_me_without_a_token(live, server):
    assert (await live.get("/me")).status_code == 401
    assert (await live.get("/me", headers={"overworld-key": server.key})).status_code == 401


async def test_about_tells_who_may_ask_for_players(live, server):
    assert (await live.get("/about")).json()["follows"] is True
    assert (await live.get("/players/1", headers={"host": "rebound.example"})).status_code == 401


async def test_about_names_what_the_game_names(live):
    about = (await live.get("/about")).json()
    assert (about["title"], about["collectibles"], about["demo"], about["home"]) == ("Ore", "coins", False, None)
    shown = [kind["type"] for kind in about["types"]]
    assert shown == ["bronze", "silver", "gold", "platinum", "diamond", "pearl", "amber", "jade"]


async def test_a_name_that_resolves_to_this_machine_is_not_let_in_but_the_key_is(live, server):
    rebound = {"host": "rebound.example"}
    assert (await live.get("/world", params=VIEW, headers=rebound)).status_code == 401
    held = rebound | {"overworld-key": server.key}
    assert (await live.get("/world", params=VIEW, headers=held)).status_code == 200


async def test_verdicts_are_metrics_too(server, player):
    async with httpx.AsyncClient() as client:
        text = (await client.get(f"{server.operations}/metrics")).text
    accepted = [line for line in text.splitlines() if line.startswith('overworld_world_verdicts_total{reason="none"}')]
    assert float(accepted[0].rpartition(" ")[2]) >= 1
