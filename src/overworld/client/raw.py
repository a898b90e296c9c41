"""A raw connection to the socket, for who has thousands: sends what it is given and decodes nothing."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Self

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

Heard = Callable[[bytes], None]

_ANSWER_S = 10.0


class SocketLine(WSListener):
    """An authenticated connection. `heard` gets every message of the server and `heard_packed` every packed frame;
    `ended` is called when it is over.
    """

    def __init__(self) -> None:
        self._authenticated: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.heard: Heard = self._welcomed
        self.heard_packed: Heard = _nobody_hears
        self.ended: Callable[[], None] = self._turned_away

    @classmethod
    async def connect(cls, url: str, *, token: str, key: str = "", tls: ssl.SSLContext | None = None) -> Self:
        """A connection as a player, with what a developer key adds.

        Raises: what picows raises; OSError; ConnectionError when the server hangs up or does not welcome the player;
        TimeoutError.
        """
        line = cls()
        headers = {"Authorization": f"Bearer {token}", "Sec-WebSocket-Protocol": "overworld.v1.json"}
        await ws_connect(
            lambda: line,
            url,
            ssl_context=tls,
            # As in the gateway: with TLS it breaks logging.
            use_aiofastnet=False if url.startswith("wss") else None,
            websocket_handshake_timeout=_ANSWER_S,
            extra_headers=headers | ({"Overworld-Key": key} if key else {}),
        )
        async with asyncio.timeout(_ANSWER_S):
            await line._authenticated
        line.ended = _nobody_minds
        return line

    def send(self, message: bytes) -> None:
        """Sends one message."""
        self._transport.send(WSMsgType.TEXT, message)

    def send_packed(self, frame: bytes) -> None:
        """Sends one packed frame."""
        self._transport.send(WSMsgType.BINARY, frame)

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
        elif frame.msg_type == WSMsgType.BINARY:
            self.heard_packed(frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.ended()

    def _welcomed(self, payload: bytes) -> None:
        if self._authenticated.done():
            return
        if b'"success":true' in payload:
            self._authenticated.set_result(None)
        else:
            self._authenticated.set_exception(ConnectionError(f"the server said {payload[:200]!r}"))

    def _turned_away(self) -> None:
        if not self._authenticated.done():
            self._authenticated.set_exception(ConnectionError("the server hung up"))


def _nobody_hears(_: bytes) -> None:
    """What packed frames go to until somebody listens."""


def _nobody_minds() -> None:
    """What `ended` is until somebody asks to be told."""
