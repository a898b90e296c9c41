"""Hot routes take a short way, and nobody can tell but by the clock: each request is asked of both ways."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Annotated, Any

import httpx
import pytest
import uvicorn
from litestar import Request, Response, get, post
from litestar.params import Parameter
from msgspec import Meta, Struct
from uvicorn.server import ServerState

from overworld.kernel.identity import Scope
from overworld.kernel.refusals import Refusal
from overworld.platform.http import (
    BodyReader,
    Caller,
    CursorQuery,
    HttpSettings,
    LimitQuery,
    LimitSettings,
    Page,
    etag_reply,
    needs,
)
from overworld.platform.http.connections import bounded_protocol

SENT_BY_ITSELF = {"x-request-id", "traceparent"}


class BeyondSight(Refusal):
    """Too far away."""

    code = "test.beyond_sight"
    status = 409


class Fix(Struct, frozen=True, forbid_unknown_fields=True):
    lat: Annotated[float, Meta(ge=-90, le=90)]
    note: str = ""


def routes(*, hot: bool) -> list[Any]:
    read, play = needs(Scope.GAME_READ, hot=hot), needs(Scope.GAME_PLAY, key_required=True, hot=hot)
    raw = needs(Scope.GAME_PLAY, body_bytes_max=2_000, raw_types=("application/x-ndjson",), hot=hot)

    @get("/v1/near", opt=read)
    async def near(
        *,
        caller: Caller,
        lat: Annotated[float, Parameter(ge=-90, le=90)],
        within: float | None = None,
        kinds: list[str] | None = None,
        types: Annotated[str | None, Parameter(max_length=20)] = None,
        limit: LimitQuery = 50,
        cursor: CursorQuery = None,
    ) -> Page[str]:
        """Who is near."""
        if lat == 66:
            raise BeyondSight(distance_m=12)
        if lat == 67:
            raise ValueError("hunter2")
        shown = (caller.principal.account_id, lat, within, kinds, types, limit)
        return Page([str(each) for each in shown], cursor)

    @get("/v1/tagged", opt=read)
    async def tagged(caller: Caller, request: Request[Any, Any, Any]) -> Response[dict[str, str]]:
        return etag_reply({"who": str(caller.principal.account_id)}, request)

    @post("/v1/fixes", opt=play)
    async def fixes(data: Fix, idempotency_key: str | None, trace_id: str) -> dict[str, Any]:
        return {"lat": data.lat, "key": idempotency_key, "traced": len(trace_id)}

    @post("/v1/nothing", opt=needs(Scope.GAME_PLAY, hot=hot), status_code=204)
    async def nothing(data: Fix | None = None) -> None: ...

    @post("/v1/lines", opt=raw, status_code=202)
    async def lines(reader: BodyReader) -> dict[str, int]:
        count = 0
        while reader.more:
            count += (await reader.chunk()).count(b"\n")
        return {"lines": count}

    return [near, tagged, fixes, nothing, lines]


async def chunks(count: int, *, size: int = 100) -> Any:
    for _ in range(count):
        yield b"x" * (size - 1) + b"\n"


def seen(reply: httpx.Response) -> tuple[int, dict[str, str], bytes]:
    headers = {name: value for name, value in reply.headers.items() if name not in SENT_BY_ITSELF}
    body = reply.content.replace(reply.headers["x-request-id"].encode(), b"ID")
    return reply.status_code, headers, body


def measured(edge: Any) -> list[str]:
    lines = edge.metrics.render().decode().splitlines()
    return [line for line in lines if "_requests_total{" in line or "_refusals_total{" in line or "_count{" in line]


ASKED: list[tuple[str, str, dict[str, Any]]] = [
    ("GET", "/v1/near?lat=1.5", {}),
    ("GET", "/v1/near?lat=-90&limit=200&types=a,b&within=1e3", {}),
    ("GET", "/v1/near?lat=1&types=", {}),
    ("GET", "/v1/near?lat=1&types=a=b", {}),
    ("GET", "/v1/near?lat=1&types=a%2Cb+c", {}),
    ("GET", "/v1/near?lat=1&types=%00", {}),
    ("GET", "/v1/near?lat=1&types=%ff", {}),
    ("GET", "/v1/near?lat=1&kinds=a", {}),
    ("GET", "/v1/near?lat=1&kinds=a&kinds=b", {}),
    ("GET", "/v1/near?lat=1&lat=2", {}),
    ("GET", "/v1/near?lat=1&limit=0", {}),
    ("GET", "/v1/near?lat=1&limit=null", {}),
    ("GET", "/v1/near?lat=1&limit=1.0", {}),
    ("GET", "/v1/near?lat=1&within=null", {}),
    ("GET", "/v1/near?lat=1&within=none", {}),
    ("GET", "/v1/near?lat=91", {}),
    ("GET", "/v1/near?lat=nan", {}),
    ("GET", "/v1/near?lat=inf", {}),
    ("GET", "/v1/near?lat=1e999", {}),
    ("GET", "/v1/near?lat=1_0", {}),
    ("GET", "/v1/near?lat=", {}),
    ("GET", "/v1/near?lat", {}),
    ("GET", "/v1/near?&lat=1&", {}),
    ("GET", "/v1/near?lat=1;limit=2", {}),
    ("GET", "/v1/near", {}),
    ("GET", "/v1/near?lat=1&more=1", {}),
    ("GET", "/v1/near?lat=1&types=" + "a" * 21, {}),
    ("GET", "/v1/near?lat=66", {}),
    ("GET", "/v1/near?lat=67", {}),
    ("GET", "/v1/near/?lat=1", {}),
    ("GET", "//v1/near?lat=1", {}),
    ("GET", "/v1/%6eear?lat=1", {}),
    ("GET", "/v1/near%00?lat=1", {}),
    ("HEAD", "/v1/near?lat=1", {}),
    ("OPTIONS", "/v1/near", {}),
    ("POST", "/v1/near?lat=1", {}),
    ("GET", "/v1/near?lat=1", {"headers": {"authorization": ""}}),
    ("GET", "/v1/near?lat=x", {"headers": {"authorization": ""}}),
    ("GET", "/v1/near?lat=1", {"headers": {"authorization": "Bearer forged"}}),
    ("GET", "/v1/near?lat=1", {"headers": {"authorization": "Bearer admin"}}),
    ("GET", "/v1/near?lat=1", {"headers": {"idempotency-key": "a b"}}),
    ("GET", "/v1/near?lat=1", {"headers": {"origin": "https://play.example"}}),
    ("GET", "/v1/tagged", {}),
    ("GET", "/v1/tagged", {"headers": {"if-none-match": "*"}}),
    ("POST", "/v1/fixes", {"json": {"lat": 1}, "headers": {"idempotency-key": "k"}}),
    ("POST", "/v1/fixes", {"json": {"lat": 1}}),
    ("POST", "/v1/fixes", {"json": {"lat": 1}, "headers": {"authorization": "Bearer admin"}}),
    ("POST", "/v1/fixes", {"json": {"lat": "1"}, "headers": {"idempotency-key": "k"}}),
    ("POST", "/v1/fixes", {"json": {"lat": 1, "note": "\x00"}, "headers": {"idempotency-key": "k"}}),
    ("POST", "/v1/fixes", {"json": {"lat": 1, "other": 1}, "headers": {"idempotency-key": "k"}}),
    ("POST", "/v1/fixes", {"content": b"{", "headers": {"idempotency-key": "k"}}),
    ("POST", "/v1/fixes", {"headers": {"idempotency-key": "k"}}),
    ("POST", "/v1/fixes", {"content": b"{}", "headers": {"idempotency-key": "k", "content-type": "text/plain"}}),
    ("POST", "/v1/fixes", {"content": b" " * 70_000, "headers": {"idempotency-key": "k"}}),
    ("POST", "/v1/fixes?lat=1", {"json": {"lat": 1}, "headers": {"idempotency-key": "k"}}),
    ("POST", "/v1/nothing", {}),
    ("POST", "/v1/nothing", {"json": {"lat": 1}}),
    ("POST", "/v1/nothing", {"json": {"lat": 100}}),
    ("POST", "/v1/lines", {"content": b"1\n2\n"}),
    ("POST", "/v1/lines", {"content": b"x" * 2_001}),
    ("POST", "/v1/lines", {"content": b"{}", "headers": {"content-type": "application/json"}}),
]


@pytest.mark.parametrize(("method", "url", "sent"), ASKED, ids=range(len(ASKED)))
async def test_a_hot_route_answers_as_the_same_route_by_the_framework(make_edge, method, url, sent):
    both = []
    for hot in (False, True):
        edge = make_edge(extra=routes(hot=hot), cors_origins=("https://play.example",))
        async with edge.client(authorization="Bearer player") as client:
            both.append((seen(await client.request(method, url, **sent)), measured(edge)))
    slow, quick = both
    assert quick == slow


async def test_the_framework_hears_nothing_of_a_plain_request(make_edge):
    edge = make_edge(extra=routes(hot=True))
    edge.app._app = None
    async with edge.client(authorization="Bearer player") as client:
        assert (await client.get("/v1/near?lat=1&types=a,b")).status_code == 200
        assert (await client.post("/v1/lines", content=b"a\n")).json() == {"lines": 1}


@pytest.mark.parametrize(("parts", "status"), [(20, 202), (21, 413)])
async def test_a_body_is_read_in_parts_up_to_its_bound(make_edge, parts, status):
    async with make_edge(extra=routes(hot=True)).client(authorization="Bearer player") as client:
        reply = await client.post("/v1/lines", content=chunks(parts))
    assert reply.status_code == status


async def test_hot_routes_are_limited_like_all_others(make_edge):
    edge = make_edge(extra=routes(hot=True), limits=LimitSettings(account_per_min=2))
    async with edge.client(authorization="Bearer player") as client:
        replies = [await client.get("/v1/near?lat=1") for _ in range(3)]
    assert [reply.status_code for reply in replies] == [200, 200, 429]
    assert replies[0].headers["ratelimit-remaining"] == "1"


def _with_path() -> Any:
    @get("/v1/things/{thing_id:int}", opt=needs(Scope.GAME_READ, hot=True))
    async def thing(thing_id: int) -> int:
        return thing_id

    return thing


def _sync() -> Any:
    @get("/v1/things", opt=needs(Scope.GAME_READ, hot=True), sync_to_thread=False)
    def things() -> int:
        return 1

    return things


def _guarded() -> Any:
    @get("/v1/things", opt=needs(Scope.GAME_READ, hot=True), exception_handlers={ValueError: lambda *_: Response("")})
    async def things() -> int:
        return 1

    return things


@pytest.mark.parametrize(
    ("made", "why"),
    [(_with_path, "path has parameters"), (_sync, "not async"), (_guarded, "exception handlers")],
    ids=["path", "sync", "own"],
)
def test_what_only_the_framework_can_do_is_never_hot(make_edge: Callable[..., Any], made: Any, why: str):
    with pytest.raises(TypeError, match=why):
        make_edge(extra=[made()])


class Wire(asyncio.Transport):
    """A connection of nobody's, which keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__({"peername": ("203.0.113.9", 5000), "sockname": ("127.0.0.1", 80)})
        self.written: list[bytes] = []

    def write(self, data: Any) -> None:
        self.written.append(data)

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def close(self) -> None: ...


async def test_a_request_of_a_hot_route_is_one_write_and_leaves_nothing_for_the_garbage_collector(make_edge):
    settings = HttpSettings()
    config = uvicorn.Config(make_edge(extra=routes(hot=True)).app, lifespan="off", log_config=None)
    config.load()
    protocol = bounded_protocol(settings)(config=config, server_state=ServerState(), app_state={})
    protocol.connection_made(wire := Wire())
    count = 50

    async def ask() -> None:
        for _ in range(count):
            protocol.data_received(b"GET /v1/near?lat=1 HTTP/1.1\r\nhost: a\r\nauthorization: Bearer player\r\n\r\n")
            await asyncio.gather(*protocol.tasks)

    await ask()
    left = []
    gc.disable()
    try:
        for _ in range(3):  # what other threads of this process leave meanwhile is counted too
            gc.collect()
            await ask()
            left.append(gc.collect())
    finally:
        gc.enable()
        protocol.connection_lost(None)
    assert min(left) < count, left
    assert len(wire.written) == 4 * count
    head, _, body = wire.written[-1].partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n" % len(body))
    assert head.endswith(b"\r\ncache-control: no-store")
