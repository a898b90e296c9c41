"""Two server processes on one database: one world of collectibles, one ledger, and keys that hold on both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio

from bench.servers import ServerProcess
from overworld.client import Page, Refused, Socket
from overworld.client.http import trusted
from overworld.geo import cells
from tests.system.player import LJUBLJANA

pytestmark = [
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
]

COARSE_LEVEL = 16
WAIT_S = 10


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def servers(empty_database, tmp_path_factory) -> AsyncIterator[tuple[ServerProcess, ServerProcess]]:
    """The first migrates the database, the second finds it so."""
    folder = tmp_path_factory.mktemp("two-servers")
    async with AsyncExitStack() as stack:
        dsn = await stack.enter_async_context(empty_database())
        quick = {
            "OVERWORLD_SHARING__TOLD_EVERY_S": "1",
            "OVERWORLD_HISTORY__WRITE_EVERY_MS": "50",
            "OVERWORLD_REALTIME__SIGHT_EVERY_S": "0.2",
        }
        first = await stack.enter_async_context(ServerProcess(folder / "1", dsn=dsn, environment=quick))
        second = await stack.enter_async_context(ServerProcess(folder / "2", dsn=dsn, migrate=False, environment=quick))
        yield first, second


async def test_the_same_key_twice_is_one_effect_and_one_answer(servers, joins):
    player = await joins(servers[0])
    coin = (await player.around(*LJUBLJANA))[0]
    await player.stand(coin["lat"], coin["lng"])
    first = await player.collect(coin["id"], key="once")
    again = await player.collect(coin["id"], key="once")
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json() == first.json()
    assert ("Idempotency-Replayed" in first.headers, again.headers["Idempotency-Replayed"]) == (False, "true")
    assert await player.balance() == int(coin["value"])
    history = await player.api.call("GET", "/v1/tokens/history", reply=Page[dict[str, Any]])
    assert [(line["code"], line["amount"]) for line in history.items] == [("collect", coin["value"])]


async def test_a_gift_is_made_once_over_both_servers_and_both_players_hear_of_it(servers, joins):
    sender, receiver = await joins(servers[0]), await joins(servers[1])
    elsewhere = await joins(servers[1], device_id=sender.device_id)
    coin = (await sender.around(*LJUBLJANA))[0]
    await sender.stand(coin["lat"], coin["lng"])
    assert (await sender.collect(coin["id"], key="earned")).status_code == 200
    ids = [one.api.session.user.id for one in (sender, receiver)]
    for one, id_ in zip((sender, receiver), ids, strict=True):
        assert (await one.socket.subscribe([f"user:{id_}"])).channels == [f"user:{id_}"]
    name = receiver.api.session.user.username
    replies = await asyncio.gather(
        *(one.send(name, 1, key="gift", note="thanks") for one in (sender, elsewhere) for _ in range(4))
    )
    assert {reply.status_code for reply in replies} == {200}
    assert len({reply.text for reply in replies}) == 1
    assert sum("Idempotency-Replayed" not in reply.headers for reply in replies) == 1
    assert (await sender.balance(), await receiver.balance()) == (int(coin["value"]) - 1, 1)
    async with asyncio.timeout(WAIT_S):
        told = [await one.event("tokens.sent", replies[0].json()["id"]) for one in (sender, receiver)]
    assert {(one.data.sender, one.data.to, one.data.amount, one.data.note) for one in told} == {(*ids, "1", "thanks")}
    history = await receiver.api.call("GET", "/v1/tokens/history", reply=Page[dict[str, Any]])
    [line] = history.items
    assert (line["code"], line["counterparty"], line["note"]) == ("gift", ids[0], "thanks")


async def test_what_is_placed_on_one_server_is_found_and_withdrawn_on_the_other(servers, joins):
    """Within moments; a claim there before the news is refused as not found, under a key of its own."""
    player, other = await joins(servers[0]), await joins(servers[1])
    closes_at = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    item = {"type": "gold", "lat": -40.5, "lng": 10.5, "closes_at": closes_at, "mode": "personal"}
    headers = {"Overworld-Key": servers[0].key, "Idempotency-Key": "place"}
    placed = await player.raw.post("/v1/game/coins", json={"items": [item]}, headers=headers)
    assert placed.status_code == 201, placed.text
    [told] = placed.json()["items"]
    for one in (player, other):
        await one.stand(-40.5, 10.5)
    async with asyncio.timeout(WAIT_S):
        while told["id"] not in {coin["id"] for coin in await other.around(-40.5, 10.5)}:
            pass
    assert (await other.collect(told["id"], key="claim")).status_code == 200
    key = {"Overworld-Key": servers[1].key}
    assert (await other.raw.delete(f"/v1/game/coins/{told['id']}", headers=key)).status_code == 204
    refused = await player.collect(told["id"], key="claim")
    assert (refused.status_code, refused.json()["code"]) == (410, "gameplay.expired")


async def test_a_key_is_known_on_the_other_server_too(servers, joins):
    player = await joins(servers[0])
    other = await joins(servers[1], device_id=player.device_id)
    coin = (await player.around(*LJUBLJANA))[0]
    await player.stand(coin["lat"], coin["lng"])
    first, elsewhere = await player.collect(coin["id"], key="once"), await other.collect(coin["id"], key="once")
    assert first.status_code == elsewhere.status_code == 200
    assert elsewhere.json() == first.json()
    assert elsewhere.headers["Idempotency-Replayed"] == "true"


async def test_a_refusal_is_kept_under_its_key_as_well(servers, joins):
    winner, loser = await joins(servers[0]), await joins(servers[1])
    coin = (await winner.around(*LJUBLJANA))[0]
    await asyncio.gather(*(player.stand(coin["lat"], coin["lng"]) for player in (winner, loser)))
    assert (await winner.collect(coin["id"], key="mine")).status_code == 200
    for replayed in (False, True):
        lost = await loser.collect(coin["id"], key="mine")
        assert (lost.status_code, lost.json()["code"]) == (409, "gameplay.already_collected")
        assert ("Idempotency-Replayed" in lost.headers) == replayed


async def test_a_key_of_another_claim_and_no_key_are_refused(servers, joins):
    player = await joins(servers[0])
    coin, other = (await player.around(*LJUBLJANA))[:2]
    await player.stand(coin["lat"], coin["lng"])
    assert (await player.collect(coin["id"], key="once")).status_code == 200
    reused = await player.collect(other["id"], key="once")
    assert (reused.status_code, reused.json()["code"]) == (422, "http.key_reused")
    bare = await player.collect(other["id"], key=None)
    assert (bare.status_code, bare.json()["code"]) == (400, "http.key_required")


async def test_a_claim_counts_where_the_player_was_seen_by_the_other_server(servers, joins):
    """Last fixes are shared through the database a moment behind; each try has a key of its own."""
    player = await joins(servers[0])
    other = await joins(servers[1], device_id=player.device_id)
    coin = (await player.around(*LJUBLJANA))[0]
    await player.stand(coin["lat"], coin["lng"])
    async with asyncio.timeout(WAIT_S):
        while (claimed := await other.collect(coin["id"], key=str(uuid4()))).status_code == 409:
            assert claimed.json()["code"] == "gameplay.stale_position"
    assert claimed.json()["collectible_id"] == coin["id"]


async def test_whoever_watches_the_cell_on_the_other_server_hears_that_a_collectible_is_gone(servers, joins):
    watcher, taker = await joins(servers[0]), await joins(servers[1])
    coin = (await taker.around(*LJUBLJANA))[0]
    await asyncio.gather(*(player.stand(coin["lat"], coin["lng"]) for player in (watcher, taker)))
    channel = await watcher.watch(coin["lat"], coin["lng"])
    async with asyncio.timeout(WAIT_S):
        shown = await watcher.event("coins.nearby", coin["id"])
        assert coin["id"] in {item.id for item in shown.data.items}
        await taker.socket.collect(coin["id"], request_id="taken")
        gone = await watcher.event("coins.collected", coin["id"])
    assert gone.channel == channel
    assert (gone.data.id, gone.data.type) == (coin["id"], coin["type"])


async def test_others_are_seen_at_coarse_places_and_oneself_not_at_all(servers, joins):
    lat, lng = 46.3692, 14.1136
    watcher, passer = await joins(servers[0]), await joins(servers[0])
    await watcher.stand(lat, lng)
    await watcher.watch(lat, lng)
    await passer.stand(lat, lng)
    async with asyncio.timeout(WAIT_S):
        seen = await watcher.event("players.nearby", passer.api.session.user.id)
    coarse_lat, coarse_lng = cells.centre_deg(cells.cell_of(lat, lng, COARSE_LEVEL))
    assert [item.id for item in seen.data.items] == [passer.api.session.user.id]
    item = seen.data.items[0]
    assert (item.lat, item.lng) == pytest.approx((coarse_lat, coarse_lng))
    assert (item.lat, item.lng) != pytest.approx((lat, lng))


async def test_the_socket_is_pointed_to_from_the_http_port(servers, joins):
    player = await joins(servers[0])
    async with httpx.AsyncClient(base_url=servers[0].http, verify=trusted()) as client:
        told = await client.get("/v1/realtime", headers={"Connection": "Upgrade", "Upgrade": "websocket"})
    assert (told.status_code, told.json()["code"]) == (421, "http.wrong_port")
    async with await Socket.connect(told.json()["address"], token=player.api.access_token) as socket:
        assert socket.auth.success


async def test_a_token_of_one_server_is_good_on_the_other_until_it_is_revoked(servers, joins):
    """Revocations reach the other server by the log of events."""
    player = await joins(servers[0])
    token = player.raw.headers["Authorization"]
    async with httpx.AsyncClient(
        base_url=servers[1].http, headers={"Authorization": token}, verify=trusted()
    ) as elsewhere:
        assert (await elsewhere.get("/v1/users/me")).status_code == 200
        other = await Socket.connect(servers[1].realtime, token=player.api.access_token)
        left = await player.raw.post("/v1/auth/logout", json={})
        assert left.status_code < 300, left.text
        async with asyncio.timeout(WAIT_S):
            assert (await other.ended).code == 4401
            while (refused := await elsewhere.get("/v1/users/me")).status_code == 200:
                continue
    assert (refused.status_code, refused.json()["code"]) == (401, "accounts.token_revoked")
    with pytest.raises(Refused):
        await player.api.me()


async def test_a_player_that_hides_on_one_server_is_gone_from_the_other(servers, joins):
    lat, lng = 45.5481, 13.7302
    watcher, hider = await joins(servers[0]), await joins(servers[0])
    await asyncio.gather(*(player.stand(lat, lng) for player in (watcher, hider)))
    assert await seen_around(watcher, lat, lng) == [hider.api.session.user.id]
    async with httpx.AsyncClient(base_url=servers[1].http, headers=hider.raw.headers, verify=trusted()) as elsewhere:
        hidden = await elsewhere.put("/v1/location/visibility", json={"visible": False})
        assert (hidden.status_code, hidden.json()) == (200, {"visible": False})
    async with asyncio.timeout(WAIT_S):
        while await seen_around(watcher, lat, lng):
            continue
    await hider.stand(lat, lng)
    assert await seen_around(watcher, lat, lng) == []
    shown = await hider.raw.put("/v1/location/visibility", json={"visible": True})
    assert shown.json() == {"visible": True}
    await hider.stand(lat, lng)
    assert await seen_around(watcher, lat, lng) == [hider.api.session.user.id], "at once on the server that was asked"


async def test_a_friend_on_the_other_server_hears_where_one_is_until_the_share_ends(servers, joins):
    lat, lng = 46.2397, 14.3556
    walker, friend = await joins(servers[0]), await joins(servers[1])
    walker_id, friend_id = (one.api.session.user.id for one in (walker, friend))
    assert (await friend.socket.subscribe([f"user:{friend_id}"])).channels == [f"user:{friend_id}"]
    await walker.stand(lat, lng)
    body = {"to": friend_id, "sight": "live", "expires_in_s": 900}
    shared = await walker.raw.post("/v1/location/share", json=body, headers={"Idempotency-Key": "walk"})
    assert shared.status_code == 201, shared.text
    async with asyncio.timeout(WAIT_S):
        told = await friend.event("location.shared", shared.json()["id"])
        assert (told.data["player_id"], told.data["place"]["lat"], told.data["place"]["exact"]) == (
            walker_id,
            lat,
            True,
        )
        await walker.raw.put("/v1/location/home", json={"lat": lat, "lng": lng, "radius_m": 100})
        told = await friend.event("location.shared", shared.json()["id"])
        assert not told.data["place"]["exact"]
        [item] = (await friend.raw.get("/v1/location/shared")).json()["items"]
        assert item["place"]["lat"] == told.data["place"]["lat"] != lat
        await walker.raw.delete(f"/v1/location/share/{shared.json()['id']}")
        await friend.event("location.share_ended", shared.json()["id"])
    assert (await friend.raw.get("/v1/location/shared")).json() == {"items": [], "cursor": None}


async def test_what_is_around_a_player_is_around_its_fixes_on_the_other_server(servers, joins):
    listening = await joins(servers[0])
    walking = await joins(servers[1], device_id=listening.device_id)
    async with asyncio.timeout(WAIT_S):
        await walking.stand(46.3, 14.3)
        while (await listening.socket.subscribe(["location:around"])).refused:
            pass  # until the fix is shared
        for lat in (46.3, 46.35):
            here = (await walking.stand(lat, 14.3)).cell
            await listening.event("around.changed", f"['{here}'")


async def test_the_way_of_a_player_over_both_servers_is_one_and_erased_on_both(servers, joins):
    player = await joins(servers[0])
    async with (
        httpx.AsyncClient(base_url=servers[1].http, headers=player.raw.headers, verify=trusted()) as elsewhere,
        asyncio.timeout(WAIT_S),
    ):
        for client in (player.raw, elsewhere):
            fix = {"lat": 46.05, "lng": 14.5, "accuracy_m": 5, "timestamp": datetime.now(UTC).isoformat()}
            verdict = await client.post("/v1/location/update", json=fix)
            assert verdict.json()["accepted"], verdict.text
        while len(way := (await elsewhere.get("/v1/location/history")).json()["items"]) < 2:
            continue
        assert way[0]["recorded_at"] > way[1]["recorded_at"]
        assert (await elsewhere.delete("/v1/location/history")).status_code == 204
        assert (await player.raw.get("/v1/location/history")).json()["items"] == []


async def seen_around(player, lat: float, lng: float) -> list[str]:
    """The players that one is shown."""
    params = {"lat": lat, "lng": lng, "radius_m": 500, "types": "player"}
    page = (await player.raw.get("/v1/location/nearby", params=params)).json()
    return [item["id"] for item in page["items"]]
