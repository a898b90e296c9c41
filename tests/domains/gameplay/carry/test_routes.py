"""Carrying as clients do it, behind the real edge: shapes, pages, keys and who may do what."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx
import pytest
from prometheus_client import CollectorRegistry

from overworld.domains.gameplay.carry.wiring import build
from overworld.domains.gameplay.rewards import Reward
from overworld.kernel.clock import SystemClock
from overworld.kernel.identity import Principal, Scope
from overworld.platform.http import HttpSettings, LimitSettings, build_http
from overworld.platform.limiter import MemoryLimiter
from overworld.platform.observability import Metrics
from tests.audited import KeptTrail
from tests.domains.gameplay.carry.camp import ANN, BEN, ITEMS, SECRET, WOODEN, kit


class Tokens:
    """A verifier whose tokens are account numbers; number 8 is of the staff."""

    def verify(self, token: str) -> Principal:
        scopes = frozenset({Scope.GAME_PLAY, Scope.GAME_READ} | ({Scope.GAME_PLACE} if token == "8" else set()))
        return Principal(account_id=UUID(int=int(token)), role="player", scopes=scopes)


class Names:
    """Ann and Ben by name, and everybody by number; implements gameplay's `Directory`."""

    async def found(self, names):
        return [{"ann": ANN, "ben": BEN}.get(name) for name in names]


class NoKeys:
    """No developer key is known."""

    def scopes(self, key: str) -> frozenset[str]:
        return frozenset()


@pytest.fixture
def trail() -> KeptTrail:
    return KeptTrail()


@pytest.fixture
async def client(camp, trail):
    """A client of a server whose game calls tools picks; plays as Ann."""
    parts = await build(
        database=camp.database,
        clock=camp.clock,
        ids=camp.ids,
        outbox=camp.outbox,
        ledger=camp.ledger,
        kit=kit(),
        trust=camp.trust,
        secret=SECRET.decode(),
    )
    routes = parts.routes(
        database=camp.database,
        clock=camp.clock,
        ids=camp.ids,
        outbox=camp.outbox,
        directory=Names(),
        audit=trail,
        tools_alias="picks",
    )
    app: Any = build_http(
        routes=routes,
        verifier=Tokens(),
        keys=NoKeys(),
        limiter=MemoryLimiter(monotonic_s=SystemClock().monotonic_s),
        settings=HttpSettings(),
        limits=LimitSettings(enabled=False),
        metrics=Metrics(CollectorRegistry()),
    )
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://t", headers={"authorization": "Bearer 1"}) as c:
        yield c
    await parts.service.close()


def post(client, path, body=None, *, key="k", token=None):
    headers = ({"idempotency-key": key} if key else {}) | ({"authorization": f"Bearer {token}"} if token else {})
    return client.post(f"/v1/game/{path}", json=body or {}, headers=headers)


async def test_an_inventory_comes_in_pages_that_leave_nothing_out(camp, client):
    await camp.give(ANN, Reward(items={"apple": 3, "box": 1, "sword": 5, "stone": 2}))
    await camp.give(BEN, Reward(items={"apple": 1}))
    await post(client, "items/box/use")
    seen, cursor = [], None
    while True:
        reply = await client.get("/v1/game/inventory", params={"limit": 3} | ({"cursor": cursor} if cursor else {}))
        body = reply.json()
        assert reply.status_code == 200 and len(body["items"]) <= 3
        seen += body["items"]
        cursor = body["cursor"]
        if cursor is None:
            break
    assert [one["type"] for one in seen if one["type"] != "crown"] == ["apple", "stone", *["sword"] * 5]
    assert len({one["id"] for one in seen}) == len(seen)
    assert set(seen[0]) == {"id", "type", "title", "count", "since"}
    assert (await client.get("/v1/game/inventory", params={"cursor": "kA"})).json()["code"] == "http.bad_cursor"


