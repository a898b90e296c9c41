"""A real server: what clients can do to the connection itself, and how it goes down."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import sys
from contextlib import asynccontextmanager, suppress

import httpx
import pytest
from litestar import get

from overworld.platform.http import CannotListen, HttpSettings, open_to_all, serving

pytestmark = pytest.mark.slow


@asynccontextmanager
async def served(make_edge, *, extra=None, **changes):
    settings = HttpSettings(port=0, **changes)
    async with serving(make_edge(extra=extra, **changes).app, settings=settings) as server:
        yield server


@asynccontextmanager
async def connected(server):
    reader, writer = await asyncio.open_connection(server.host, server.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def exchange(server, sent: bytes) -> tuple[int, bytes]:
    """What a raw request gets before the server closes: the status of the first reply, and everything."""
    async with connected(server) as (reader, writer), asyncio.timeout(5):
        writer.write(sent)
        received = await reader.read()
    return int(received.split(b" ", 2)[1]) if received else 0, received


def named(name: str):
    @get("/v1/name", opt=open_to_all())
    async def tell() -> str:
        return name

    return tell


def problem(received: bytes) -> dict[str, object]:
    found: dict[str, object] = json.loads(received.partition(b"\r\n\r\n")[2])
    return found


async def test_port_0_takes_a_free_one_and_says_which(make_edge):
    async with served(make_edge) as one, served(make_edge) as other, httpx.AsyncClient() as client:
        assert one.port != other.port
        assert (await client.get(f"{one.url}/v1/card")).status_code == 200
        assert (await client.get(f"{other.url}/v1/card")).status_code == 200


@pytest.mark.skipif(sys.platform != "linux", reason="other systems share a port without dealing out")
async def test_servers_that_share_a_port_are_both_dealt_connections(make_edge):
    """A kernel deals by the client's address: of 64 connections one side gets none once in 2^63 runs."""
    async with served(make_edge, extra=[named("one")], reuse_port=True) as one:
        settings = HttpSettings(port=one.port, reuse_port=True)
        async with serving(make_edge(extra=[named("other")], reuse_port=True).app, settings=settings) as other:
            assert other.port == one.port
            with pytest.raises(CannotListen, match="is taken"):
                async with serving(make_edge().app, settings=HttpSettings(port=one.port)):
                    pass
            limits = httpx.Limits(max_keepalive_connections=0)
            async with httpx.AsyncClient(limits=limits) as client:
                names = {(await client.get(f"{one.url}/v1/name")).text for _ in range(64)}
    assert names == {"one", "other"}


async def test_a_taken_port_is_a_clear_message(make_edge):
    async with served(make_edge) as server:
        with pytest.raises(CannotListen, match=rf"Port {server.port} for http on 127.0.0.1 is taken .*--http-port"):
            async with serving(make_edge().app, settings=HttpSettings(port=server.port)):
                pass


async def test_an_address_of_another_machine_is_a_clear_message(make_edge):
    with pytest.raises(CannotListen, match=r"192.0.2.1:0 for http cannot be listened on"):
        async with serving(make_edge().app, settings=HttpSettings(host="192.0.2.1", port=0)):
            pass


async def test_a_host_that_cannot_be_a_name_is_a_clear_message(make_edge):
    with pytest.raises(CannotListen, match=r"a\.\.b is no address of this machine for http"):
        async with serving(make_edge().app, settings=HttpSettings(host="a..b", port=0)):
            pass


async def test_a_port_can_be_used_again_at_once(make_edge):
    async with served(make_edge) as server, httpx.AsyncClient() as client:
        await client.get(f"{server.url}/v1/card")
    async with serving(make_edge().app, settings=HttpSettings(port=server.port)) as same:
        assert same.port == server.port


async def test_replies_carry_no_banner(make_edge):
    async with served(make_edge) as server, httpx.AsyncClient() as client:
        assert "server" not in (await client.get(f"{server.url}/v1/card")).headers


