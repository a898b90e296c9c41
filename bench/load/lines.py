"""WebSocket connections as bare sockets: Python opens them and makes them ready, then the compiled loop has them."""

from __future__ import annotations

import asyncio
import base64
import os
import resource
import socket
from typing import Self
from urllib.parse import urlsplit

_TEXT, _BINARY = 1, 2
_FIN, _MASKED = 0x80, 0x80
_LENGTH_2, _LENGTH_8 = 126, 127
_ANSWER_S = 30.0
_SPARE_FILES = 100


def masked(payload: bytes, *, binary: bool = False) -> bytes:
    """A client's frame. Its masking key is 0, so that the payload stands in it as it is; its head has 6 to 14 bytes."""
    length = len(payload)
    first = _FIN | (_BINARY if binary else _TEXT)
    if length < _LENGTH_2:
        head = bytes((first, _MASKED | length))
    elif length < 1 << 16:
        head = bytes((first, _MASKED | _LENGTH_2)) + length.to_bytes(2)
    else:
        head = bytes((first, _MASKED | _LENGTH_8)) + length.to_bytes(8)
    return head + bytes(4) + payload


class BareLine:
    """One authenticated connection."""

    def __init__(self, opened: socket.socket) -> None:
        self.socket = opened

    @classmethod
    async def connect(cls, url: str, *, token: str) -> Self:
        """A connection as a player. Raises: OSError; RuntimeError when the server refuses; TimeoutError."""
        where = urlsplit(url)
        opened = socket.socket()
        opened.setblocking(False)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line = cls(opened)
        async with asyncio.timeout(_ANSWER_S):
            await asyncio.get_running_loop().sock_connect(opened, (where.hostname, where.port))
            await line._upgrade(f"{where.hostname}:{where.port}", where.path, token)
            said = await line.read()
        if b'"success":true' not in said:
            raise RuntimeError(f"the server did not authenticate a player: {said!r}")
        return line

    async def ask(self, message: bytes, *, cid: str) -> bytes:
        """Sends a text that has a `cid`, and gives what is answered to it; what else comes meanwhile is let go by."""
        async with asyncio.timeout(_ANSWER_S):
            await asyncio.get_running_loop().sock_sendall(self.socket, masked(message))
            while f'"cid":"{cid}"'.encode() not in (said := await self.read()):
                continue
        return said

    async def read(self) -> bytes:
        """The payload of the next message but pings, which nobody sends this early. Never reads a byte behind it."""
        head = await self._exactly(2)
        length = head[1]
        if length >= _LENGTH_2:
            length = int.from_bytes(await self._exactly(2 if length == _LENGTH_2 else 8))
        return await self._exactly(length)

    async def _upgrade(self, host: str, path: str, token: str) -> None:
        lines = (
            f"GET {path} HTTP/1.1",
            f"Host: {host}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Protocol: overworld.v1.json",
            f"Authorization: Bearer {token}",
        )
        request = "".join(f"{line}\r\n" for line in (*lines, "")).encode()
        await asyncio.get_running_loop().sock_sendall(self.socket, request)
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):  # byte by byte: what follows is the first message
            answer += await self._exactly(1)
        if not answer.startswith(b"HTTP/1.1 101 "):
            raise RuntimeError(f"the server did not open a socket: {answer!r}")

    async def _exactly(self, count: int) -> bytes:
        got = b""
        while len(got) < count:
            more = await asyncio.get_running_loop().sock_recv(self.socket, count - len(got))
            if not more:
                raise RuntimeError(f"the server ended a connection that was being made ready, after {got!r}")
            got += more
        return got


def allow_files(count: int) -> None:
    """Lets this process open so many sockets. Raises: RuntimeError where the system does not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + _SPARE_FILES
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise RuntimeError(f"{count} connections need {wanted} open files, and the hard limit (ulimit -Hn) is {hard}")
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
