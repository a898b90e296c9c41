"""The live map in a real browser, on a real server, with players who really walk and collect."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import httpx
import pytest
import pytest_asyncio
from playwright.async_api import ViewportSize

from bench.browser import DESKTOP, PHONE, STRANGER, Visit, visiting
from bench.servers import ServerProcess, free_ports, overworld
from overworld.platform.postgres import running_dsn
from tests.docs.pages import read
from tests.system.player import LJUBLJANA, Player

pytestmark = [
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
]

Joins = Callable[[ServerProcess], Awaitable[Player]]
WALKED_M = 60.0
ZOOM = 15.5
WALKED_PX = WALKED_M * 512 * 2**ZOOM / (40_030_229.8 * math.cos(math.radians(LJUBLJANA[0])))
HERE = f"#{ZOOM}/{LJUBLJANA[0]}/{LJUBLJANA[1]}"
PAINTED = """() => {
  const canvas = document.getElementById("live");
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  let sum = 0;
  for (let i = 3; i < pixels.length; i += 4) sum = (sum * 31 + pixels[i]) % 1000000007;
  return sum;
}"""
ALPHA_AT = """([x, y]) => document.getElementById("live").getContext("2d")
  .getImageData(Math.round(x), Math.round(y), 1, 1).data[3]"""
OVERLAPS = """() => {
  const leaves = [...document.querySelectorAll("body *")].filter((element) =>
    element.checkVisibility() && element.children.length === 0 && element.textContent.trim() !== "");
  const blocks = [...document.querySelectorAll(".maplibregl-ctrl-group, .spark, .brand img, .state")];
  const rects = [...leaves, ...blocks.filter((element) => element.checkVisibility())]
    .map((element) => ({ element, name: element.outerHTML.slice(0, 80), box: element.getBoundingClientRect() }));
  const found = [];
  for (const a of rects) for (const b of rects) {
    if (a === b || a.element.contains(b.element) || b.element.contains(a.element)) continue;
    const width = Math.min(a.box.right, b.box.right) - Math.max(a.box.left, b.box.left);
    const height = Math.min(a.box.bottom, b.box.bottom) - Math.max(a.box.top, b.box.top);
    if (width > 1 && height > 1) found.push(`${a.name} over ${b.name}`);
  }
  const page = document.documentElement;
  for (const { name, box } of rects) if (box.right > innerWidth + 1 || box.left < -1) found.push(`${name} sticks out`);
  if (page.scrollWidth > innerWidth || page.scrollHeight > innerHeight) found.push("the page scrolls");
  return found;
}"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory) -> AsyncIterator[ServerProcess]:
    """A server that comes back at the same address when it is started again."""
    async with ServerProcess(tmp_path_factory.mktemp("map") / "data", ports=free_ports()) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="module")
async def joins() -> AsyncIterator[Joins]:
    """Signs new players in: `await joins(server)`."""
    async with AsyncExitStack() as stack:

        async def join(server: ServerProcess) -> Player:
            return await stack.enter_async_context(Player(server, device_id=f"map-{uuid4()}"))

        yield join


def east(place: tuple[float, float], metres: float) -> tuple[float, float]:
    lat, lng = place
    return lat, lng + metres / 111_195.0 / math.cos(math.radians(lat))


def rightmost(seen: Any) -> Any:
    return max(seen["players"], key=lambda player: player["x"])


def assert_clean(visit: Visit, server: ServerProcess) -> None:
    """The page asked nobody but its own server, and its console has no error, a breach of its policy included."""
    assert visit.hosts == {urlsplit(server.http).netloc}
    assert visit.complaints == []


async def test_players_are_drawn_where_they_are_and_move_as_they_walk(server, browser, joins):
    player = await joins(server)
    await player.stand(*LJUBLJANA)
    async with visiting(browser, server.http + HERE) as visit:
        before = await visit.shows("seen.players.length > 0")
        await visit.shows("seen.state === 'live'")
        start = rightmost(before)
        await visit.page.wait_for_function(f"() => ({ALPHA_AT})([{start['x']}, {start['y']}]) > 200")
        painted = await visit.page.evaluate(PAINTED)
        await player.stand(*east(LJUBLJANA, WALKED_M))
        there = f"Math.abs(p.x - {start['x']} - {WALKED_PX}) < 1 && Math.abs(p.y - {start['y']}) < 1"
        after = await visit.shows(f"seen.players.some((p) => p.id === {start['id']} && {there})")
        assert await visit.page.evaluate(PAINTED) != painted
        moved = next(p for p in after["players"] if p["id"] == start["id"])
        assert await visit.page.evaluate(ALPHA_AT, [moved["x"], moved["y"]]) > 200
        assert await visit.figure("in_view") == str(len(after["players"]))
        assert_clean(visit, server)