BROKEN = [
    b"\x00\x01\x02\x03\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(32),
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET /v1/card HTTP/9.9\r\nhost: x\r\n\r\n",
    b"GET /v1/card\xff\xfe HTTP/1.1\r\nhost: x\r\n\r\n",
    b"GET /v1/card HTTP/1.1\r\nhost: x\r\nbroken header\r\n\r\n",
    b"GET /v1/card HTTP/1.1\r\nhost: x\r\nname : x\r\n\r\n",
    b"GET /v1/card HTTP/1.1\r\nhost: x\r\na: \x00\r\n\r\n",
    b"POST /v1/places HTTP/1.1\r\nhost: x\r\ncontent-length: -5\r\n\r\n",
    b"POST /v1/places HTTP/1.1\r\nhost: x\r\ncontent-length: 1, 2\r\n\r\n",
    b"POST /v1/places HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
    b"POST /v1/places HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /v1/places HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999999999999999\r\n\r\n",
]


@pytest.mark.parametrize("sent", BROKEN, ids=range(len(BROKEN)))
async def test_what_is_no_request_is_400_as_a_problem_and_the_connection_ends(make_edge, sent):
    async with served(make_edge) as server:
        status, received = await exchange(server, sent)
    assert status == 400
    assert problem(received)["code"] == "http.malformed"


@pytest.mark.parametrize(
    "sent",
    [
        b"POST /v1/places HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n\r\n",
        b"POST /v1/places HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello!!!",
    ],
)
async def test_a_body_that_breaks_off_its_framing_ends_the_connection_and_is_no_bug(make_edge, sent):
    async with served(make_edge) as server:
        status, _ = await exchange(server, sent)
        assert status in {0, 400}
        assert (await exchange(server, b"GET /v1/card HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"))[0] == 200


@pytest.mark.parametrize("host", [b"", b"a b", b"x\xff", b"<script>", b"x" * 3_000])
async def test_any_host_is_no_bug(make_edge, host):
    async with served(make_edge) as server:
        status, _ = await exchange(server, b"GET /v1/card HTTP/1.1\r\nconnection: close\r\nhost: " + host + b"\r\n\r\n")
    assert status in {200, 400}


@pytest.mark.parametrize(
    "path",
    [b"/%", b"/%zz", b"/%ff%fe", b"//", b"/v1//card", b"/v1/card/", b"/v1/names/%2e%2e%2f", b"*", b"/;a=b", b"/#"],
)
async def test_any_path_is_no_bug(make_edge, path):
    async with served(make_edge) as server:
        status, _ = await exchange(server, b"GET " + path + b" HTTP/1.1\r\nconnection: close\r\nhost: x\r\n\r\n")
    assert 200 <= status < 500


