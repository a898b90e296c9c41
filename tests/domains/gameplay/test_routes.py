"""Looking around and collecting as clients do it, behind the real edge."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from overworld.domains.gameplay.held.types import Order
from overworld.geo import cells
from overworld.kernel.clock import SystemClock
from overworld.kernel.identity import Principal, Scope
from overworld.kernel.standing import Gate
from overworld.platform.http import HttpSettings, LimitSettings, build_http
from overworld.platform.limiter import MemoryLimiter
from overworld.platform.observability import Metrics
from tests.domains.gameplay.field import HOME, RULES

ANN = UUID(int=1)
LAT, LNG = cells.centre_deg(HOME)
_STAFF = {Scope.GAME_PLACE, Scope.TRUST_READ}
AROUND = {"lat": LAT, "lng": LNG, "radius_m": 300}


class Tokens:
    """A verifier whose tokens are account numbers; number 8 is of the staff, and number 2 a member of the guild."""

    def verify(self, token: str) -> Principal:
        scopes = frozenset({Scope.GAME_PLAY, Scope.GAME_READ} | (_STAFF if token == "8" else set()))
        memberships = ("guild",) if token == "2" else ()
        return Principal(account_id=UUID(int=int(token)), role="player", scopes=scopes, memberships=memberships)


class OneKey:
    """One developer key is known."""

    def scopes(self, key: str) -> frozenset[str]:
        return frozenset({Scope.WORLD_READ}) if key == "owdev_key" else frozenset()


@pytest.fixture
async def client(field):
    """A client of a server whose game calls collectibles shells; plays as Ann."""
    app: Any = build_http(
        routes=(await field.parts(replace(RULES, member_bonus={"guild": "0.5"}), alias="shells")).routes,
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


async def test_a_member_is_paid_a_bonus(client, field):
    spawn = field.shared()[0]
    field.stand(UUID(int=2), spawn)
    headers = {"authorization": "Bearer 2", "idempotency-key": "k"}
    reply = await client.post(f"/v1/game/shells/{spawn.id}/collect", headers=headers, json={})
    assert (reply.json()["amount"], reply.json()["balance"]) == ("4", "4")


def place(client, *items, key="k", noun="shells", account=8):
    headers = {"authorization": f"Bearer {account}"} | ({"idempotency-key": key} if key else {})
    return client.post(f"/v1/game/{noun}", headers=headers, json={"items": items})


def shell(field, **changes):
    closes_at = (field.clock.now() + timedelta(hours=1)).isoformat()
    return {"type": "copper", "lat": LAT, "lng": LNG, "closes_at": closes_at} | changes


@pytest.mark.parametrize("noun", ["collectibles", "shells"])
async def test_staff_place_and_withdraw_under_both_names(client, field, noun):
    """A retry places nothing more, and says so; withdrawing may be repeated."""
    first, second = [await place(client, shell(field), noun=noun) for _ in range(2)]
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json() and second.headers["idempotency-replayed"] == "true"
    [placed] = first.json()["items"]
    assert (placed["value"], placed["currency"], placed["mode"]) == ("3", "coin", "shared")
    field.fixes.at[ANN] = (LAT, LNG, field.clock.now_us())
    staff = {"authorization": "Bearer 8"}
    gone = [await client.delete(f"/v1/game/{noun}/{placed['id']}", headers=staff) for _ in range(2)]
    assert [(reply.status_code, reply.content) for reply in gone] == [(204, b"")] * 2
    assert (await collect(client, placed["id"])).json()["code"] == "gameplay.expired"


async def test_players_neither_place_nor_withdraw(client, field):
    [placed] = (await place(client, shell(field))).json()["items"]
    refused = [await place(client, shell(field), account=1), await client.delete(f"/v1/game/shells/{placed['id']}")]
    assert [(reply.status_code, reply.json()["code"]) for reply in refused] == [(403, "http.forbidden")] * 2
    field.fixes.at[ANN] = (LAT, LNG, field.clock.now_us())
    assert (await collect(client, placed["id"])).status_code == 200


async def test_placing_needs_a_key_and_what_the_game_has(client, field):
    assert (await place(client, shell(field), key=None)).json()["code"] == "http.key_required"
    reply = await place(client, shell(field), shell(field, type="gold"))
    assert reply.status_code == 400
    assert {name: reply.json()[name] for name in ("code", "item", "field")} == {
        "code": "gameplay.bad_placement",
        "item": 1,
        "field": "type",
    }


@pytest.mark.parametrize("wrong", ["A" * 32, "x", "%00"])
async def test_what_was_not_placed_is_not_withdrawn(client, wrong):
    reply = await client.delete(f"/v1/game/shells/{wrong}", headers={"authorization": "Bearer 8"})
    assert reply.json()["code"] in {"gameplay.not_found", "http.bad_request"}


async def test_held_rewards_are_shown_to_their_player_and_to_staff_page_by_page(field, client):
    """Three that are held, of which two are settled; others and their players see nothing of them."""
    field.trust.gates[ANN] = Gate.REVIEW
    spawns = field.shared()[:3]
    for i, spawn in enumerate(spawns):
        field.stand(ANN, spawn)
        reply = await collect(client, spawn.id, key=f"key-{i}")
        assert reply.json()["held"] and "reduced" not in reply.json()
        field.clock.advance(timedelta(seconds=1))
        if i < 2:
            await field.held().carry_out([Order(player_id=ANN, release=i == 0, held_by=field.clock.now())])
    staff = {"authorization": "Bearer 8"}
    for path, headers in (("/v1/game/rewards/held", {}), (f"/v1/admin/trust/{ANN}/held", staff)):
        first = (await client.get(path, params={"limit": 2}, headers=headers)).json()
        second = (await client.get(path, params={"limit": 2, "cursor": first["cursor"]}, headers=headers)).json()
        items = first["items"] + second["items"]
        assert [one["state"] for one in items] == ["held", "denied", "released"] and second["cursor"] is None
        assert [one["collectible_id"] for one in items] == [spawn.id for spawn in reversed(spawns)]
        assert items[0]["settled_at"] is None and items[0]["expires_at"].startswith("2026-06-15")
    assert field.audit.did == [("reward.read", str(ANN))] * 2
    assert (await client.get("/v1/game/rewards/held", headers=staff)).json()["items"] == []
    refused = await client.get(f"/v1/admin/trust/{ANN}/held")
    assert (refused.status_code, refused.json()["code"]) == (403, "http.forbidden")
    assert (await client.get("/v1/game/rewards/held", params={"cursor": "x"})).status_code == 400
