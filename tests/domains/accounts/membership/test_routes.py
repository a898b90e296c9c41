"""Memberships over HTTP, under their own name and under the game's."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from prometheus_client import CollectorRegistry

from overworld.kernel.identity import Principal, Scope
from overworld.platform.http import HttpSettings, LimitSettings, build_http
from overworld.platform.limiter import MemoryLimiter
from overworld.platform.observability import Metrics


class NamedTokens:
    """A token is the id of its account."""

    def verify(self, token):
        scopes = frozenset({Scope.GAME_PLAY, Scope.GAME_READ})
        return Principal(account_id=UUID(token), role="player", scopes=scopes)


class NoKeys:
    def scopes(self, key):
        return frozenset()


@pytest.fixture
async def ask(hall):
    app: Any = build_http(
        routes=hall.parts(alias="genesis").routes,
        verifier=NamedTokens(),
        keys=NoKeys(),
        limiter=MemoryLimiter(monotonic_s=hall.clock.monotonic_s),
        settings=HttpSettings(),
        limits=LimitSettings(enabled=False),
        metrics=Metrics(CollectorRegistry()),
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        yield client


def as_of(account_id, **headers):
    return {"authorization": f"Bearer {account_id}"} | headers


async def test_the_founding_club_answers_under_both_names(hall, ask):
    ann, ben = await hall.people(2)
    key = {"idempotency-key": str(uuid4())}
    first = await ask.post("/v1/genesis/apply", json={}, headers=as_of(ann, **key))
    again = await ask.post("/v1/memberships/founders/apply", json={}, headers=as_of(ann, **key))
    assert first.json() == {
        "membership": "founders",
        "number": 1,
        "granted_at": "2026-06-01T12:00:00Z",
        "ends_at": None,
        "renewed": False,
    }
    assert (again.json(), again.headers["idempotency-replayed"]) == (first.json(), "true")
    for path in ("/v1/genesis/verify", "/v1/memberships/founders/verify"):
        mine, theirs = [(await ask.get(path, headers=as_of(one))).json() for one in (ann, ben)]
        assert (mine["member"], mine["number"], theirs["member"], theirs["number"]) == (True, 1, False, None)
    for path in ("/v1/genesis/benefits", "/v1/memberships/founders/benefits"):
        seen = (await ask.get(path, headers=as_of(ben))).json()
        assert (seen["cap"], seen["left"], seen["benefits"]["airdrop_share"]) == (3, 2, "0.03")


async def test_members_come_in_pages_by_number(hall, ask):
    people = await hall.people(3)
    for one in people:
        await ask.post("/v1/genesis/apply", json={}, headers=as_of(one, **{"idempotency-key": "x"}))
    page = (await ask.get("/v1/genesis/members?limit=2", headers=as_of(people[0]))).json()
    rest = (await ask.get(f"/v1/genesis/members?limit=2&cursor={page['cursor']}", headers=as_of(people[0]))).json()
    assert [one["number"] for one in page["items"] + rest["items"]] == [1, 2, 3]
    assert [one["user_id"] for one in rest["items"]] == [str(people[2])] and rest["cursor"] is None


@pytest.mark.parametrize("cursor", ["kf8", "AAAA", "kc7_____________"])
async def test_a_cursor_that_nobody_gave_out_is_refused(hall, ask, cursor):
    [ann] = await hall.people(1)
    reply = await ask.get(f"/v1/genesis/members?cursor={cursor}", headers=as_of(ann))
    assert (reply.status_code, reply.json()["code"]) == (400, "http.bad_cursor")


async def test_an_application_needs_a_key_and_a_club(hall, ask):
    [ann] = await hall.people(1)
    keyless = await ask.post("/v1/genesis/apply", json={}, headers=as_of(ann))
    nowhere = await ask.post("/v1/memberships/x/apply", json={}, headers=as_of(ann, **{"idempotency-key": "1"}))
    assert (keyless.status_code, keyless.json()["code"]) == (400, "http.key_required")
    assert (nowhere.status_code, nowhere.json()["code"]) == (404, "accounts.no_such_membership")
