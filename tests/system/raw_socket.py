"""A WebSocket client that does what no honest one would: any frame, whole or not, masked or not, read or not."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import cycle
from typing import Any, cast
from urllib.parse import urlsplit

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
WAIT_S = 10
_STREAM_BYTES = 2**22
_LENGTH_16, _LENGTH_64 = 126, 127


class RawSocket:
    """A connection after its upgrade, or after the refusal of it. `status` and `body` tell how that went."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.status = 0
        self.body = b""

    async def upgrade(self, url: str, headers: Sequence[str] = ()) -> None:
        """Asks for the upgrade and reads the answer's head, and its body when it is refused."""
        where = urlsplit(url)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            f"GET {where.path}{'?' * bool(where.query)}{where.query} HTTP/1.1",
            f"Host: {where.netloc}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key}",
            *headers,
        ]
        self.writer.write("".join(f"{line}\r\n" for line in [*lines, ""]).encode())
        async with asyncio.timeout(WAIT_S):
            head = await self.reader.readuntil(b"\r\n\r\n")
            self.status = int(head.split()[1])
            if self.status != 101:
                self.body = await self.reader.read()

    def frame(
        self, kind: int, payload: bytes = b"", *, last: bool = True, masked: bool = True, rsv: int = 0, length: int = -1
    ) -> None:
        """Writes one frame; `length` announces another one than the payload has."""
        size = len(payload) if length < 0 else length
        mask = os.urandom(4) if masked else b""
        head = bytes([last << 7 | rsv << 4 | kind])
        if size < _LENGTH_16:
            head += bytes([masked << 7 | size])
        elif size < 2**16:
            head += bytes([masked << 7 | _LENGTH_16]) + struct.pack(">H", size)
        else:
            head += bytes([masked << 7 | _LENGTH_64]) + struct.pack(">Q", size)
        body = bytes(a ^ b for a, b in zip(payload, cycle(mask), strict=False)) if masked else payload
        self.writer.write(head + mask + body)

    def send(self, message: dict[str, Any] | bytes) -> None:
        """Writes a message; bytes as they are."""
        self.frame(TEXT, message if isinstance(message, bytes) else json.dumps(message).encode())

    async def next(self) -> tuple[int, bytes]:
        """The next frame: its kind and its payload. Raises: IncompleteReadError, ConnectionError at the end."""
        async with asyncio.timeout(WAIT_S):
            kind, size = await self.reader.readexactly(2)
            if size == _LENGTH_16:
                (size,) = struct.unpack(">H", await self.reader.readexactly(2))
            elif size == _LENGTH_64:
                (size,) = struct.unpack(">Q", await self.reader.readexactly(8))
            return kind & 15, await self.reader.readexactly(size)

    async def message(self) -> dict[str, Any]:
        """The next answer; events and pings are passed over."""
        while True:
            kind, payload = await self.next()
            assert kind != CLOSE, f"closed: {payload!r}"
            if kind != TEXT:
                continue
            message: dict[str, Any] = json.loads(payload)
            if "seq" not in message and message["type"] != "players.nearby":
                return message

    async def ask(self, message: dict[str, Any] | bytes) -> dict[str, Any]:
        """The answer to a message."""
        self.send(message)
        return await self.message()

    async def ended(self) -> int:
        """The code with which the server closes; 0 when it only cuts the line."""
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                kind, payload = await self.next()
                if kind == CLOSE:
                    (code,) = struct.unpack(">H", payload[:2])
                    return int(code)
        return 0

    def stop_reading(self) -> None:
        """Leaves whatever comes from now on to the system."""
        cast(asyncio.ReadTransport, self.writer.transport).pause_reading()

    def cut(self) -> None:
        """Resets the connection, as a phone that leaves its network."""
        line: socket.socket = self.writer.get_extra_info("socket")
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


@asynccontextmanager
async def raw_socket(
    url: str, *, token: str | None = None, headers: Sequence[str] = (), buffer_bytes: int | None = None
) -> AsyncIterator[RawSocket]:
    """A connection to a socket's address, authenticated when there is a token; `buffer_bytes` bounds what the system
    receives for it while nobody reads."""
    where = urlsplit(url)
    line = socket.socket()
    if buffer_bytes is not None:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
    line.setblocking(False)
    await asyncio.get_running_loop().sock_connect(line, (where.hostname, where.port))
    reader, writer = await asyncio.open_connection(sock=line, limit=_STREAM_BYTES)
    raw = RawSocket(reader, writer)
    try:
        await raw.upgrade(url, headers)
        if token is not None:
            answer = await raw.ask({"type": "auth", "token": token})
            assert answer["success"], answer
        yield raw
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
