"""What an answer costs in writes: a system call each, which is much of what a short answer costs."""

from __future__ import annotations

import asyncio
from typing import Any

from overworld.platform.http.connections import _Line


class Wire:
    """A connection that keeps what is written to it, and its transport at once."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False
        self.loop = asyncio.get_running_loop()
        self.transport = self

    def is_closing(self) -> bool:
        return self.closed

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def close_after_reply(self) -> None:
        self.closed = True


def line_on(wire: Any) -> _Line:
    return _Line(wire)


async def test_a_head_leaves_with_the_body_that_follows_at_once():
    line = line_on(wire := Wire())
    line.write(b"head")
    line.write(b"body")
    await asyncio.sleep(0)
    assert wire.written == [b"headbody"]


async def test_a_head_does_not_wait_for_a_body_that_takes_its_time():
    line = line_on(wire := Wire())
    line.write(b"head")
    await asyncio.sleep(0)
    assert wire.written == [b"head"]
    line.write(b"one")
    line.write(b"two")
    assert wire.written == [b"head", b"one", b"two"]


async def test_a_head_without_a_body_leaves_before_the_connection_closes():
    line = line_on(wire := Wire())
    line.write(b"head")
    line.close()
    assert wire.written == [b"head"]
    assert wire.closed
