"""Bytes that are not quite HTTP, or take their time: each connection is answered or ended, and nobody else notices."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from tests.system.target import Target, faults, under_attack

pytestmark = [
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("bad input: wire"),
]

BODY_TIMEOUT_S = 1
WAIT_S = 10
MEBIBYTE = 2**20

POST = b"POST /v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
GET = b"GET /v1/users/me HTTP/1.1\r\nHost: x\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
HELLO_OF_TLS = bytes.fromhex("1603010200010001fc0303") + b"a" * 100

MALFORMED = {
    "rubbish": b"\x00\x01\xff\r\n\r\n",
    "TLS": HELLO_OF_TLS,
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "unknown method": b"FOO / HTTP/1.1\r\nHost: x\r\n\r\n",
    "CONNECT": b"CONNECT example.org:443 HTTP/1.1\r\nHost: x\r\n\r\n",
    "no slash": b"GET v1/users/me HTTP/1.1\r\nHost: x\r\n\r\n",
    "no target": b"GET  HTTP/1.1\r\nHost: x\r\n\r\n",
    "UTF-8 in the target": b"GET /\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n",
    "blank before a colon": b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
    "folded header": b"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
    "zero byte in a header": b"GET / HTTP/1.1\r\nA: b\x00c\r\n\r\n",
    "line feeds alone": b"GET / HTTP/1.1\nHost: x\n\n",
    "two lengths": POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "length and chunks": POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "unknown encoding": POST + b"Transfer-Encoding: gzip\r\n\r\n{}",
    "length below zero": POST + b"Content-Length: -1\r\n\r\n{}",
    "length no number": POST + b"Content-Length: abc\r\n\r\n{}",
    "length beyond 64 bits": POST + b"Content-Length: 99999999999999999999999\r\n\r\n{}",
    "chunk without a length": CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n",
    "chunk beyond 64 bits": CHUNKED + b"ffffffffffffffffff\r\n{}\r\n",
    "chunk of another length": CHUNKED + b"1\r\n{}\r\n0\r\n\r\n",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def target(tmp_path_factory) -> AsyncIterator[Target]:
    patience = {"OVERWORLD_HTTP__BODY_TIMEOUT_S": str(BODY_TIMEOUT_S), "OVERWORLD_HTTP__HEAD_TIMEOUT_S": "1"}
    async with under_attack(tmp_path_factory.mktemp("wire"), environment=patience) as target:
        yield target


@asynccontextmanager
async def connected(target: Target) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A bare connection to the HTTP port."""
    where = urlsplit(target.server.http)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def exchange(target: Target, sent: bytes) -> tuple[int, dict[str, Any]]:
    """The status and the problem that bytes get before the server ends the connection."""
    async with connected(target) as (reader, writer), asyncio.timeout(WAIT_S):
        writer.write(sent)
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    assert b"application/problem+json" in head, head
    problem: dict[str, Any] = json.loads(body)
    return int(head.split(b" ", 2)[1]), problem


@pytest.mark.parametrize("sent", MALFORMED.values(), ids=list(MALFORMED))
async def test_what_is_not_http_is_400_and_the_end(target, sent):
    status, problem = await exchange(target, sent)
    assert (status, problem["status"], problem["code"]) == (400, 400, "http.malformed")
    assert (problem["retryable"], len(problem["trace_id"])) == (False, 32)


TOO_LONG: dict[str, tuple[bytes, int, str]] = {
    "URL": (b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\n\r\n", 414, "http.url_too_long"),
    "query": (b"GET /?" + b"a" * 9_000 + b" HTTP/1.1\r\n\r\n", 414, "http.url_too_long"),
    "header": (GET + b"A: " + b"a" * 40_000 + b"\r\n\r\n", 431, "http.head_too_large"),
    "headers": (GET + b"a: b\r\n" * 9_000 + b"\r\n", 431, "http.head_too_large"),
    "announced body": (POST + b"Content-Length: 10485760\r\n\r\n{", 413, "http.body_too_large"),
}


@pytest.mark.parametrize(("sent", "status", "code"), TOO_LONG.values(), ids=list(TOO_LONG))
async def test_what_is_too_long_is_told_so(target, sent, status, code):
    answered, problem = await exchange(target, sent)
    assert (answered, problem["status"], problem["code"]) == (status, status, code)


def whole() -> bytes:
    return b" " * (10 * MEBIBYTE)


async def in_chunks() -> AsyncIterator[bytes]:
    for _ in range(160):
        yield b" " * 65_536


@pytest.mark.parametrize("content", [whole, in_chunks])
async def test_ten_megabytes_are_413_for_clients_that_send_them_all(target, content: Callable[[], Any]):
    intruder = await target.player()
    for path in ("/v1/auth/login", "/v1/location/update", "/v1/game/coins/x/collect"):
        headers = intruder.headers | {"Idempotency-Key": "k", "Content-Type": "application/json"}
        reply = await target.http.post(path, content=content(), headers=headers)
        assert faults(reply) == []
        assert (reply.status_code, reply.json()["code"]) == (413, "http.body_too_large")


SLOW: dict[str, bytes] = {
    "head": GET,
    "body": POST + b"Content-Length: 9\r\n\r\n{",
    "body that never comes": POST + b"Content-Length: 9\r\n\r\n",
    "chunk": CHUNKED + b"9\r\n{",
    "trailer": CHUNKED + b"2\r\n{}\r\n0\r\nA: b\r\n",
}


@pytest.mark.parametrize("sent", SLOW.values(), ids=list(SLOW))
async def test_what_does_not_come_in_time_is_408(target, sent):
    status, problem = await exchange(target, sent)
    assert (status, problem["code"], problem["retryable"]) == (408, "http.request_timed_out", True)


async def test_a_length_that_lies_takes_nobody_elses_request(target):
    """What comes behind the announced bytes is another request, or rubbish; never part of the first."""
    async with connected(target) as (reader, writer), asyncio.timeout(WAIT_S):
        writer.write(POST + b"Content-Length: 2\r\n\r\n{}" + GET + b"Connection: close\r\n\r\n")
        received = await reader.read()
    assert re.findall(rb"HTTP/1.1 (\d+)", received) == [b"400", b"401"]


@pytest.mark.parametrize("sent", [GET + b"A: ", CHUNKED + b"2\r\n{}\r\n0\r\nA: ", CHUNKED + b"2;a="])
async def test_endless_headers_trailers_and_extensions_are_cut_off(target, sent):
    async with connected(target) as (_, writer), asyncio.timeout(WAIT_S):
        writer.write(sent)
        with pytest.raises(ConnectionError):
            while True:
                writer.write(b"a" * 65_536)
                await writer.drain()


async def test_hundreds_of_uploads_that_stand_still_delay_nobody(target):
    """Each holds its connection until its time is up, and then gets its 408."""
    where = urlsplit(target.server.http)
    pairs = [await asyncio.open_connection(where.hostname, where.port) for _ in range(200)]
    for _, writer in pairs:
        writer.write(POST + b"Content-Length: 60000\r\n\r\n" + b" " * 30_000)
    assert (await target.http.get("/.well-known/jwks.json")).status_code == 200
    async with asyncio.timeout(WAIT_S):
        ended = await asyncio.gather(*(reader.read() for reader, _ in pairs))
    assert {answer.split(b"\r\n", 1)[0] for answer in ended} == {b"HTTP/1.1 408 Request Timeout"}
    for _, writer in pairs:
        writer.close()