async def test_a_long_url_is_414(make_edge):
    async with served(make_edge) as server:
        status, received = await exchange(server, b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n")
    assert (status, problem(received)["code"]) == (414, "http.url_too_long")


@pytest.mark.parametrize(
    "headers", [b"a: " + b"x" * 40_000, b"\r\n".join(b"a%d: x" % i for i in range(5_000))], ids=["one", "many"]
)
@pytest.mark.parametrize("ended", [True, False])
async def test_large_headers_are_431_whether_they_end_or_not(make_edge, headers, ended):
    async with served(make_edge) as server:
        sent = b"GET /v1/card HTTP/1.1\r\nhost: x\r\n" + headers + (b"\r\n\r\n" if ended else b"")
        status, received = await exchange(server, sent)
    assert (status, problem(received)["code"]) == (431, "http.head_too_large")


async def test_headers_that_trickle_are_408(make_edge):
    """A client that keeps a connection busy with half a request (slow loris) loses it."""
    async with served(make_edge, head_timeout_s=0.2) as server, connected(server) as (reader, writer):
        writer.write(b"GET /v1/card HTTP/1.1\r\nhost: x\r\n")
        for _ in range(4):
            await asyncio.sleep(0.02)  # pace: a line at a time
            writer.write(b"a: b\r\n")
        async with asyncio.timeout(5):
            received = await reader.read()
    assert received.startswith(b"HTTP/1.1 408 ")
    assert problem(received)["code"] == "http.request_timed_out"


@pytest.mark.parametrize("sent", [b"", b"\r\n"])
async def test_a_connection_without_a_request_is_closed_without_a_word(make_edge, sent):
    async with served(make_edge, head_timeout_s=0.1) as server:
        assert await exchange(server, sent) == (0, b"")


async def test_the_time_for_headers_starts_anew_with_each_request(make_edge):
    async with served(make_edge, head_timeout_s=0.2) as server, connected(server) as (reader, writer):
        writer.write(b"GET /v1/card HTTP/1.1\r\nhost: x\r\n\r\n")
        await reader.readuntil(b"}")
        writer.write(b"GET /v1/card HTTP/1.1\r\n")
        async with asyncio.timeout(5):
            assert (await reader.read()).startswith(b"HTTP/1.1 408 ")


async def test_a_body_that_trickles_is_408(make_edge):
    async with served(make_edge, body_timeout_s=0.1) as server:
        status, received = await exchange(server, b"POST /v1/places HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{")
    assert (status, problem(received)["code"]) == (408, "http.request_timed_out")


async def test_ten_megabytes_are_413_without_being_read(make_edge):
    async with served(make_edge) as server:
        head = b"POST /v1/places HTTP/1.1\r\nhost: x\r\ncontent-length: 10000000\r\n\r\n"
        status, received = await exchange(server, head)
    assert (status, problem(received)["code"]) == (413, "http.body_too_large")
    assert b"connection: close" in received


async def test_endless_chunks_are_413(make_edge):
    async with served(make_edge) as server:
        head = b"POST /v1/places HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
        status, _ = await exchange(server, head + (b"8000\r\n" + b" " * 0x8000 + b"\r\n") * 3)
    assert status == 413


@pytest.mark.parametrize(("megabytes", "reads_answer"), [(10, True), (40, False)])
async def test_who_sends_everything_before_reading_gets_its_answer_within_bounds(make_edge, megabytes, reads_answer):
    """A line that is cut while the client sends is reset, and the answer on it is lost."""
    async with served(make_edge) as server, connected(server) as (reader, writer), asyncio.timeout(5):
        writer.write(b"POST /v1/places HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % (megabytes * 10**6))
        try:
            for _ in range(megabytes):
                writer.write(b" " * 10**6)
                await writer.drain()
            received = await reader.read()
        except ConnectionError:
            received = b""
    assert received.startswith(b"HTTP/1.1 413 ") == reads_answer


BROKEN_BODIES = {
    "length": b"zz\r\n{}\r\n0\r\n\r\n",
    "huge": b"ffffffffffffffffff\r\n{}\r\n",
    "unended": b"2\r\n{}{}\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("body", BROKEN_BODIES.values(), ids=list(BROKEN_BODIES))
async def test_a_body_that_breaks_off_its_encoding_is_400(make_edge, body):
    async with served(make_edge) as server:
        head = b"POST /v1/places HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
        status, received = await exchange(server, head + body)
    assert (status, problem(received)["code"]) == (400, "http.malformed")


@pytest.mark.parametrize("filler", [b"2\r\n{}\r\n0\r\nx: ", b"2\r\n{}\r\n2;x="], ids=["trailer", "extension"])
async def test_what_stands_beside_a_body_is_bounded_like_its_head(make_edge, filler):
    """The parser keeps a trailer's value until it ends, and copies it for each part that comes."""
    async with served(make_edge, body_timeout_s=60) as server:
        head = b"POST /v1/places HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
        with suppress(ConnectionResetError):  # the line is cut while the client still sends
            status, received = await exchange(server, head + filler + b"y" * 600_000)
            assert (status, problem(received)["code"]) == (431, "http.head_too_large")


async def test_a_whole_request_is_answered_before_the_rubbish_behind_it_ends_the_connection(make_edge):
    async with served(make_edge) as server:
        status, received = await exchange(server, b"GET /v1/card HTTP/1.1\r\nhost: x\r\n\r\n\x00rubbish\r\n\r\n")
    assert (status, received.count(b"HTTP/1.1")) == (200, 1)


@pytest.mark.parametrize("last", [b"", b"connection: close\r\n"], ids=["more", "closing"])
async def test_who_reads_no_replies_is_cut_off(make_edge, last):
    @get("/v1/long", opt=open_to_all())
    async def long() -> bytes:
        return b"x" * 4_000_000

    async with served(make_edge, extra=[long], reply_timeout_s=0.2) as server, asyncio.timeout(5):
        with socket.create_connection((server.host, server.port)) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            client.setblocking(False)
            request = b"GET /v1/long HTTP/1.1\r\nhost: x\r\n" + last + b"\r\n"
            await asyncio.get_running_loop().sock_sendall(client, request * 8)
            with pytest.raises(ConnectionError):
                await _until_cut(client)


async def _until_cut(client: socket.socket) -> None:
    """Sends blank lines, and reads nothing, until the system says that nobody is there any more."""
    while True:
        await asyncio.get_running_loop().sock_sendall(client, b"\r\n")
        await asyncio.sleep(0.01)  # pace: a sender that goes on


async def test_a_socket_upgrade_on_this_port_gets_an_http_answer(make_edge):
    async with served(make_edge) as server, connected(server) as (reader, writer), asyncio.timeout(5):
        writer.write(
            b"GET /v1/card HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
            b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")


async def test_pipelined_requests_are_answered_in_order(make_edge):
    async with served(make_edge) as server:
        one = b"GET /v1/card HTTP/1.1\r\nhost: x\r\n\r\n"
        last = b"GET /v1/nothing HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
        _, received = await exchange(server, one + one + last)
    assert re.findall(rb"HTTP/1.1 (\d+)", received) == [b"200", b"200", b"404"]


class Slow:
    """A route that says when it was reached and answers when it is told to."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.go_on = asyncio.Event()

    def route(self):
        @get("/v1/slow", opt=open_to_all())
        async def slow() -> str:
            self.reached.set()
            await self.go_on.wait()
            return "done"

        return slow


async def test_a_drain_lets_requests_in_flight_finish_and_takes_no_new_ones(make_edge):
    slow = Slow()
    leaving = asyncio.Event()

    async def live() -> None:
        async with served(make_edge, extra=[slow.route()]) as server:
            addresses.set_result(server)
            await leaving.wait()

    addresses = asyncio.get_running_loop().create_future()
    running = asyncio.create_task(live())
    server = await addresses
    async with httpx.AsyncClient() as client:
        asked = asyncio.create_task(client.get(f"{server.url}/v1/slow"))
        await slow.reached.wait()
        leaving.set()
        await _refused(server)
        slow.go_on.set()
        assert (await asked).text == "done"
    await asyncio.wait_for(running, 5)


async def test_a_drain_does_not_wait_for_ever(make_edge):
    slow = Slow()
    async with httpx.AsyncClient() as client:
        async with served(make_edge, extra=[slow.route()], drain_s=0.1) as server:
            asked = asyncio.create_task(client.get(f"{server.url}/v1/slow"))
            await slow.reached.wait()
        with pytest.raises(httpx.HTTPError):
            (await asked).raise_for_status()


async def test_idle_connections_are_closed_by_a_drain(make_edge):
    async with served(make_edge) as server:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(b"GET /v1/card HTTP/1.1\r\nhost: x\r\n\r\n")
        await reader.readuntil(b"}")
    assert await reader.read() == b""
    writer.close()


async def _refused(server) -> None:
    """Returns once the server takes no new connections."""
    async with asyncio.timeout(5):
        while True:
            try:
                with socket.create_connection((server.host, server.port), timeout=1):
                    await asyncio.sleep(0)
            except OSError:
                return
