"""A receiver of webhooks: a real HTTP server on a free port, which does what it is told."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from msgspec import Struct


class Request(Struct):
    """What came in."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def said(self) -> Any:
        return json.loads(self.body)


class Answer(Struct):
    """What goes back: `before` is waited for; a `status` of 0 hangs up, -1 never answers."""

    status: int = 200
    headers: str = ""
    body: bytes = b""
    before: asyncio.Event | None = None


class Receiver:
    """Keeps what came, and answers by `answer`, a function of the request and of how many came before it."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.answer: Callable[[Request, int], Answer] = lambda _request, _n: Answer()
        self.open = 0
        self.open_max = 0
        self.url = ""
        self._came = asyncio.Event()

    @property
    def ids(self) -> list[str]:
        return [request.id for request in self.requests]

    async def came(self, count: int, *, within_s: float = 10.0) -> list[Request]:
        """Waits until so many requests came."""
        async with asyncio.timeout(within_s):
            while len(self.requests) < count:
                self._came.clear()
                await self._came.wait()
        return self.requests

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                line, *lines = head.decode("latin-1").split("\r\n")
                headers = {name.lower(): value for name, _, value in (each.partition(": ") for each in lines) if name}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                await self._take(Request(line.split()[1], headers, body), writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    async def _take(self, request: Request, writer: asyncio.StreamWriter) -> None:
        answer = self.answer(request, len(self.requests))
        self.requests.append(request)
        self.open += 1
        self.open_max = max(self.open, self.open_max)
        self._came.set()
        try:
            if answer.before is not None:
                await answer.before.wait()
            if answer.status == -1:
                await asyncio.Event().wait()
            if answer.status == 0:
                raise ConnectionResetError
            head = f"HTTP/1.1 {answer.status} X\r\ncontent-length: {len(answer.body)}\r\n{answer.headers}\r\n"
            writer.write(head.encode() + answer.body)
            await writer.drain()
        finally:
            self.open -= 1


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver on a port of its own."""
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    try:
        yield receiver
    finally:
        server.close()


def is_signed(request: Request, secret: str) -> bool:
    """Whether a request bears the signature of a secret, by RFC 2104 written out and nothing of ours."""
    key = base64.b64decode(secret.removeprefix("whsec_")).ljust(64, b"\0")
    signed = b".".join([request.id.encode(), request.headers["webhook-timestamp"].encode(), request.body])
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in key) + signed).digest()
    outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in key) + inner).digest()
    return f"v1,{base64.b64encode(outer).decode()}" in request.headers["webhook-signature"].split(" ")
