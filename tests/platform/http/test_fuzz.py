"""Whatever is sent, the edge answers, and never with a 5xx."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.slow

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
_MOVES = st.fixed_dictionaries(
    {"lat": st.floats(-100, 100) | _JSON, "lng": st.floats(-200, 200) | _JSON},
    optional={"note": st.text(max_size=220) | _JSON, "path": st.lists(st.lists(st.floats(-9, 9)), max_size=12) | _JSON},
)
_BODIES = st.binary(max_size=300) | _JSON.map(json.dumps).map(str.encode) | _MOVES.map(json.dumps).map(str.encode)
_QUERIES = st.one_of(
    st.binary(max_size=80),
    st.lists(
        st.tuples(st.sampled_from(["lat", "limit", "cursor", "radius_m", "kinds", "x"]), st.text(max_size=20))
    ).map(lambda pairs: "&".join(f"{name}={quote(value, errors='replace')}" for name, value in pairs).encode()),
)
_PATHS = st.sampled_from(["/v1/places", "/v1/batch", "/v1/card", "/v1/names/x", "/v1/moves/x", "/docs", "/"]).map(
    str.encode
) | st.binary(max_size=60).map(lambda tail: b"/v1/names/" + tail)
_VALUES = st.binary(max_size=60) | st.sampled_from(
    [b"application/json", b"Bearer player", b"5", b'"tag"', b"https://a"]
)
_HEADERS = st.lists(
    st.tuples(
        st.sampled_from(
            b"authorization overworld-key content-type content-length idempotency-key if-none-match if-match host "
            b"origin traceparent user-agent x-forwarded-for accept cookie access-control-request-method".split()
        ),
        _VALUES,
    ),
    max_size=6,
)


@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "BREW"]),
    path=_PATHS,
    query=_QUERIES,
    headers=_HEADERS,
    body=_BODIES,
)
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_request_gets_an_answer_below_500(edge, *, method, path, query, headers, body):
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path.decode("utf-8", "replace"),
        "raw_path": quote(path, safe="/%").encode(),
        "query_string": query,
        "headers": headers,
        "client": ("203.0.113.9", 1),
    }
    asyncio.run(edge.app(scope, receive, send))
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert sent[0]["status"] < 500
    if sent[0]["status"] >= 400:
        assert set(json.loads(sent[1]["body"])) >= {"type", "title", "status", "code", "retryable", "trace_id"}
