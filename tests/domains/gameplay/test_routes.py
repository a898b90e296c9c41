"""Looking around and collecting as clients do it, behind the real edge."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx
import pytest
from prometheus_client import CollectorRegistry

from overworld.geo import cells
from overworld.kernel.clock import SystemClock
from overworld.kernel.identity import Principal, Scope
from overworld.platform.http import HttpSettings, LimitSettings, build_http
from overworld.platform.limiter import MemoryLimiter
from overworld.platform.observability import Metrics
from tests.domains.gameplay.field import HOME, RULES

ANN = UUID(int=1)
LAT, LNG = cells.centre_deg(HOME)
AROUND = {"lat": LAT, "lng": LNG, "radius_m": 300}


class Tokens:
    """A verifier whose tokens are account numbers."""

    def verify(self, token: str) -> Principal:
        scopes = frozenset({Scope.GAME_PLAY, Scope.GAME_READ})
        return Principal(account_id=UUID(int=int(token)), role="player", scopes=scopes)


class OneKey:
    """One developer key is known."""

    def scopes(self, key: str) -> frozenset[str]:
        return frozenset({Scope.WORLD_READ}) if key == "owdev_key" else frozenset()


@pytest.fixture
async def client(field):
    """A client of a server whose game calls collectibles shells; plays as Ann."""
    app: Any = build_http(
        routes=(await field.parts(alias="shells")).routes,
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


def collect(client, spawn_id, key="k", noun="shells", **options):
    headers = {"idempotency-key": key} if key else {}
    return client.post(f"/v1/game/{noun}/{spawn_id}/collect", headers=headers, json={}, **options)


@pytest.mark.parametrize("noun", ["collectibles", "shells"])
async def test_both_names_show_what_is_near_in_the_documented_shape(client, noun):
    reply = await client.get(f"/v1/game/{noun}/nearby", params=AROUND)
    assert reply.status_code == 200
    body = reply.json()
    assert set(body) == {"items", "cursor"} and body["cursor"] is None
    assert body["items"]
    fields = {"id", "type", "value", "currency", "lat", "lng", "distance_m", "expires_at"}
    assert all(set(item) == fields for item in body["items"])


async def test_pages_join_to_the_whole_list(client):
    """Three at a time, each once, nearest first."""
    whole = (await client.get("/v1/game/shells/nearby", params=AROUND)).json()["items"]
    joined: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await client.get("/v1/game/shells/nearby", params={**AROUND, "limit": 3, **cursor})).json()
        joined += page["items"]
        if page["cursor"] is None:
            break
        assert len(page["items"]) == 3
        cursor = {"cursor": page["cursor"]}
    assert joined == whole and len(whole) > 3


@pytest.mark.parametrize(
    "wrong",
    [
        {"lat": 91},
        {"lat": "nan"},
        {"lng": 181},
        {"lng": "inf"},
        {"radius_m": 0},
        {"radius_m": 3001},
        {"radius_m": "x"},
        {"limit": 0},
        {"limit": 201},
        {"cursor": "???"},
        {"lat": None},
    ],
)
async def test_a_question_that_makes_no_sense_is_refused(client, wrong):
    params = {name: value for name, value in {**AROUND, **wrong}.items() if value is not None}
    reply = await client.get("/v1/game/shells/nearby", params=params)
    assert reply.status_code == 400 and reply.json()["code"] in {
        "http.bad_request",
        "http.bad_cursor",
        "gameplay.radius_too_wide",
    }


async def test_the_scopes_of_token_and_key_decide_what_is_in_sight(client, field):
    await client.get("/v1/game/shells/nearby", params=AROUND)
    await client.get("/v1/game/shells/nearby", params=AROUND, headers={"overworld-key": "owdev_key"})
    (first, *_, without), (_, *_, beside) = field.sight.asked
    assert first == ANN and Scope.WORLD_READ in beside and Scope.WORLD_READ not in without


@pytest.mark.parametrize("noun", ["collectibles", "shells"])
async def test_collecting_pays_once_and_a_retry_says_so(client, field, noun):
    spawn = field.shared()[0]
    field.stand(ANN, spawn)
    first, second = await collect(client, spawn.id, noun=noun), await collect(client, spawn.id, noun=noun)
    assert (first.status_code, second.status_code) == (200, 200)
    assert (
        first.json()
        == second.json()
        == {
            "collectible_id": spawn.id,
            "type": "copper",
            "amount": "3",
            "currency": "coin",
            "balance": "3",
            "experience": 30,
            "level": 1,
        }
    )
    assert "idempotency-replayed" not in first.headers and second.headers["idempotency-replayed"] == "true"


async def test_a_refusal_says_what_a_client_may_know_and_no_more(client, field):
    """How far off the player is stays with us."""
    spawn = field.shared()[0]
    field.stand(ANN, spawn, north_deg=0.001)
    reply = await collect(client, spawn.id)
    assert reply.status_code == 409
    body = reply.json()
    assert (body["code"], body["retryable"], body["reach_m"]) == ("gameplay.too_far", False, RULES.reach_m)
    assert "distance_m" not in body


async def test_a_refusal_that_is_replayed_says_so(client, field):
    """The player has walked up to it meanwhile, but asks under the old key."""
    spawn = field.shared()[0]
    field.stand(ANN, spawn, north_deg=0.001)
    first = await collect(client, spawn.id)
    field.stand(ANN, spawn)
    second = await collect(client, spawn.id)
    assert (first.status_code, second.status_code) == (409, 409)
    assert "idempotency-replayed" not in first.headers and second.headers["idempotency-replayed"] == "true"


async def test_a_claim_needs_a_key_and_an_empty_body(client, field):
    spawn = field.shared()[0]
    assert (await collect(client, spawn.id, key=None)).json()["code"] == "http.key_required"
    reply = await client.post(
        f"/v1/game/shells/{spawn.id}/collect", headers={"idempotency-key": "k"}, json={"amount": 5}
    )
    assert (reply.status_code, reply.json()["code"]) == (400, "http.bad_request")


@pytest.mark.parametrize("spawn_id", ["x", "A" * 32, "%00", "A" * 65])
async def test_an_id_that_is_none_is_refused(client, spawn_id):
    reply = await collect(client, spawn_id)
    assert reply.json()["code"] in {"gameplay.not_found", "http.bad_request"}


async def test_the_same_key_for_another_collectible_is_refused(client, field):
    one, two = field.shared()[:2]
    field.stand(ANN, one)
    await collect(client, one.id)
    reply = await collect(client, two.id)
    assert (reply.status_code, reply.json()["code"]) == (422, "http.key_reused")