async def test_a_first_visit_goes_to_where_the_players_are(server, browser, joins):
    player = await joins(server)
    await player.stand(*LJUBLJANA)
    async with visiting(browser, server.http) as visit:
        seen = await visit.shows("seen.players.length > 0 && seen.view.east - seen.view.west < 1")
        assert seen["view"]["south"] < LJUBLJANA[0] < seen["view"]["north"]
        assert_clean(visit, server)


async def test_a_collected_coin_vanishes_and_is_counted(server, browser, joins):
    player = await joins(server)
    await player.stand(*LJUBLJANA)
    coin = (await player.around(*LJUBLJANA))[0]
    await player.stand(coin["lat"], coin["lng"])
    async with visiting(browser, f"{server.http}#15.5/{coin['lat']}/{coin['lng']}") as visit:
        before = await visit.shows(f"seen.coins.includes('{coin['id']}')")
        assert await visit.figure("coins") == str(len(before["coins"]))
        assert (await player.collect(coin["id"], key=str(uuid4()))).status_code == 200
        after = await visit.shows(f"!seen.coins.includes('{coin['id']}')")
        assert len(after["coins"]) == len(before["coins"]) - 1
        assert after["totals"]["collected"] == before["totals"]["collected"] + 1
        assert await visit.figure("coins") == str(len(after["coins"]))
        assert await visit.figure("collected") == str(after["totals"]["collected"])
        assert_clean(visit, server)


async def test_a_wide_view_says_that_coins_are_seen_from_nearer(server, browser):
    async with visiting(browser, f"{server.http}#5/46/14") as visit:
        await visit.shows("seen.state === 'live'")
        assert await visit.page.locator("#notice").inner_text() == "Zoom in to see coins"
        assert await visit.figure("coins") == "\N{EN DASH}"
        assert_clean(visit, server)


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
async def test_nothing_overlaps_or_sticks_out(server, browser, joins, size: ViewportSize):
    player = await joins(server)
    await player.stand(*LJUBLJANA)
    async with visiting(browser, f"{server.http}#5/46/14", size=size) as visit:
        await visit.shows("seen.players.length > 0")
        assert await visit.page.evaluate(OVERLAPS) == []


async def test_a_player_sees_what_they_carry_are_at_and_where_they_stand(server, browser, joins):
    player = await joins(server)
    await player.stand(*LJUBLJANA)
    coin = (await player.around(*LJUBLJANA))[0]
    await player.stand(coin["lat"], coin["lng"])
    async with visiting(browser, f"{server.http}#key={player.api.session.access_token}") as visit:
        card = visit.page.locator("#card")
        await card.get_by_role("heading", name=player.api.session.user.username).wait_for()
        assert await visit.page.locator("#card-balances").text_content() == "0 coin"
        assert await card.get_by_text("no place yet").count() == 2
        got = (await player.collect(coin["id"], key=str(uuid4()))).json()
        await card.locator("#card-balances", has_text=f"{got['amount']} coin").wait_for(timeout=5_000)
        await card.locator("#card-experience", has_text=f"{got['experience']} of ").wait_for()
        await card.locator("[aria-current]", has_text=player.api.session.user.username).nth(1).wait_for()
        for quest in await player.api.quests():
            if quest.state == "active":
                await card.locator("#card-quests li", has_text=quest.title).wait_for()
        [hand] = [tool for tool in await player.api.tools() if tool.equipped]
        await card.locator("#card-tool", has_text=hand.title).wait_for()
        assert await card.get_by_role("button", name="Close").count() == 0
        assert_clean(visit, server)


