"""GraphQL of a real server: the answers of the routes, real clients of other people, streams and their ends."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from gql import Client, gql
from gql.transport.exceptions import TransportQueryError
from gql.transport.httpx import HTTPXAsyncTransport
from graphql import GraphQLSchema, get_named_type

from bench.ingest import ingest_key
from bench.servers import ServerProcess
from tests.system.test_telemetry import send

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

_PLAYERS = [str(uuid4()) for _ in range(3)]
_REALTIME = "subscription { realtime { at activePlayers eventsPerS coinsCollected topEvents { name count } } }"
# What differs between two answers of one moment.
_MOVING = {"at", "until", "since"}


class Served:
    """A server with events in its store, and somebody of the staff who asks."""

    def __init__(self, server: ServerProcess, http: httpx.AsyncClient, headers: dict[str, str]) -> None:
        self.server = server
        self.http = http
        self.headers = headers

    async def rest(self, what: str, **values: Any) -> Any:
        replied = await self.http.get(f"/v1/analytics/{what}", params=values, headers=self.headers)
        assert replied.status_code == 200, replied.text
        return replied.json()

    async def graphql(self, query: str, **variables: Any) -> Any:
        body = {"query": query, "variables": variables}
        replied = await self.http.post("/graphql", json=body, headers=self.headers)
        told = replied.json()
        assert (replied.status_code, told.get("errors")) == (200, None), replied.text
        return told["data"]

    async def metric(self, name: str) -> float:
        text = (await self.http.get(f"{self.server.operations}/metrics")).text
        return float(next(line for line in text.splitlines() if line.startswith(f"{name} ")).split()[1])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory) -> AsyncIterator[Served]:
    environment = {
        "OVERWORLD_TELEMETRY__LOOK_MS": "20",
        "OVERWORLD_COLUMNS__ROLL_EVERY_S": "0.1",
        "OVERWORLD_GRAPHQL__FRAME_EVERY_S": "0.2",
        "OVERWORLD_GRAPHQL__STREAMS_EACH_MAX": "20",
    }
    folder = tmp_path_factory.mktemp("graphql") / "data"
    async with (
        ServerProcess(folder, environment=environment) as server,
        httpx.AsyncClient(base_url=server.http, timeout=30) as http,
    ):
        made = await http.post("/v1/auth/device", json={"device_id": f"test-{uuid4()}"})
        headers = {"Authorization": f"Bearer {made.json()['access_token']}", "Overworld-Key": server.key}
        found = Served(server, http, headers)
        assert await send(server, await ingest_key(server), _events(datetime.now(UTC))) == 12
        async with asyncio.timeout(60):
            while sum(row["count"] for row in (await _counts(found))["items"]) < 12:  # noqa: ASYNC110  # it is in another process
                await asyncio.sleep(1.0)  # pace: the store is in another process, and keeps answers
        yield found


def _events(now: datetime) -> list[dict[str, Any]]:
    return [
        {
            "event": name,
            "player_id": player,
            "event_id": str(uuid4()),
            "timestamp": (now - timedelta(minutes=9 - 2 * minutes)).isoformat(),
            "properties": {"value": 2.5, "lat": 46.05 + number / 50, "lng": 14.5},
        }
        for minutes, name in enumerate(("shop.opened", "shop.seen", "shop.bought", "shop.left"))
        for number, player in enumerate(_PLAYERS)
    ]


async def _counts(served: Served) -> Any:
    return await served.rest("events", by="day", name=["shop.opened", "shop.seen", "shop.bought", "shop.left"])


def _snake(value: Any) -> Any:
    """An answer of GraphQL in the words of the routes."""
    if isinstance(value, list):
        return [_snake(each) for each in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"edges"}:
        return [_snake(edge["node"]) for edge in value["edges"]]
    return {re.sub("([A-Z])", lambda found: f"_{found[1].lower()}", name): _snake(each) for name, each in value.items()}


def _still(value: Any) -> Any:
    """An answer without its instants: two questions are asked at two of them."""
    if isinstance(value, list):
        return [_still(each) for each in value]
    if isinstance(value, dict):
        return {name: _still(each) for name, each in value.items() if name not in _MOVING}
    return value


def _everything(schema: GraphQLSchema, kind: Any, *, first: int) -> str:
    """All the fields of a type, as a selection."""
    fields = []
    for name, field in getattr(kind, "fields", {}).items():
        if name in {"cursor", "pageInfo"}:
            continue
        pages = f"(first: {first})" if "first" in field.args else ""
        fields.append(f"{name}{pages} {_everything(schema, get_named_type(field.type), first=first)}")
    return f"{{ {' '.join(fields)} }}" if fields else ""


SPAN = {"since": "2026-01-01T00:00:00Z", "until": "2026-02-01T00:00:00+02:00"}
SAME: dict[str, tuple[str, str, dict[str, Any]]] = {
    "me": ("me(period: day)", "me", {"period": "day"}),
    "user": (f'user(id: "{_PLAYERS[0]}")', f"users/{_PLAYERS[0]}/metrics", {}),
    "global": ("global(period: week)", "global", {"period": "week"}),
    "realtime": ("realtime", "realtime", {}),
    "leaderboard": ('leaderboard(board: "weekly")', "leaderboard", {"board": "weekly", "limit": 3}),
    "rankings": ("rankings", "rankings", {}),
    "funnel": (
        'funnel(steps: ["shop.opened", "shop.bought"], withinS: 600)',
        "funnel",
        {"step": ["shop.opened", "shop.bought"], "within_s": 600},
    ),
    "retention": ("retention(cohorts: 3, days: 2)", "retention", {"cohorts": 3, "days": 2}),
    "heatmap": (
        'heatmap(west: 14, south: 46, east: 15, north: 47, level: 12, currency: "coin")',
        "heatmap",
        {"bbox": "14,46,15,47", "res": 12, "currency": "coin"},
    ),
    "a funnel of old": (
        f'funnel(steps: ["a", "b"], since: "{SPAN["since"]}", until: "{SPAN["until"]}")',
        "funnel",
        {"step": ["a", "b"], **SPAN},
    ),
}


@pytest.mark.parametrize("name", SAME)
async def test_every_field_answers_what_its_route_answers(served: Served, name: str):
    """All the fields of both, made of one schema: a field that one of them lacks would be missed here."""
    question, route, values = SAME[name]
    async with _gql(served) as client:
        assert client.client.schema is not None
        field = question.partition("(")[0]
        kind = get_named_type(client.client.schema.query_type.fields[field].type)
        selected = _everything(client.client.schema, kind, first=3)
    told = _snake((await served.graphql(f"{{ {question} {selected} }}"))[field])
    answered = await served.rest(route, **values)
    if field == "heatmap":
        assert [cell["players"] for cell in answered["cells"]] == [1, 1, 1]
    assert _still(told) == _still(answered)


async def test_counts_are_the_pages_of_the_route_and_share_its_cursors(served: Served):
    values = {"by": "day", "name": ["shop.opened", "shop.seen", "shop.bought", "shop.left"], "limit": 2}
    query = """query ($after: String) {
      events(by: day, names: ["shop.opened", "shop.seen", "shop.bought", "shop.left"], first: 2, after: $after) {
        edges { cursor node { since name key count players mean sampled } } pageInfo { hasNextPage endCursor } } }"""
    after, pages = None, 0
    while True:
        told = (await served.graphql(query, after=after))["events"]
        page = await served.rest("events", **values, **({} if after is None else {"cursor": after}))
        assert [edge["node"] for edge in told["edges"]] == page["items"]
        pages += 1
        after = page["cursor"]
        assert told["pageInfo"]["hasNextPage"] is (after is not None)
        if after is None:
            break
        assert after == told["pageInfo"]["endCursor"]
    assert pages >= 2


async def test_the_cells_of_a_map_are_gone_through_one_by_one(served: Served):
    query = """query ($after: String) { heatmap(west: 14, south: 46, east: 15, north: 47, level: 12) {
        cells(first: 1, after: $after) { edges { node { cell } } pageInfo { hasNextPage endCursor } } } }"""
    seen, after = [], None
    for _ in range(3):
        cells = (await served.graphql(query, after=after))["heatmap"]["cells"]
        seen += [edge["node"]["cell"] for edge in cells["edges"]]
        after = cells["pageInfo"]["endCursor"]
    whole = await served.rest("heatmap", bbox="14,46,15,47", res=12)
    assert seen == [cell["cell"] for cell in whole["cells"]]
    assert cells["pageInfo"]["hasNextPage"] is False


async def test_somebody_elses_client_reads_the_schema_and_asks(served: Served):
    async with _gql(served) as client:
        told = await client.execute(gql("{ realtime { at activePlayers topEvents { name count } } me { level } }"))
        assert datetime.fromisoformat(told["realtime"]["at"]).tzinfo is not None
        assert told["me"]["level"] == 1
        with pytest.raises(TransportQueryError) as refused:
            await client.execute(gql("{ events(first: 0) { edges { cursor } } }"))
        [error] = refused.value.errors or []
        assert error["extensions"]["code"] == "graphql.bad_argument"


async def test_scopes_are_those_of_the_routes(served: Served):
    made = await served.http.post("/v1/auth/device", json={"device_id": f"test-{uuid4()}"})
    player = {"Authorization": f"Bearer {made.json()['access_token']}"}
    fields = {
        "global { events }": 403,
        "realtime { at }": 403,
        f'user(id: "{_PLAYERS[0]}") {{ events }}': 403,
        "events { edges { cursor } }": 403,
        'funnel(steps: ["a", "b"]) { withinS }': 403,
        "retention { cohorts { day } }": 403,
        "heatmap(west: 0, south: 0, east: 1, north: 1) { level }": 403,
        "me { level }": None,
        "leaderboard { board }": None,
        "rankings { items { board } }": None,
    }
    query = "{ " + " ".join(f"a{number}: {field}" for number, field in enumerate(fields)) + " }"
    told = (await served.http.post("/graphql", json={"query": query}, headers=player)).json()
    refused = {error["path"][0]: error["extensions"]["status"] for error in told["errors"]}
    assert [refused.get(f"a{number}") for number in range(len(fields))] == list(fields.values())
    nobody = (await served.http.post("/graphql", json={"query": query})).json()
    assert {error["extensions"]["status"] for error in nobody["errors"]} == {401}


@asynccontextmanager
async def _gql(served: Served) -> AsyncIterator[Any]:
    transport = HTTPXAsyncTransport(url=f"{served.server.http}/graphql", headers=served.headers)
    async with Client(transport=transport, fetch_schema_from_transport=True) as session:
        yield session


@asynccontextmanager
async def _stream(http: httpx.AsyncClient, headers: dict[str, str]) -> AsyncIterator[AsyncIterator[tuple[str, Any]]]:
    """The events of a subscription."""
    asks = headers | {"Accept": "text/event-stream"}
    async with http.stream("POST", "/graphql/stream", json={"query": _REALTIME}, headers=asks) as reply:
        assert (reply.status_code, reply.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        yield _events_in(reply)


async def _events_in(reply: httpx.Response) -> AsyncIterator[tuple[str, Any]]:
    event = ""
    async for line in reply.aiter_lines():
        name, _, value = line.partition(":")
        if name == "event":
            event = value.strip()
        elif name == "data":
            yield event, json.loads(value) if value.strip() else None


async def test_a_subscription_tells_live_figures_worked_out_once_for_all(served: Served):
    before = await served.metric("overworld_graphql_frames_total")
    frames: dict[str, int] = {}

    async def listen() -> None:
        async with _stream(served.http, served.headers) as events:
            for _ in range(5):
                event, told = await anext(events)
                assert event == "next"
                at = told["data"]["realtime"]["at"]
                frames[at] = frames.get(at, 0) + 1

    async with asyncio.timeout(60):
        await asyncio.gather(*(listen() for _ in range(8)))
    worked_out = await served.metric("overworld_graphql_frames_total") - before
    assert sum(frames.values()) == 40
    assert worked_out <= 15, "eight listeners for five frames, and not forty questions"
    async with asyncio.timeout(10):
        while await served.metric("overworld_graphql_streams"):  # noqa: ASYNC110
            await asyncio.sleep(0.05)  # pace: the server has to notice that they left


async def test_a_stream_ends_when_its_session_does(served: Served):
    made = (await served.http.post("/v1/auth/device", json={"device_id": f"test-{uuid4()}"})).json()
    own = {"Authorization": f"Bearer {made['access_token']}", "Overworld-Key": served.server.key}
    async with asyncio.timeout(30), _stream(served.http, own) as events:
        assert (await anext(events))[0] == "next"
        assert (await served.http.post("/v1/auth/logout", headers=own)).status_code < 300
        told = [each async for each in events]
    assert told[-1] == ("complete", None)
    assert told[-2][1]["errors"][0]["extensions"]["status"] == 401


async def test_streams_end_in_good_order_when_the_server_stops(tmp_path: Path):
    async with ServerProcess(tmp_path / "data") as server, httpx.AsyncClient(base_url=server.http, timeout=30) as http:
        async with asyncio.timeout(30), _stream(http, {"Overworld-Key": server.key}) as events:
            assert (await anext(events))[0] == "next"
            stopping = asyncio.create_task(server.stop(timeout_s=15))
            told = [each async for each in events]
            assert told[-1] == ("complete", None)
            assert await stopping == 0
        assert "ERROR" not in server.log.read_text()
        assert '"level":"error"' not in server.log.read_text()
