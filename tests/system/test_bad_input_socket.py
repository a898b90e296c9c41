"""Whatever comes over the socket gets an `error` or a documented close, and those who behave notice nothing."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
import pytest_asyncio

from overworld.geo import cells
from overworld.geo.sphere import destination_deg
from tests.system.raw_socket import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, RawSocket, raw_socket
from tests.system.target import Target, under_attack

pytestmark = [
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("bad input: socket"),
]

WAIT_S = 10
PONG_WITHIN_S = 1
LJUBLJANA = (46.0511, 14.5051)
PING_MESSAGE = b'{"type":"ping","cid":"p"}'


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def target(tmp_path_factory) -> AsyncIterator[Target]:
    """A server whose limits are on, with less patience than usual."""
    chosen = {
        "OVERWORLD_LIMITS__ENABLED": "true",
        "OVERWORLD_LIMITS__ADDRESS_PER_MIN": "100000",
        "OVERWORLD_REALTIME__AUTH_S": "1",
        "OVERWORLD_REALTIME__HANDSHAKE_S": "1",
        "OVERWORLD_REALTIME__SEND_BUFFER_BYTES": "4096",
        "OVERWORLD_REALTIME__UNSENT_BYTES_MAX": "65536",
    }
    async with under_attack(tmp_path_factory.mktemp("socket"), environment=chosen) as target:
        yield target


@asynccontextmanager
async def connected(target: Target) -> AsyncIterator[RawSocket]:
    """A socket of somebody new."""
    intruder = await target.player()
    async with raw_socket(target.server.realtime, token=intruder.token) as socket:
        yield socket


@asynccontextmanager
async def innocent(target: Target) -> AsyncIterator[Callable[[], int]]:
    """Somebody who pings all the while and must get every answer soon; gives how many there were."""
    async with connected(target) as socket:
        answered = 0

        async def pings() -> None:
            nonlocal answered
            while True:
                async with asyncio.timeout(PONG_WITHIN_S):
                    assert (await socket.ask({"type": "ping"}))["type"] == "pong"
                answered += 1
                await asyncio.sleep(0.02)  # pace: within its own frame rate

        task = asyncio.create_task(pings())
        try:
            yield lambda: answered
        finally:
            if task.done():
                task.result()
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        assert answered > 0


REFUSED_UPGRADES: dict[str, tuple[str, tuple[str, ...], int, str]] = {
    "path": ("/v1/other", (), 404, "realtime.wrong_path"),
    "path with more slashes": ("//v1/realtime", (), 404, "realtime.wrong_path"),
    "subprotocol": ("/v1/realtime", ("Sec-WebSocket-Protocol: chat",), 400, "realtime.unknown_subprotocol"),
    "token": ("/v1/realtime", ("Authorization: Bearer forged",), 401, "accounts.bad_token"),
    "scheme": ("/v1/realtime", ("Authorization: Basic dXNlcjpwYXNz",), 401, "realtime.unauthenticated"),
    "no ASCII": ("/v1/realtime", ("Authorization: Bearer \N{SNOWMAN}",), 401, "realtime.unauthenticated"),
}


@pytest.mark.parametrize(("path", "headers", "status", "code"), REFUSED_UPGRADES.values(), ids=list(REFUSED_UPGRADES))
async def test_a_refused_upgrade_is_the_problem_of_http(target, path, headers, status, code):
    url = target.server.realtime.replace("/v1/realtime", path)
    async with raw_socket(url, headers=headers) as socket:
        problem = json.loads(socket.body)
    assert (socket.status, problem["status"], problem["code"]) == (status, status, code)
    assert {"type", "title", "retryable", "trace_id"} <= set(problem)


async def test_a_token_in_the_address_is_no_token(target):
    """Addresses stand in the logs of every proxy."""
    intruder = await target.player()
    async with raw_socket(f"{target.server.realtime}?token={intruder.token}") as socket:
        assert (await socket.ask({"type": "subscribe", "channels": ["system"]}))["error"]["status"] == 401


NO_UPGRADES: dict[str, bytes] = {
    "nothing": b"",
    "half a line": b"GET /v1/real",
    "half a head": b"GET /v1/realtime HTTP/1.1\r\nHost: x\r\n",
    "rubbish": b"\x00\xff\r\n\r\n",
    "plain GET": b"GET /v1/realtime HTTP/1.1\r\nHost: x\r\n\r\n",
    "POST": b"POST /v1/realtime HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
    "no key": b"GET /v1/realtime HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    "endless line": b"GET /" + b"a" * 100_000,
    "endless head": b"GET /v1/realtime HTTP/1.1\r\nA: " + b"a" * 100_000,
}


@pytest.mark.parametrize("sent", NO_UPGRADES.values(), ids=list(NO_UPGRADES))
async def test_what_is_no_upgrade_is_ended_soon(target, sent):
    where = urlsplit(target.server.realtime)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    async with asyncio.timeout(WAIT_S):
        with suppress(ConnectionError):
            writer.write(sent)
            answer = await reader.read()
            assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")
    writer.close()


def again(count: int, act: Callable[[RawSocket, int], None]) -> Callable[[RawSocket], None]:
    """The same many times, on one connection."""

    def acts(socket: RawSocket) -> None:
        for i in range(count):
            act(socket, i)

    return acts


def part(socket: RawSocket, i: int, payload: bytes) -> None:
    """Another part of a message that never ends."""
    socket.frame(CONTINUATION if i else TEXT, payload, last=False)


ENDINGS: dict[str, tuple[Callable[[RawSocket], None], int]] = {
    "three binary frames": (again(3, lambda socket, i: socket.frame(BINARY, b"{}")), 4400),
    "three packed frames of an unknown kind": (again(3, lambda socket, i: socket.frame(BINARY, b"\x0f\x01\0\0")), 4400),
    "three packed frames that promise more": (
        again(3, lambda socket, i: socket.frame(BINARY, b"\x01\x01\xff\xff" + bytes(24))),
        4400,
    ),
    "three times no JSON": (again(3, lambda socket, i: socket.send(b"{")), 4400),
    "three times no UTF-8": (again(3, lambda socket, i: socket.send(b"\xff")), 4400),
    "three lone continuations": (again(3, lambda socket, i: socket.frame(CONTINUATION, b"{}")), 4400),
    "17 KiB": (lambda socket: socket.send(PING_MESSAGE.ljust(17 * 1024)), 4413),
    "200 KiB": (lambda socket: socket.send(PING_MESSAGE.ljust(200 * 1024)), 1009),
    "17 KiB in parts": (again(17, lambda socket, i: part(socket, i, b" " * 1024)), 4413),
    "announced size of 2**62": (lambda socket: socket.frame(TEXT, length=2**62), 1009),
    "impossible size": (lambda socket: socket.frame(TEXT, length=2**64 - 1), 1002),
    "not masked": (lambda socket: socket.frame(TEXT, PING_MESSAGE, masked=False), 1002),
    "reserved bits": (again(3, lambda socket, i: socket.frame(TEXT, PING_MESSAGE, rsv=4)), 4400),
    "unknown opcode": (lambda socket: socket.frame(3, b"{}"), 1002),
    "unknown control frame": (lambda socket: socket.frame(11, b"{}"), 1002),
    "long ping": (lambda socket: socket.frame(PING, b"a" * 126), 1002),
    "ping in parts": (lambda socket: socket.frame(PING, b"a", last=False), 1002),
    "close without a whole code": (lambda socket: socket.frame(CLOSE, b"\x03"), 1002),
    "close with broken text": (lambda socket: socket.frame(CLOSE, b"\x03\xe8\xff"), 1007),
    "close": (lambda socket: socket.frame(CLOSE, b"\x03\xe8"), 1000),
    "a thousand messages": (again(1_000, lambda socket, i: socket.send(PING_MESSAGE)), 4429),
    "a thousand pongs": (again(1_000, lambda socket, i: socket.frame(PONG)), 4429),
    "a thousand empty parts": (again(1_000, lambda socket, i: part(socket, i, b"")), 4429),
}


@pytest.mark.parametrize(("misbehave", "code"), ENDINGS.values(), ids=list(ENDINGS))
async def test_a_client_that_breaks_the_protocol_is_closed_with_the_documented_code(target, misbehave, code):
    async with innocent(target), connected(target) as socket:
        misbehave(socket)
        assert await socket.ended() == code


MISUNDERSTOOD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "bad_frame"),
    "null": (b"null", "bad_frame"),
    "array": (b"[]", "bad_frame"),
    "deep": (b"[" * 16_000, "bad_frame"),
    "no type": (b'{"cid":"a"}', "bad_frame"),
    "type no text": (b'{"type":1}', "bad_frame"),
    "unknown type": (b'{"type":"admin"}', "unknown_type"),
    "type of an answer": (b'{"type":"pong"}', "unknown_type"),
    "two types": (b'{"type":"ping","type":"auth"}', "bad_frame"),
    "unknown field": (b'{"type":"ping","more":1}', "bad_frame"),
    "cid no text": (b'{"type":"ping","cid":1}', "bad_frame"),
    "cid null": (b'{"type":"ping","cid":null}', "bad_frame"),
    "cid too long": (b'{"type":"ping","cid":"' + b"c" * 65 + b'"}', "bad_frame"),
    "lone surrogate": (b'{"type":"ping","cid":"\\ud800"}', "bad_frame"),
    "no token": (b'{"type":"auth"}', "bad_frame"),
    "no channels": (b'{"type":"subscribe","channels":[]}', "bad_frame"),
    "channels no list": (b'{"type":"subscribe","channels":"system"}', "bad_frame"),
    "too many channels": (json.dumps({"type": "subscribe", "channels": ["a"] * 257}).encode(), "bad_frame"),
    "channel too long": (json.dumps({"type": "subscribe", "channels": ["a" * 129]}).encode(), "bad_frame"),
    "no data": (b'{"type":"location.update"}', "bad_frame"),
    "ack no switch": (b'{"type":"location.update","data":{},"ack":1}', "bad_frame"),
    "data no object": (b'{"type":"game.action","data":1}', "bad_frame"),
    "request id empty": (b'{"type":"game.action","data":{"action":"collect","request_id":""}}', "bad_frame"),
    "unknown action": (b'{"type":"game.action","data":{"action":"__init__"}}', "unknown_action"),
}


@pytest.mark.parametrize(("sent", "code"), MISUNDERSTOOD.values(), ids=list(MISUNDERSTOOD))
async def test_what_is_no_message_is_an_error_and_the_connection_lives(target, sent, code):
    async with connected(target) as socket:
        answer = await socket.ask(sent)
        assert (answer["type"], answer["error"]["code"]) == ("error", f"realtime.{code}")
        assert {"type", "title", "status", "retryable", "trace_id"} <= set(answer["error"])
        assert (await socket.ask(PING_MESSAGE)) == {"type": "pong", "cid": "p"}


def fix(**other: Any) -> dict[str, Any]:
    return {"lat": 46.0, "lng": 14.5, "accuracy_m": 5, "timestamp": "2026-06-01T12:00:00Z"} | other


NO_POSITIONS: tuple[Any, ...] = (
    *(None, [], {}, fix(lat=91), fix(lat=-91), fix(lng=181), fix(lat="46"), fix(lat=None), fix(accuracy_m=-1)),
    *(fix(timestamp="2026-06-01T12:00:00"), fix(timestamp=0), fix(timestamp="0001-01-01T00:00:00+14:00"), fix(more=1)),
    *(fix(timestamp="9999-12-31T23:59:59-12:00"), fix(heading_deg=361), fix(altitude_m=1e300), fix(mock="yes")),
)


@pytest.mark.parametrize("data", NO_POSITIONS, ids=[json.dumps(data)[:60] for data in NO_POSITIONS])
async def test_a_malformed_fix_is_a_bad_position(target, data):
    async with connected(target) as socket:
        answer = await socket.ask({"type": "location.update", "data": data, "cid": "7"})
        assert (answer["cid"], answer["error"]["status"], answer["error"]["code"]) == ("7", 400, "world.bad_position")


@pytest.mark.parametrize("value", [b"1e400", b"-1e400", b'"\\u0000"'])
async def test_numbers_that_are_none_are_a_bad_position_too(target, value):
    async with connected(target) as socket:
        data = json.dumps(fix(lat="@")).encode().replace(b'"@"', value)
        answer = await socket.ask(b'{"type":"location.update","data":%b}' % data)
        assert answer["error"]["code"] == "world.bad_position"


REFUSED_CHANNELS: dict[str, tuple[tuple[str, ...], str]] = {
    "no cell": (("location:cell:", "location:cell:zz", "location:cell:0", "location:cell:-1"), "realtime.bad_channel"),
    "no such face": (("location:cell:f652d6143", "location:cell:ffffffffffffffff"), "realtime.bad_channel"),
    "other levels": (("location:cell:47652d61", "location:cell:4765", "location:cell:1"), "realtime.bad_channel"),
    "other spelling": (("location:cell:47652D614", "location:cell:47652d6140"), "realtime.bad_channel"),
    "odd characters": (("location:cell:\0", "location:cell:\N{ARABIC-INDIC DIGIT FOUR}"), "realtime.bad_channel"),
    "others": ((f"user:{uuid4()}", "user:*", "user:"), "realtime.channel_refused"),
    "unknown": (("", "\0", "SYSTEM", "system ", "chat:a", "match:1", "admin", "*")[1:], "realtime.channel_refused"),
    "far away": (("location:cell:60188bfbc",), "world.out_of_sight"),
}


@pytest.mark.parametrize(("channels", "code"), REFUSED_CHANNELS.values(), ids=list(REFUSED_CHANNELS))
async def test_a_channel_that_is_none_or_not_ones_own_is_refused_by_name(target, channels, code):
    async with connected(target) as socket:
        answer = await socket.ask({"type": "subscribe", "channels": list(channels)})
    assert answer["channels"] == []
    assert answer["refused"] == [{"channel": channel, "code": code} for channel in channels]


async def test_ten_thousand_channels_are_sixty_four(target):
    intruder = await target.player()
    await intruder.stand(*LJUBLJANA)
    places = [
        destination_deg(*LJUBLJANA, bearing, metres) for metres in range(0, 2_900, 150) for bearing in range(0, 360, 9)
    ]
    near = {f"location:cell:{cells.token(cells.cell_of(lat, lng, 15))}" for lat, lng in places}
    made_up = [f"location:cell:{cells.token(cells.cell_of(46 + i / 500, 14, 15))}" for i in range(10_000)]
    async with innocent(target), raw_socket(target.server.realtime, token=intruder.token) as socket:
        held: set[str] = set()
        names = [*near, *made_up]
        for i in range(0, len(names), 250):
            answer = await socket.ask({"type": "subscribe", "channels": names[i : i + 250], "cid": "s"})
            held.update(answer["channels"])
            assert {each["code"] for each in answer["refused"]} <= {"realtime.too_many_channels", "world.out_of_sight"}
        assert len(near) > 100
        assert len(held) == 64


@pytest.mark.parametrize("token", ["x", "..", "\N{SNOWMAN}", "a" * 8_192, "\0"])
async def test_a_first_auth_that_fails_says_why_and_closes(target, token):
    async with raw_socket(target.server.realtime) as socket:
        answer = await socket.ask({"type": "auth", "token": token, "cid": "1"})
        assert (answer["success"], answer["cid"], answer["error"]["code"]) == (False, "1", "accounts.bad_token")
        assert await socket.ended() == 4401


async def test_before_auth_nothing_but_a_ping_is_served_and_not_for_long(target):
    async with raw_socket(target.server.realtime) as socket:
        for message in (
            {"type": "subscribe", "channels": ["system"]},
            {"type": "unsubscribe", "channels": ["system"]},
            {"type": "location.update", "data": fix()},
            {"type": "game.action", "data": {"action": "collect", "target": "x", "request_id": "1"}},
        ):
            answer = await socket.ask(message)
            assert answer["error"]["code"] == "realtime.unauthenticated"
        assert (await socket.ask(PING_MESSAGE))["type"] == "pong"
        assert await socket.ended() == 4401


async def test_a_sixth_socket_of_an_account_replaces_the_first(target):
    intruder = await target.player()
    async with AsyncExitStack() as stack:
        sockets = [
            await stack.enter_async_context(raw_socket(target.server.realtime, token=intruder.token)) for _ in range(6)
        ]
        assert await sockets[0].ended() == 4409
        for socket in sockets[1:]:
            assert (await socket.ask(PING_MESSAGE))["type"] == "pong"


async def test_who_asks_much_and_reads_nothing_is_closed_and_delays_nobody(target):
    """Each answer repeats the names that were refused."""
    names = ["x" * 120 + str(i) for i in range(120)]
    intruder = await target.player()
    async with innocent(target), raw_socket(target.server.realtime, token=intruder.token, buffer_bytes=4_096) as socket:
        socket.stop_reading()
        socket.send({"type": "subscribe", "channels": ["system"]})
        with suppress(ConnectionError):
            for _ in range(100):
                socket.send({"type": "subscribe", "channels": names})
                await socket.writer.drain()
        async with asyncio.timeout(WAIT_S):
            while await count_of_sockets(target) > 1:
                pass


async def count_of_sockets(target: Target) -> int:
    metrics = (await target.http.get(f"{target.server.operations}/metrics")).text
    found = re.search(r"^overworld_sockets (\S+)$", metrics, re.MULTILINE)
    assert found is not None, metrics
    return int(float(found[1]))


async def test_floods_from_many_connections_delay_nobody(target):
    async def flood() -> int:
        async with connected(target) as socket:
            with suppress(ConnectionError):
                for _ in range(500):
                    socket.send(PING_MESSAGE)
                await socket.writer.drain()
            return await socket.ended()

    async with innocent(target) as pongs:
        codes = await asyncio.gather(*(flood() for _ in range(20)))
        assert pongs() > 0
    assert set(codes) <= {4429, 0}


async def test_connections_that_come_and_break_off_leave_nothing_behind(target):
    async def come_and_go(i: int) -> None:
        async with raw_socket(target.server.realtime) as socket:
            if i % 3 == 0:
                socket.send(b'{"type":"ping"')
            elif i % 3 == 1:
                socket.frame(TEXT, b"{", last=False)
            socket.cut()

    async with innocent(target):
        for begin in range(0, 400, 50):
            await asyncio.gather(*(come_and_go(i) for i in range(begin, begin + 50)))
    async with asyncio.timeout(WAIT_S):
        while await count_of_sockets(target) > 0:
            pass
