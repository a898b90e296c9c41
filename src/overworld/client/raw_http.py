"""HTTP by hand for who asks for thousands: one request at a time on an open connection, at a tenth of the cost."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Self, cast
from urllib.parse import urlsplit

from httptools import HttpResponseParser

Answered = Callable[[int, bytes], None]

_HTTP, _HTTPS = 80, 443


class Cut(Exception):
    """The server ended a connection that waited for an answer."""


class HttpLine(asyncio.Protocol):
    """A connection. `send` calls back with the status and the body, status 0 when the line was cut instead."""

    def __init__(self) -> None:
        self._parser = HttpResponseParser(self)
        self._body = b""
        self._answered: Answered | None = None
        self._transport: asyncio.Transport

    @classmethod
    async def connect(cls, url: str, *, tls: ssl.SSLContext | None = None) -> Self:
        """A connection to the server at an address; `tls` says whom to trust. Raises: OSError; ValueError."""
        where = urlsplit(url)
        if where.hostname is None:
            raise ValueError(f"{url} is no address")
        is_tls = where.scheme == "https"
        port = where.port or (_HTTPS if is_tls else _HTTP)
        _, line = await asyncio.get_running_loop().create_connection(
            cls, where.hostname, port, ssl=(tls or True) if is_tls else None
        )
        return line

    @property
    def is_open(self) -> bool:
        """Whether it can still be asked."""
        return not self._transport.is_closing()

    def send(self, request: bytes, answered: Answered) -> None:
        """Sends a request; the one before must have been answered."""
        self._answered = answered
        self._transport.write(request)

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Sends a request and gives status and body of its answer. Raises: Cut."""
        answer: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()

        def answered(status: int, body: bytes) -> None:
            if not answer.done():
                answer.set_result((status, body))

        self.send(request, answered)
        status, body = await answer
        if status == 0:
            raise Cut
        return status, body

    def close(self) -> None:
        """Ends the connection."""
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._tell(0, b"")

    def on_body(self, body: bytes) -> None:
        """A part of the answer's body."""
        self._body += body

    def on_message_complete(self) -> None:
        """The answer is whole."""
        body, self._body = self._body, b""
        self._tell(self._parser.get_status_code(), body)

    def _tell(self, status: int, body: bytes) -> None:
        answered, self._answered = self._answered, None
        if answered is not None:
            answered(status, body)


def request(
    method: str,
    path: str,
    *,
    token: str = "",
    key: str = "",
    idempotency_key: str = "",
    body: str = "",
    host: str = "127.0.0.1",
) -> str:
    """A whole request; text is ASCII. `token` is the player's, `key` the developer key."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}"]
    lines += [f"Authorization: Bearer {token}"] * bool(token) + [f"Overworld-Key: {key}"] * bool(key)
    lines += [f"Idempotency-Key: {idempotency_key}"] * bool(idempotency_key)
    lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"] * bool(body)
    return "\r\n".join([*lines, "", body])
