"""The examples of `docs/reference/http.md` are what a real server answers."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from bench.prove import ways_in
from bench.servers import ServerProcess
from script.reference import examples
from script.reference.examples import Call
from script.reference.house import described
from script.reference.http import routes_of
from tests.docs.calm import calm_game


def test_every_route_has_an_example():
    shown = {call.route for call in examples.read() if not call.hidden}
    assert shown == {route.title for route in routes_of(described().document)}


@pytest.mark.slow
async def test_a_server_answers_each_example_as_it_is_shown(tmp_path):
    game = str(calm_game(tmp_path))
    quick = {"OVERWORLD_LEDGER__SEAL_INTERVAL_S": "0.01"} | ways_in.ENVIRONMENT
    server = ServerProcess(tmp_path / "data", game=game, environment=quick)
    async with server, httpx.AsyncClient(base_url=server.http) as http:
        kept: dict[str, Any] = {"developer_key": server.key}
        for call in examples.read():
            if call.target.startswith("/v1/ledger/"):
                await _until_sealed(http)
            got = await _sent(http, call, kept)
            assert got.status_code == call.status, f"{call.name}: {got.text}"
            assert {name: got.headers[name] for name in call.reply_headers} == call.reply_headers
            reply = got.json() if got.content and "json" in got.headers["content-type"] else None
            if not call.hidden:
                wrong = examples.differences(call.reply or "null", reply, kept)
                assert wrong == [], f"{call.name}: {msgspec.json.encode(reply).decode()}"
            kept |= {name: examples.value_at(reply, path) for name, path in call.keep.items()}


async def _until_sealed(http: httpx.AsyncClient) -> None:
    """Returns once the log has a block: what was posted before is sealed soon, by a loop of the server's own."""
    async with asyncio.timeout(10):
        while not (await http.get("/v1/ledger/blocks")).json()["items"]:  # noqa: ASYNC110 - it is another process
            await asyncio.sleep(0.01)  # pace: asks until the sealer has looked


async def _sent(http: httpx.AsyncClient, call: Call, kept: dict[str, Any]) -> httpx.Response:
    now = datetime.now(UTC)
    values = kept | {"now": now.isoformat(), "in_an_hour": (now + timedelta(hours=1)).isoformat()}
    headers = {name: examples.fill(value, values) for name, value in call.all_headers.items()}
    if call.body is not None:
        headers["Content-Type"] = "application/json"
    return await http.request(
        call.method, examples.fill(call.target, values), headers=headers, content=_body(call, values)
    )


def _body(call: Call, values: dict[str, Any]) -> bytes | None:
    if call.file is not None:
        return Path(call.file).read_bytes()
    return None if call.body is None else examples.fill(call.body, values).encode()


@pytest.mark.parametrize(
    ("shown", "got"),
    [
        ('{"a": 1}', {"a": 2}),
        ('{"a": 1}', {"a": 1, "b": 2}),
        ('{"a": <number>}', {"a": "x"}),
        ('{"a": <number>}', {"a": True}),
        ('{"a": "<number_or_null>"}', {"a": "x"}),
        ('{"a": "<mine>"}', {"a": "yours"}),
        ('[{"a": "<uuid>"}]', [{"a": "no uuid"}]),
        ('["<text>"]', []),
    ],
)
def test_an_answer_of_another_shape_is_told_apart(shown, got):
    assert examples.differences(shown, got, {"mine": "this"})


def test_an_answer_that_fits_has_no_differences():
    shown = '{"id": "<mine>", "n": <number>, "at": "<time>", "m": "<number_or_null>"}'
    got = {"id": "this", "n": -1.5, "at": "2026-06-01T12:00:00Z", "m": None}
    assert examples.differences(shown, got, {"mine": "this"}) == []
