"""Who may call what."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import pytest
from litestar import get
from msgspec import Meta

from overworld.platform.http import open_to_all

MOVE = f"/v1/moves/{UUID(int=1)}"
GOOD = {"lat": 1.0, "lng": 2.0}


async def test_a_route_without_terms_fails_the_build(make_edge):
    @get("/v1/forgotten")
    async def forgotten() -> None: ...

    with pytest.raises(TypeError, match=r"/v1/forgotten.*must say who may call it"):
        make_edge(extra=[forgotten])


async def test_bounds_that_nobody_would_check_fail_the_build(make_edge):
    @get("/v1/unbounded", opt=open_to_all())
    async def unbounded(count: Annotated[int, Meta(le=10)]) -> None: ...

    with pytest.raises(TypeError, match=r"/v1/unbounded: count: .*Parameter"):
        make_edge(extra=[unbounded])


async def test_no_token_is_401_and_says_which_kind_is_wanted(ask):
    reply = await ask.get("/v1/names/ada")
    assert (reply.status_code, reply.json()["code"]) == (401, "http.unauthenticated")
    assert reply.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("header", ["Basic cGxheWVy", "Bearer", "player", ""])
async def test_what_is_no_bearer_token_counts_as_none(ask, header):
    reply = await ask.get("/v1/names/ada", headers={"authorization": header})
    assert reply.json()["code"] == "http.unauthenticated"


async def test_a_forged_token_gets_the_verifiers_refusal(ask):
    reply = await ask.get("/v1/names/ada", headers={"authorization": "Bearer forged"})
    assert (reply.status_code, reply.json()["code"]) == (401, "test.token_forged")


async def test_a_token_without_the_scope_is_403_and_names_it(play):
    reply = await play.get("/v1/watch")
    assert (reply.status_code, reply.json()["code"], reply.json()["scope"]) == (403, "http.forbidden", "world.read")


async def test_a_key_adds_its_scopes_to_the_token(play):
    assert (await play.get("/v1/watch", headers={"overworld-key": "owdev_key"})).status_code == 200
    assert (await play.get("/v1/watch", headers={"overworld-key": "owdev_guess"})).status_code == 403


async def test_a_key_alone_is_nobody(ask):
    assert (await ask.get("/v1/watch", headers={"overworld-key": "owdev_key"})).status_code == 401


async def test_an_open_route_reads_a_good_token_and_ignores_a_bad_one(ask):
    known = await ask.get("/v1/places?lat=1", headers={"authorization": "bearer player"})
    unknown = await ask.get("/v1/places?lat=1", headers={"authorization": "Bearer forged"})
    assert known.json()["items"][0] == str(UUID(int=7))
    assert (unknown.status_code, unknown.json()["items"][0]) == (200, "nobody")


async def test_handlers_get_the_caller_the_key_and_the_trace_by_name(play):
    reply = await play.post(MOVE, json=GOOD, headers={"idempotency-key": "k1"})
    assert reply.status_code == 201
    assert reply.json() == {
        "lat": 1.0,
        "note": "",
        "account": str(UUID(int=7)),
        "key": "k1",
        "trace": reply.headers["x-request-id"],
    }


async def test_a_replayed_answer_is_marked(play):
    fresh = await play.post(MOVE, json=GOOD, headers={"idempotency-key": "k1"})
    replayed = await play.post(MOVE, json=GOOD, headers={"idempotency-key": "again"})
    assert "idempotency-replayed" not in fresh.headers
    assert replayed.headers["idempotency-replayed"] == "true"


async def test_a_keyed_route_without_a_key_is_refused(play):
    assert (await play.post(MOVE, json=GOOD)).json()["code"] == "http.key_required"


@pytest.mark.parametrize("key", ["", "with space", "k" * 256, "k\x7f", "schl\xfcssel"])
async def test_a_key_is_1_to_255_visible_ascii(play, key):
    reply = await play.post(MOVE, json=GOOD, headers={"idempotency-key": key.encode("latin-1")})
    assert (reply.status_code, reply.json()["errors"][0]["path"]) == (400, "header.Idempotency-Key")


async def test_a_key_of_255_is_taken(play):
    assert (await play.post(MOVE, json=GOOD, headers={"idempotency-key": "~" * 255})).status_code == 201


async def test_access_is_judged_before_the_body(ask):
    reply = await ask.post(MOVE, content=b"{broken", headers={"content-type": "text/plain"})
    assert reply.status_code == 401
