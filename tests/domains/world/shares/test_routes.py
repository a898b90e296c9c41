"""Sharing over HTTP, behind the real edge: shapes, keys, pages, and who may not."""

from __future__ import annotations

import pytest

from tests.domains.world.joined import ANN, BOB, CARL, STAFF, of, over_http
from tests.domains.world.journeys import HOME

BODY = {"to": "bob", "sight": "live", "expires_in_s": 900}
PLACE = {"lat": HOME[0], "lng": HOME[1], "radius_m": 200}


@pytest.fixture
async def client(server):
    async with over_http(server) as opened:
        yield opened


def key(text: str) -> dict[str, str]:
    return of(ANN) | {"Idempotency-Key": text}


async def test_a_share_is_given_once_under_its_key(client):
    first, again = [await client.post("/v1/location/share", json=BODY, headers=key("k")) for _ in range(2)]
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert ("Idempotency-Replayed" in first.headers, again.headers["Idempotency-Replayed"]) == (False, "true")
    assert first.json() == {
        "id": first.json()["id"],
        "to": str(BOB),
        "sight": "live",
        "granted_at": "2026-11-21T09:00:00Z",
        "expires_at": "2026-11-21T09:15:00Z",
    }
    listed = await client.get("/v1/location/shares", headers=of(ANN))
    assert listed.json() == {"items": [first.json()], "cursor": None}


async def test_a_share_without_a_key_is_refused(client):
    reply = await client.post("/v1/location/share", json=BODY, headers=of(ANN))
    assert (reply.status_code, reply.json()["code"]) == (400, "http.key_required")


@pytest.mark.parametrize(
    "wrong", [{"expires_in_s": 899}, {"expires_in_s": 2_592_001}, {"sight": "exact"}, {"to": ""}, {"group": "all"}]
)
async def test_what_is_out_of_bounds_is_refused(client, wrong):
    reply = await client.post("/v1/location/share", json=BODY | wrong, headers=key("k"))
    assert (reply.status_code, reply.json()["code"]) == (400, "http.bad_request")


async def test_what_others_show_comes_in_pages_that_meet(server, client):
    given = [await server.share("carl", by=by) for by in (ANN, BOB, STAFF)]
    first = (await client.get("/v1/location/shared", params={"limit": 2}, headers=of(CARL))).json()
    rest = (await client.get("/v1/location/shared", params={"cursor": first["cursor"]}, headers=of(CARL))).json()
    assert [item["id"] for item in first["items"] + rest["items"]] == [str(share.id) for share in given]
    assert rest["cursor"] is None
    assert first["items"][0]["place"] is None


async def test_ending_a_share_answers_nothing_and_the_second_time_that_there_is_none(client):
    share = (await client.post("/v1/location/share", json=BODY, headers=key("k"))).json()
    replies = [await client.delete(f"/v1/location/share/{share['id']}", headers=of(BOB)) for _ in range(2)]
    assert [reply.status_code for reply in replies] == [204, 404]
    assert replies[1].json()["code"] == "world.no_such_share"


async def test_only_staff_see_to_whom_others_show_their_place(server, client):
    share = await server.share()
    path = f"/v1/admin/location/{ANN}/shares"
    assert (await client.get(path, headers=of(ANN))).status_code == 403
    assert server.trail.did == []
    assert [item["id"] for item in (await client.get(path, headers=of(STAFF))).json()["items"]] == [str(share.id)]
    assert server.trail.did == [("location.read_shares", str(ANN))]


async def test_a_home_is_told_read_and_forgotten_by_its_player_alone(client):
    told = await client.put("/v1/location/home", json=PLACE, headers=of(ANN))
    assert (told.status_code, told.json()) == (200, PLACE)
    assert (await client.get("/v1/location/home", headers=of(ANN))).json() == PLACE
    assert (await client.get("/v1/location/home", headers=of(BOB))).status_code == 404
    assert [(await client.delete("/v1/location/home", headers=of(ANN))).status_code for _ in range(2)] == [204, 404]


@pytest.mark.parametrize("wrong", [{"radius_m": 49}, {"radius_m": 1_001}, {"lat": 90.1}, {"lng": -180.5}])
async def test_a_home_is_a_place_with_a_radius_within_bounds(client, wrong):
    assert (await client.put("/v1/location/home", json=PLACE | wrong, headers=of(ANN))).status_code == 400
