"""What an answer costs in writes: a system call each, which is much of what a short answer costs."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Any

import pytest

from overworld.platform.http.cycle import Cycle


class Wire:
    """A connection that keeps what is written to it: the protocol, its transport and its flow at once."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False
        self.answered = 0
        self.loop = asyncio.get_running_loop()
        self.transport = self.flow = self
        self.write_paused = False

    def default_lines(self) -> bytes:
        return b"date: today\r\n"

    def is_closing(self) -> bool:
        return self.closed

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def close_after_reply(self) -> None:
        self.closed = True

    def on_response_complete(self) -> None:
        self.answered += 1


def cycle_on(wire: Any, *, method: str = "GET", keep_alive: bool = True) -> Cycle:
    scope: Any = defaultdict(str, method=method)
    return Cycle(wire, scope, keep_alive=keep_alive, expects_continue=False)


async def start(cycle: Cycle, *headers: tuple[bytes, bytes], status: int = 200) -> None:
    await cycle.send({"type": "http.response.start", "status": status, "headers": list(headers)})


async def part(cycle: Cycle, body: bytes, *, more: bool = False) -> None:
    await cycle.send({"type": "http.response.body", "body": body, "more_body": more})


async def test_a_head_leaves_with_the_body_that_follows_at_once():
    cycle = cycle_on(wire := Wire())
    await start(cycle, (b"content-length", b"4"))
    await part(cycle, b"body")
    await asyncio.sleep(0)
    assert wire.written == [b"HTTP/1.1 200 OK\r\ndate: today\r\ncontent-length: 4\r\n\r\nbody"]
    assert (wire.answered, wire.closed) == (1, False)


async def test_a_head_does_not_wait_for_a_body_that_takes_its_time():
    cycle = cycle_on(wire := Wire())
    await start(cycle)
    await asyncio.sleep(0)
    assert wire.written == [b"HTTP/1.1 200 OK\r\ndate: today\r\ntransfer-encoding: chunked\r\n\r\n"]
    await part(cycle, b"one", more=True)
    await part(cycle, b"two")
    assert wire.written[1:] == [b"3\r\none\r\n", b"3\r\ntwo\r\n0\r\n\r\n"]


async def test_a_head_without_a_body_leaves_before_the_connection_closes():
    cycle = cycle_on(wire := Wire(), keep_alive=False)
    await start(cycle, status=204)
    await part(cycle, b"")
    assert wire.written == [b"HTTP/1.1 204 No Content\r\ndate: today\r\nconnection: close\r\n\r\n"]
    assert wire.closed


async def test_an_answer_to_head_has_a_length_and_no_body():
    cycle = cycle_on(wire := Wire(), method="HEAD")
    await start(cycle, (b"content-length", b"4"))
    await part(cycle, b"body")
    assert wire.written == [b"HTTP/1.1 200 OK\r\ndate: today\r\ncontent-length: 4\r\n\r\n"]


@pytest.mark.parametrize("body", [b"bod", b"body!"])
async def test_a_body_of_another_length_than_promised_is_a_bug(body):
    cycle = cycle_on(Wire())
    await start(cycle, (b"content-length", b"4"))
    with pytest.raises(RuntimeError, match="than its Content-Length"):
        await part(cycle, body)


@pytest.mark.parametrize("header", [(b"x-a", b"b\r\nx-c: d"), (b"x a", b"b"), (b"x-a", b"\x00")])
async def test_a_header_that_would_end_its_line_is_a_bug(header):
    with pytest.raises(RuntimeError, match="header"):
        await start(cycle_on(Wire()), header)


async def test_an_application_that_fails_is_answered_for():
    async def failing(_scope: Any, _receive: Any, _send: Any) -> None:
        raise ValueError("a bug")

    await cycle_on(wire := Wire()).run(failing)
    assert wire.written[0].startswith(b"HTTP/1.1 500 ")
    assert wire.closed
