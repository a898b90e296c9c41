"""What every reply carries, traces, and what pages of other origins may do."""

from __future__ import annotations

import re

import pytest

TRACE = "0af7651916cd43dd8448eb211c80319c"
PREFLIGHT = {"origin": "https://play.example", "access-control-request-method": "POST"}


@pytest.mark.parametrize("path", ["/v1/card", "/v1/bug", "/nothing", "/docs", "/v1/names/x"])
async def test_every_reply_is_guarded(ask, path):
    headers = (await ask.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "server" not in headers
    assert "strict-transport-security" not in headers


async def test_hsts_is_sent_where_clients_come_by_https(make_edge):
    async with make_edge(tls=True).client() as client:
        assert "max-age=" in (await client.get("/v1/card")).headers["strict-transport-security"]


async def test_replies_are_not_kept_unless_their_route_says_so(ask):
    assert (await ask.get("/v1/places?lat=1")).headers["cache-control"] == "no-store"
    assert (await ask.get("/v1/card")).headers["cache-control"] == "private, no-cache"


async def test_a_trace_is_taken_over_and_continued(ask):
    reply = await ask.get("/v1/far", headers={"traceparent": f"00-{TRACE}-b7ad6b7169203331-00"})
    assert (reply.headers["x-request-id"], reply.json()["trace_id"]) == (TRACE, TRACE)
    assert re.fullmatch(rf"00-{TRACE}-(?!b7ad6b7169203331)[0-9a-f]{{16}}-00", reply.headers["traceparent"])


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "garbage",
        TRACE,
        f"00-{TRACE}-b7ad6b7169203331",
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-b7ad6b7169203331-01",
        f"00-{TRACE.upper()}-b7ad6b7169203331-01",
        f"00-{TRACE}-b7ad6b7169203331-01-more",
    ],
)
async def test_a_broken_trace_starts_a_new_one(ask, broken):
    reply = await ask.get("/v1/card", headers={"traceparent": broken})
    assert re.fullmatch("[0-9a-f]{32}", reply.headers["x-request-id"])
    assert reply.headers["x-request-id"] != TRACE


async def test_a_later_version_of_traces_is_read_by_its_known_fields(ask):
    reply = await ask.get("/v1/card", headers={"traceparent": f"01-{TRACE}-b7ad6b7169203331-01-more"})
    assert reply.headers["x-request-id"] == TRACE


async def test_by_default_no_other_origin_may_call(ask):
    reply = await ask.options("/v1/places", headers=PREFLIGHT)
    assert not any(name.startswith("access-control") for name in reply.headers)


async def test_a_listed_origin_may_call(make_edge):
    async with make_edge(cors_origins=("https://play.example",)).client() as client:
        preflight = await client.options("/v1/places", headers=PREFLIGHT)
        reply = await client.get("/v1/nothing", headers={"origin": "https://play.example"})
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == "https://play.example"
    assert "POST" in preflight.headers["access-control-allow-methods"]
    assert "idempotency-key" in preflight.headers["access-control-allow-headers"]
    assert reply.headers["access-control-allow-origin"] == "https://play.example"
    assert "x-request-id" in reply.headers["access-control-expose-headers"]
    assert reply.headers["vary"] == "Origin"


async def test_another_origin_than_the_listed_may_not(make_edge):
    async with make_edge(cors_origins=("https://play.example",)).client() as client:
        reply = await client.options("/v1/places", headers=PREFLIGHT | {"origin": "https://evil.example"})
    assert "access-control-allow-origin" not in reply.headers


async def test_any_origin_may_call_where_the_setting_says_so_but_never_with_cookies(make_edge):
    async with make_edge(cors_origins=("*",)).client() as client:
        reply = await client.options("/v1/places", headers=PREFLIGHT)
    assert reply.headers["access-control-allow-origin"] == "https://play.example"
    assert "access-control-allow-credentials" not in reply.headers


async def test_requests_are_measured_by_route_never_by_path(edge):
    async with edge.client(authorization="Bearer player") as client:
        for name in "abc":
            await client.get(f"/v1/names/{name}")
            await client.get(f"/nothing/{name}")
        await client.request("BREW", "/v1/card")
    text = edge.metrics.render().decode()
    assert 'overworld_http_requests_total{method="GET",route="/v1/names/{name}",status="200"} 3.0' in text
    assert 'overworld_http_requests_total{method="GET",route="unmatched",status="404"} 3.0' in text
    assert 'method="other"' in text
    assert 'overworld_http_refusals_total{code="http.not_found"} 3.0' in text
    assert "overworld_http_requests_in_flight 0.0" in text