async def test_a_token_that_is_not_taken_is_told_of_and_the_map_goes_on_without_it(server, browser, joins):
    await (await joins(server)).stand(*LJUBLJANA)
    async with visiting(browser, f"{server.http}#key=eyJ.over.now") as visit:
        await visit.page.get_by_text("The token is wrong or has run out.").wait_for()
        await visit.shows("seen.state === 'live' && seen.charts !== null")
        await visit.page.reload()
        await visit.shows("seen.state === 'live' && seen.charts !== null")
        assert not await visit.page.get_by_text("The token is wrong or has run out.").is_visible()


async def test_without_a_token_a_player_is_shown_once_chosen(server, browser, joins):
    player = await joins(server)
    await player.stand(*east(LJUBLJANA, 2 * WALKED_M))
    async with visiting(browser, server.http + HERE) as visit:
        box = await visit.page.locator("#map").bounding_box()
        assert box is not None
        x, y = box["width"] / 2 + 2 * WALKED_PX, box["height"] / 2
        there = f"Math.hypot(p.x - {x}, p.y - {y}) < 3"
        await visit.shows(f"seen.state === 'live' && seen.players.some((p) => {there})")
        card = visit.page.locator("#card")
        assert not await card.is_visible()
        await visit.page.get_by_role("button", name="Show one").press("Enter")
        await card.wait_for()
        await card.get_by_role("button", name="Close").press("Escape")
        seen = await visit.shows("seen.marked === null")
        assert not await card.is_visible()
        # Players of tests before this one may stay in sight for a while, farther to the right too.
        at = min(seen["players"], key=lambda p: math.hypot(p["x"] - x, p["y"] - y))
        await visit.page.locator("#map").click(position={"x": at["x"], "y": at["y"]})
        await card.get_by_role("heading", name=player.api.session.user.username).wait_for()
        assert (await visit.shows("seen.marked !== null"))["marked"] == at["id"]
        assert_clean(visit, server)


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
async def test_the_card_of_a_player_covers_no_words(server, browser, joins, size: ViewportSize):
    player = await joins(server)
    await player.stand(*LJUBLJANA)
    async with visiting(browser, f"{server.http}#key={player.api.session.access_token}", size=size) as visit:
        await visit.page.locator("#card").wait_for()
        await visit.page.evaluate("() => { document.getElementById('card-more').open = false }")
        assert await visit.page.evaluate(OVERLAPS) == []


async def test_the_key_opens_the_map_to_a_stranger_and_leaves_the_address_bar(server, browser):
    stranger = f"http://{STRANGER}:{urlsplit(server.http).port}/"
    async with visiting(browser, stranger) as visit:
        field = visit.page.get_by_label("Developer key")
        await field.fill("owdev_wrong")
        await visit.page.get_by_role("button", name="Open the map").click()
        await visit.page.get_by_text("That does not open this server.").wait_for()
        await field.fill(server.key)
        await field.press("Enter")
        await visit.shows("seen.state === 'live'")
        assert not await field.is_visible()
        await visit.page.reload()
        await visit.shows("seen.state === 'live'")
    async with visiting(browser, f"{stranger}#key={server.key}") as visit:
        await visit.shows("seen.state === 'live'")
        assert server.key not in visit.page.url
        assert [said for said in visit.complaints if "Cross-Origin-Opener-Policy" not in said] == []  # it is for HTTPS


async def test_in_production_a_moderators_token_opens_the_map_and_a_players_does_not(browser, tmp_path):
    """The role is given by the command that docs/operations.md shows."""
    shown = next(block.text for block in read("docs/operations.md").blocks if "accounts role" in block.text)
    ada = {"email": "ada@example.org", "password": "correct horse battery"}
    async with (
        ServerProcess(tmp_path / "data", environment={"OVERWORLD_MODE": "production"}) as server,
        httpx.AsyncClient(base_url=server.http) as http,
        visiting(browser, server.http) as visit,
    ):
        field = visit.page.get_by_label("access token")
        await field.fill((await http.post("/v1/auth/register", json=ada | {"username": "ada"})).json()["access_token"])
        await field.press("Enter")
        await visit.page.get_by_text("That does not open this server.").wait_for()
        ran = await overworld(*shown.split()[1:], "--data", tmp_path / "data")
        assert ran.code == 0, ran
        await field.fill((await http.post("/v1/auth/login", json=ada)).json()["access_token"])
        await field.press("Enter")
        await visit.shows("seen.state === 'live'")


