"""Bodies are bounded in size, whatever they announce, and in time."""

from __future__ import annotations

import asyncio

import pytest


async def test_an_announced_body_that_is_too_large_is_413_before_it_is_sent(ask):
    reply = await ask.post("/v1/places", content=b"x", headers={"content-length": "65537"})
    assert (reply.status_code, reply.json()["code"]) == (413, "http.body_too_large")
    assert (reply.json()["bytes_max"], reply.headers["connection"]) == (65_536, "close")


async def test_a_chunked_body_is_counted(ask):
    async def chunks():
        for _ in range(3):
            yield b" " * 30_000

    assert (await ask.post("/v1/places", content=chunks())).status_code == 413
    assert (await ask.post("/v1/large", content=chunks())).json() == {"bytes": 90_000}


async def test_the_largest_body_is_still_read(ask):
    body = b'{"lat":1,"lng":1}'.ljust(65_536)
    assert (await ask.post("/v1/places", content=body)).status_code == 200
    assert (await ask.post("/v1/places", content=body + b" ")).status_code == 413


async def _post(app, receive):
    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/v1/places", "raw_path": b"/v1/places", "query_string": b""}
    await app(scope | {"headers": [], "client": ("127.0.0.1", 1)}, receive, send)
    return sent


async def test_a_body_that_never_comes_is_408(make_edge):
    async def receive():
        await asyncio.Event().wait()

    sent = await _post(make_edge(body_timeout_s=0.01).app, receive)
    assert sent[0]["status"] == 408
    assert (b"connection", b"close") in sent[0]["headers"]


async def test_a_body_that_trickles_is_408(make_edge):
    """The time is for the whole body: each part arriving in time does not help."""

    async def receive():
        await asyncio.sleep(0.004)  # pace: a part at a time
        return {"type": "http.request", "body": b" ", "more_body": True}

    sent = await _post(make_edge(body_timeout_s=0.02).app, receive)
    assert sent[0]["status"] == 408


async def test_a_client_that_leaves_is_no_bug(make_edge):
    async def receive():
        return {"type": "http.disconnect"}

    sent = await _post(make_edge().app, receive)
    assert sent[0]["status"] == 499


@pytest.mark.parametrize("length", ["-1", "x", "9" * 400, "1e3"])
async def test_a_senseless_length_is_no_bug(ask, length):
    reply = await ask.post("/v1/places", content=b'{"lat":1,"lng":1}', headers={"content-length": length})
    assert reply.status_code < 500
