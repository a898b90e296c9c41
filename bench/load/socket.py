"""A raw connection to the socket: sends what it is given, hands on what it hears, and decodes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Self

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

Heard = Callable[[bytes], None]


class SocketLine(WSListener):
    """An authenticated connection. `heard` gets every message of the server; `ended` is called when it is over."""

    def __init__(self) -> None:
        self._authenticated: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.heard: Heard = self._welcomed
        self.ended: Callable[[], None] = _nobody_minds

    @classmethod
    async def connect(cls, url: str, *, token: str, key: str = "") -> Self:
        """A connection as a player, with what a developer key adds. Raises: what picows raises; TimeoutError."""
        line = cls()
        headers = {"Authorization": f"Bearer {token}", "Sec-WebSocket-Protocol": "overworld.v1.json"}
        await ws_connect(lambda: line, url, extra_headers=headers | ({"Overworld-Key": key} if key else {}))
        async with asyncio.timeout(10):
            await line._authenticated
        return line

    def send(self, message: bytes) -> None:
        """Sends one message."""
        self._transport.send(WSMsgType.TEXT, message)

    def close(self) -> None:
        """Ends the connection."""
        self.ended = _nobody_minds
        self._transport.send_close(WSCloseCode.OK)
        self._transport.disconnect()

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.TEXT:
            self.heard(frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.ended()

    def _welcomed(self, payload: bytes) -> None:
        assert b'"auth_result"' in payload, payload
        self._authenticated.set_result(None)


def _nobody_minds() -> None:
    """What `ended` is until somebody asks to be told."""