async def test_the_map_survives_a_restart_of_the_server(server, browser, joins):
    async with visiting(browser, server.http + HERE) as visit:
        before = await visit.shows("seen.state === 'live'")
        await server.stop()
        await visit.shows("seen.state === 'away'")
        await visit.page.get_by_text("The server is away. Trying again.").wait_for()
        await server.start()
        after = await visit.shows("seen.state === 'live' && seen.epoch !== null", timeout_s=40)
        assert after["epoch"] != before["epoch"] or await visit.shows(f"seen.epoch !== '{before['epoch']}'")
        player = await joins(server)
        await player.stand(*LJUBLJANA)
        await visit.shows("seen.players.length === 1 && seen.coins.length > 0")
        assert not await visit.page.locator("#notice").is_visible()


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
async def test_charts_of_the_whole_game_are_drawn_as_the_server_tells(server, browser, joins, size: ViewportSize):
    await joins(server)
    async with visiting(browser, f"{server.http}#5/46/14", size=size) as visit:
        first = await visit.shows("seen.charts && seen.charts.figures.topEvents.length > 0", timeout_s=40)
        await visit.shows(f"seen.charts.frames >= {first['charts']['frames'] + 2}")
        charts = visit.page.locator("#charts")
        assert await charts.evaluate("(box) => box.open") is (size == DESKTOP), "on a phone the map needs the room"
        if size == PHONE:
            await charts.get_by_text("The whole game").click()
        figures = (await visit.shows("true"))["charts"]["figures"]
        assert int((await visit.figure("active")).replace(",", "")) >= 1
        assert await charts.locator("#top-events b").first.inner_text() != "0"
        assert len(figures["topEvents"]) >= await charts.locator("#top-events li").count() > 0
        for spark in ("active", "events", "hourly"):
            points = await charts.locator(f"[data-spark={spark}] polyline").get_attribute("points")
            assert len((points or "").split()) >= 3
        assert await visit.page.evaluate(OVERLAPS) == []
        assert_clean(visit, server)


async def test_a_page_that_nobody_sees_gives_its_stream_back(server, browser):
    """A browser has six connections to a server, over all its pages."""
    hidden = """(is_hidden) => {
      Object.defineProperty(document, "hidden", { configurable: true, get: () => is_hidden });
      document.dispatchEvent(new Event("visibilitychange"));
    }"""

    async def until_streams(count: int) -> None:
        async with httpx.AsyncClient() as http:
            told = f"overworld_graphql_streams {count}.0"
            while told not in (await http.get(f"{server.operations}/metrics")).text:  # noqa: ASYNC110
                await asyncio.sleep(0.1)  # pace: it is in another process

    async with visiting(browser, server.http) as visit, asyncio.timeout(40):
        await visit.shows("seen.charts")
        await until_streams(1)
        await visit.page.evaluate(hidden, True)
        await until_streams(0)
        await visit.page.evaluate(hidden, False)
        await until_streams(1)
        assert_clean(visit, server)


async def test_who_may_not_ask_analytics_sees_the_map_without_charts(browser, tmp_path):
    """In production a moderator's token opens the map; figures of the whole game take `analytics.read`."""
    ada = {"email": "ada@example.org", "password": "correct horse battery"}
    async with (
        ServerProcess(tmp_path / "data", environment={"OVERWORLD_MODE": "production"}) as server,
        httpx.AsyncClient(base_url=server.http) as http,
    ):
        await http.post("/v1/auth/register", json=ada | {"username": "ada"})
        for role, sees in (("moderator", False), ("admin", True)):
            database = await asyncpg.connect(running_dsn(tmp_path / "data"))
            try:
                await database.execute("UPDATE accounts.account SET role = $1 WHERE username_folded = 'ada'", role)
            finally:
                await database.close()
            token = (await http.post("/v1/auth/login", json=ada)).json()["access_token"]
            async with visiting(browser, f"{server.http}#key={token}") as visit:
                seen = await visit.shows(f"seen.state === 'live' && (seen.charts !== null) === {str(sees).lower()}")
                assert await visit.page.locator("#charts").is_visible() is sees
                assert (seen["charts"] is not None) is sees
                assert visit.complaints == []
