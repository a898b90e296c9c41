"""The world over HTTP, behind the real edge: the shapes of the wire and what is refused."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import httpx
import pytest
from prometheus_client import CollectorRegistry

from overworld.domains.world.wiring import SCHEMA
from overworld.geo import cells
from overworld.geo.sphere import destination_deg
from overworld.kernel.clock import SystemClock, rfc3339
from overworld.kernel.identity import Principal, Scope
from overworld.platform.eventlog import SCHEMA as LOG_SCHEMA
from overworld.platform.eventlog import PostgresOutbox
from overworld.platform.http import HttpSettings, LimitSettings, build_http
from overworld.platform.limiter import MemoryLimiter
from overworld.platform.observability import Metrics
from tests.domains.world.conftest import START
from tests.domains.world.journeys import HOME

AROUND = {"lat": HOME[0], "lng": HOME[1], "radius_m": 1_000}


class Tokens:
    """A verifier whose tokens are account numbers."""

    def verify(self, token: str) -> Principal:
        scopes = frozenset({Scope.LOCATION_READ, Scope.LOCATION_WRITE})
        return Principal(account_id=UUID(int=int(token)), role="player", scopes=scopes)


class OneKey:
    """One developer key is known."""

    def scopes(self, key: str) -> frozenset[str]:
        return frozenset({Scope.WORLD_READ, Scope.WORLD_REPLAY}) if key == "owdev_key" else frozenset()


@pytest.fixture
async def client(field):
    """Plays as account 1."""
    async with opened(field) as client:
        yield client


@asynccontextmanager
async def opened(field):
    app: Any = build_http(
        routes=field.parts.routes,
        verifier=Tokens(),
        keys=OneKey(),
        limiter=MemoryLimiter(monotonic_s=SystemClock().monotonic_s),
        settings=HttpSettings(),
        limits=LimitSettings(enabled=False),
        metrics=Metrics(CollectorRegistry()),
    )
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://t", headers={"authorization": "Bearer 1"}) as c:
        yield c


def fix(**other):
    lat, lng = HOME
    return {"lat": lat, "lng": lng, "accuracy_m": 8, "timestamp": rfc3339(START)} | other


async def test_a_fix_gets_its_cell(client):
    reply = await client.post("/v1/location/update", json=fix(altitude_m=30, speed_m_s=1.2, heading_deg=90, mock=False))
    assert reply.status_code == 200
    assert reply.json() == {"accepted": True, "cell": cells.token(cells.cell_of(*HOME, 15)), "triggers": []}


async def test_a_fix_that_cannot_be_true_gets_a_reason(client):
    reply = await client.post("/v1/location/update", json=fix(mock=True))
    assert (reply.status_code, reply.json()) == (
        200,
        {"accepted": False, "reason": "mock", "cell": None, "triggers": []},
    )


WRONG = [
    fix(lat=91),
    fix(lng=-180.01),
    fix(lat="37"),
    fix(lat=None),
    fix(accuracy_m=-1),
    fix(timestamp="yesterday"),
    fix(timestamp="2026-11-21T09:00:00"),
    fix(heading_deg=400),
    fix(extra=1),
    {"lat": 1, "lng": 2},
    [],
]


@pytest.mark.parametrize("body", WRONG)
async def test_a_malformed_fix_is_a_bad_position_that_says_where(client, body):
    reply = await client.post("/v1/location/update", json=body)
    assert reply.status_code == 400
    assert reply.headers["content-type"].startswith("application/problem+json")
    assert reply.json()["code"] == "world.bad_position"
    assert reply.json()["errors"]


@pytest.mark.parametrize("content", [b"", b"{", b'{"lat":NaN}', b'{"lat":1e999,"lng":0}', b"\xff"])
async def test_what_is_no_json_is_a_bad_position(client, content):
    reply = await client.post("/v1/location/update", content=content, headers={"content-type": "application/json"})
    assert (reply.status_code, reply.json()["code"]) == (400, "world.bad_position")


async def test_only_the_replay_scope_leaves_the_servers_clock_out(client):
    old = fix(timestamp="2010-08-05T14:23:59Z")
    assert (await client.post("/v1/location/update", json=old)).json()["reason"] == "time_stale"
    keyed = await client.post("/v1/location/update", json=old, headers={"overworld-key": "owdev_key"})
    assert keyed.json()["accepted"] is True


async def test_nearby_shows_others_in_the_documented_shape(client, field):
    await client.post("/v1/location/update", json=fix())
    await field.stand(2, 300)
    reply = await client.get("/v1/location/nearby", params=AROUND)
    assert reply.status_code == 200
    (item,) = reply.json()["items"]
    assert set(item) == {"id", "type", "lat", "lng", "distance_m"}
    assert (item["id"], item["type"]) == (str(UUID(int=2)), "player")
    assert reply.json()["cursor"] is None


async def test_pages_join_to_the_whole_list(client, field):
    await client.post("/v1/location/update", json=fix())
    for player in range(2, 22):
        await field.stand(player, 40 * player)
    whole = (await client.get("/v1/location/nearby", params=AROUND)).json()["items"]
    joined: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await client.get("/v1/location/nearby", params={**AROUND, "limit": 4, **cursor})).json()
        joined += page["items"]
        if page["cursor"] is None:
            break
        cursor = {"cursor": page["cursor"]}
    assert joined == whole
    assert len(whole) > 12


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ({"lat": 91}, 400, "http.bad_request"),
        ({"lng": "nan"}, 400, "http.bad_request"),
        ({"radius_m": 0}, 400, "http.bad_request"),
        ({"radius_m": 9_000}, 400, "world.radius_too_wide"),
        ({"types": "dragon"}, 400, "world.unknown_entity_type"),
        ({"limit": 201}, 400, "http.bad_request"),
        ({"cursor": "nonsense"}, 400, "http.bad_cursor"),
        ({"colour": "red"}, 400, "http.bad_request"),
    ],
)
async def test_questions_out_of_bounds_are_refused(client, asked, status, code):
    await client.post("/v1/location/update", json=fix())
    reply = await client.get("/v1/location/nearby", params={**AROUND, **asked})
    assert (reply.status_code, reply.json()["code"]) == (status, code)


async def test_far_places_are_out_of_sight_unless_a_key_lifts_it(client):
    await client.post("/v1/location/update", json=fix())
    lat, lng = destination_deg(*HOME, 0.0, 5_000)
    far = {"lat": lat, "lng": lng}
    refused = await client.get("/v1/location/nearby", params=far)
    assert (refused.status_code, refused.json()["code"]) == (403, "world.out_of_sight")
    allowed = await client.get("/v1/location/nearby", params=far, headers={"overworld-key": "owdev_key"})
    assert allowed.status_code == 200


async def test_types_are_filtered_by_name(client, field):
    await client.post("/v1/location/update", json=fix())
    await field.stand(2, 300)
    reply = await client.get("/v1/location/nearby", params={**AROUND, "types": "player"})
    assert len(reply.json()["items"]) == 1


@pytest.fixture
async def kept(open_database, open_field, ids):
    """A world whose database is there."""
    async with open_database(SCHEMA, LOG_SCHEMA) as database:
        yield open_field(database=database, outbox=PostgresOutbox(ids=ids))


async def test_a_player_hides_and_shows_itself(kept):
    async with opened(kept) as client:
        assert (await client.get("/v1/location/visibility")).json() == {"visible": True}
        await client.post("/v1/location/update", json=fix())
        hidden = await client.put("/v1/location/visibility", json={"visible": False})
        assert (hidden.status_code, hidden.json()) == (200, {"visible": False})
        assert kept.world.players_in([cells.cell_of(*HOME, 15)]) == []
        assert (await client.get("/v1/location/visibility")).json() == {"visible": False}
        assert (await client.get("/v1/location/nearby", params=AROUND)).status_code == 200, "it looks around as ever"
        shown = await client.put("/v1/location/visibility", json={"visible": True})
        assert (shown.status_code, shown.json()) == (200, {"visible": True})
        assert (await client.get("/v1/location/visibility")).json() == {"visible": True}


@pytest.mark.parametrize(
    "body", [{}, {"visible": None}, {"visible": 0}, {"visible": "no"}, {"visible": True, "x": 1}, []]
)
async def test_a_choice_of_another_shape_is_refused(client, body):
    reply = await client.put("/v1/location/visibility", json=body)
    assert (reply.status_code, reply.json()["code"]) == (400, "http.bad_request")