async def test_a_use_is_answered_again_under_its_key_and_needs_one(camp, client):
    await camp.give(ANN, Reward(items={"apple": 3}))
    first, again = await post(client, "items/apple/use"), await post(client, "items/apple/use")
    assert (first.status_code, first.json()["item"]["count"]) == (200, 2)
    assert again.json() == first.json() and again.headers["idempotency-replayed"] == "true"
    assert (await post(client, "items/apple/use", key=None)).json()["code"] == "http.key_required"
    assert (await post(client, "items/stone/use")).json()["code"] == "http.key_reused"
    assert (await post(client, "items/apple/use", {"count": 2}, key="l")).status_code == 400


@pytest.mark.parametrize("noun", ["tools", "picks"])
async def test_tools_answer_under_both_names(camp, client, noun):
    await camp.give(ANN, Reward(tokens={"coin": "100"}))
    [tool] = (await client.get(f"/v1/game/{noun}")).json()["items"]
    assert tool["id"] == str(WOODEN[ANN]) and tool["equipped"]
    upgraded = await post(client, f"{noun}/{tool['id']}/upgrade", {"level": 2})
    assert upgraded.json()["paid"] == {"amount": "20", "currency": "coin", "balance": "80"}
    assert upgraded.json()["tool"]["level"] == 2
    assert (await post(client, f"{noun}/{tool['id']}/equip", key="l")).json()["tool"]["efficiency"] == "1.20"
    refused = await post(client, f"{noun}/{tool['id']}/repair", key="m")
    assert (refused.status_code, refused.json()["code"]) == (409, "gameplay.not_worn")
    assert (await post(client, f"{noun}/{WOODEN[BEN]}/equip", key="n")).status_code == 404


async def test_staff_give_what_the_game_has_and_nobody_else_gives(camp, client, trail):
    body = {"to": "ben", "items": {"crown": 1, "apple": 2}, "tools": ["golden"], "badges": ["early"]}
    given, again = [await post(client, "items", body, token="8") for _ in range(2)]
    assert given.status_code == 201 and again.json() == given.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert given.json()["player_id"] == str(BEN)
    assert await camp.held(BEN) == {"crown": 1, "apple": 2}
    assert (await post(client, "items", body)).status_code == 403
    for wrong, code in [
        ({"to": "nobody", "items": {"apple": 1}}, "gameplay.no_such_player"),
        ({"to": "ben", "items": {"unicorn": 1}}, "gameplay.bad_grant"),
        ({"to": "ben", "tools": ["unicorn"]}, "gameplay.bad_grant"),
        ({"to": "ben"}, "gameplay.bad_grant"),
        ({"to": "ben", "items": {"crown": 3}}, "gameplay.sold_out"),
        ({"to": "ben", "items": {"sword": 101}}, "gameplay.stack_full"),
        ({"to": "ben", "items": {"apple": ITEMS.types["apple"].stack_max}}, "gameplay.stack_full"),
        ({"to": "ben", "items": {"apple": 0}}, "http.bad_request"),
    ]:
        refused = await post(client, "items", wrong, key=f"{wrong}"[:99].replace(" ", ""), token="8")
        assert refused.json()["code"] == code, wrong
    assert await camp.held(BEN) == {"crown": 1, "apple": 2}
    assert trail.did == [("gameplay.grant", str(BEN))], "once, and nothing of what was refused"


async def test_badges_and_boosts_are_shown(camp, client):
    await camp.give(ANN, Reward(items={"potion": 1}, badges=("early",)))
    await post(client, "items/potion/use")
    badges = (await client.get("/v1/game/badges")).json()["items"]
    assert [(one["id"], one["earned_at"]) for one in badges] == [("lucky", None), ("early", "2026-06-01T12:00:00Z")]
    assert (await client.get("/v1/game/boosts")).json()["items"] == [
        {"what": "collect", "type": "potion", "multiplier": "1.50", "until": "2026-06-01T12:01:00Z"}
    ]
