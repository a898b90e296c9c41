"""The way out of the edge: every reply gets its headers here."""

from __future__ import annotations

from typing import Any

from litestar.types import HTTPScope, Message, Send

from overworld.platform.http.cycle import WHOLE
from overworld.platform.http.exchange import Exchange
from overworld.platform.http.headers import ReplyHeaders

_JSON = (b"content-type", b"application/json")
_CLOSES_CONNECTION = frozenset({408, 413, 499})
_NO_CONTENT = 204


class Outlet:
    """The `send` of one request, which completes what an application answers; `whole` is a shorter way."""

    __slots__ = ("_exchange", "_headers", "_scope", "_send")

    def __init__(self, exchange: Exchange, headers: ReplyHeaders, scope: HTTPScope, send: Send) -> None:
        self._exchange = exchange
        self._headers = headers
        self._scope = scope
        self._send = send

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._exchange.status = message["status"]
            message["headers"] = self._completed(list(message.get("headers", ())))
        await self._send(message)

    async def whole(self, status: int, body: bytes | None) -> None:
        """Sends a whole reply of JSON that has no headers of its own; None is no body."""
        exchange = self._exchange
        at_once: Any = (self._scope.get("extensions") or {}).get(WHOLE)
        if at_once is not None and body is not None:
            exchange.status = status
            trace = exchange.trace
            lines = b"content-type: application/json\r\ncontent-length: %d\r\n" % len(body)
            for name, value in exchange.reply_headers:
                lines += name + b": " + value + b"\r\n"
            lines += f"x-request-id: {trace.trace_id}\r\ntraceparent: {trace.traceparent()}\r\n".encode()
            lines += self._headers.lines
            if at_once["send"](status, lines, body):
                return
        headers = [] if body is None else [_JSON, (b"content-length", b"%d" % len(body))]
        await self({"type": "http.response.start", "status": status, "headers": headers})
        await self({"type": "http.response.body", "body": body or b"", "more_body": False})

    def _completed(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        exchange, trace = self._exchange, self._exchange.trace
        if exchange.status == _NO_CONTENT:  # what is not there has no type
            headers = [each for each in headers if each[0] != b"content-type"]
        headers += exchange.reply_headers
        headers.append((b"x-request-id", trace.trace_id.encode()))
        headers.append((b"traceparent", trace.traceparent().encode()))
        if exchange.status in _CLOSES_CONNECTION:
            headers.append((b"connection", b"close"))
        return self._headers.completed(headers)
