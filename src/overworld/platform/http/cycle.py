"""One request on a connection and its answer, after uvicorn's `RequestResponseCycle`: the same rules, and less to do.

What every answer says in the same words is not looked at anew, and a head leaves together with the body that follows it
at once.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import structlog
from litestar.types import ASGIApp, HTTPRequestEvent, HTTPScope, Message
from uvicorn.protocols.http.httptools_impl import HEADER_RE, HEADER_VALUE_RE, STATUS_LINE

from overworld.platform.http.headers import CONSTANT

if TYPE_CHECKING:
    from overworld.platform.http.connections import BoundedProtocol

_NO_BODY = frozenset({204, 304})
_BUG = b"Internal Server Error"
_BUG_HEADERS = [
    (b"content-type", b"text/plain; charset=utf-8"),
    (b"content-length", b"%d" % len(_BUG)),
    (b"connection", b"close"),
]
_LINES = {pair: b"%b: %b\r\n" % pair for pair in CONSTANT}
_START, _BODY = "http.response.start", "http.response.body"
_UNKNOWN = -1
_no_name, _no_value = HEADER_RE.search, HEADER_VALUE_RE.search


class Signal:
    """Wakes the one who waits for it; an `asyncio.Event` for a single task."""

    __slots__ = ("_is_set", "_waiter")

    def __init__(self) -> None:
        self._is_set = False
        self._waiter: asyncio.Future[None] | None = None

    def set(self) -> None:
        self._is_set = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def clear(self) -> None:
        self._is_set = False

    async def wait(self) -> None:
        while not self._is_set:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter


class Cycle:
    """What an application is called with: `receive` and `send` of one request. The protocol tells it what arrives."""

    __slots__ = (
        "_held",
        "_is_chunked",
        "_left_bytes",
        "_protocol",
        "body",
        "disconnected",
        "keep_alive",
        "message_event",
        "more_body",
        "response_complete",
        "response_started",
        "scope",
        "waiting_for_100_continue",
    )

    def __init__(
        self, protocol: BoundedProtocol, scope: HTTPScope, *, keep_alive: bool, expects_continue: bool
    ) -> None:
        self._protocol = protocol
        self.scope = scope
        self.keep_alive = keep_alive
        self.waiting_for_100_continue = expects_continue
        self.message_event = Signal()
        self.disconnected = False
        self.body = bytearray()
        self.more_body = True
        self.response_started = False
        self.response_complete = False
        self._held = b""
        self._is_chunked = False
        self._left_bytes = _UNKNOWN

    async def run(self, app: ASGIApp) -> None:
        """Has the application answer; closes the connection when it does not, or not to the end."""
        try:
            await app(self.scope, self.receive, self.send)
        except BaseException as error:
            structlog.get_logger("overworld.http").error("an application failed", exc_info=error)
            await self._give_up()
        else:
            if not self.response_complete and not self.disconnected:
                structlog.get_logger("overworld.http").error("an application left its answer unfinished")
                await self._give_up()

    async def _give_up(self) -> None:
        if self.response_started or self.disconnected:
            self._close()
            return
        await self.send({"type": "http.response.start", "status": 500, "headers": _BUG_HEADERS})
        await self.send({"type": "http.response.body", "body": _BUG, "more_body": False})

    async def receive(self) -> Any:
        """The next part of the body, or that the client has left."""
        transport = self._protocol.transport
        if self.waiting_for_100_continue and not transport.is_closing():
            transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.waiting_for_100_continue = False
        if not self.disconnected and not self.response_complete:
            self._protocol.flow.resume_reading()
            await self.message_event.wait()
            self.message_event.clear()
        if self.disconnected or self.response_complete:
            return {"type": "http.disconnect"}
        message: HTTPRequestEvent = {"type": "http.request", "body": bytes(self.body), "more_body": self.more_body}
        self.body = bytearray()
        return message

    async def send(self, message: Message) -> None:
        """Writes the head of the answer, then its body in parts. Raises: RuntimeError for what is no HTTP."""
        if self._protocol.flow.write_paused and not self.disconnected:
            await self._protocol.flow.drain()
        if self.disconnected:
            return
        if not self.response_started:
            if message["type"] != _START:
                raise RuntimeError(f"expected the start of an answer, not {message['type']}")
            self.response_started = True
            self.waiting_for_100_continue = False
            self._held = self._head(message["status"], message.get("headers", ()))
            self._protocol.loop.call_soon(self._let_go)
            return
        if self.response_complete or message["type"] != _BODY:
            raise RuntimeError(f"expected a part of an answer's body, not {message['type']}")
        self._write_body(message.get("body", b""), more=message.get("more_body", False))

    def _head(self, status: int, headers: Any) -> bytes:
        lines = [STATUS_LINE[status], self._protocol.default_lines()]
        says_close = False
        for pair in headers:
            line = _LINES.get(pair)
            if line is None:
                name, value = pair
                name = name.lower()
                if _no_name(name) or _no_value(value):
                    raise RuntimeError("a header's name or value holds what none may hold")
                line = name + b": " + value + b"\r\n"
                if name == b"content-length" and not self._is_chunked:
                    self._left_bytes = int(value)
                elif name == b"transfer-encoding" and value.lower() == b"chunked":
                    self._is_chunked = True
                elif name == b"connection" and b"close" in [each.strip() for each in value.lower().split(b",")]:
                    self.keep_alive, says_close = False, True
            lines.append(line)
        if not self.keep_alive and not says_close:
            lines.append(b"connection: close\r\n")
        is_head = self.scope["method"] == "HEAD"
        if self._left_bytes == _UNKNOWN and not self._is_chunked and not is_head and status not in _NO_BODY:
            self._is_chunked = True
            lines.append(b"transfer-encoding: chunked\r\n")
        if self._is_chunked or is_head or self._left_bytes == _UNKNOWN:
            self._left_bytes = 0
        lines.append(b"\r\n")
        return b"".join(lines)

    def _write_body(self, body: bytes, *, more: bool) -> None:
        if self.scope["method"] == "HEAD":
            body = b""
        elif self._is_chunked:
            body = (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + (b"" if more else b"0\r\n\r\n")
        else:
            self._left_bytes -= len(body)
            if self._left_bytes < 0:
                raise RuntimeError("the body is longer than its Content-Length")
        if data := self._held + body:
            self._held = b""
            self._protocol.transport.write(data)
        if more:
            return
        if self._left_bytes:
            raise RuntimeError("the body is shorter than its Content-Length")
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self._close()
        self._protocol.on_response_complete()

    def _close(self) -> None:
        self._let_go()
        self._protocol.close_after_reply()

    def _let_go(self) -> None:
        """Sends the head of an answer that has no body, or whose body takes its time."""
        if self._held:
            if not self._protocol.transport.is_closing():
                self._protocol.transport.write(self._held)
            self._held = b""
