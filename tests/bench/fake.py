"""A server of packed frames that judges nothing: it answers as it is told, for tests of the load generator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
import numpy as np
from msgspec import Struct, field
from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

from overworld.kernel.packed import (
    FLAG_ACK,
    HEADER,
    POSITION,
    POSITIONS,
    SURROUNDINGS,
    SURROUNDINGS_HEADER,
    VERDICT,
    VERDICTS,
    VERSION,
)


class Answers(Struct, kw_only=True):
    """How the server answers, and what it got. `refuses` says whether a fix is refused, by its number on its line.

    What is said in a channel is told to all who listen to it, so often as `tells`; with `closes` a refusal ends the
    connection. `unasked` is a text that everybody hears after each frame of fixes.
    """

    refuses: Callable[[int], bool] = lambda number: False
    surroundings_bytes: int = 0
    pings: bool = False
    keeps: bool = True
    tells: Callable[[int], int] = lambda number: 1
    closes: bool = False
    unasked: bytes = b""
    fixes: dict[int, list[np.ndarray]] = field(default_factory=dict)
    pongs: list[bytes] = field(default_factory=list)
    listeners: dict[str, list[WSTransport]] = field(default_factory=dict)
    said: list[tuple[str, str]] = field(default_factory=list)


class _Line(WSListener):
    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._fixes: list[np.ndarray] = []
        self._count = 0

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._answers.fixes[len(self._answers.fixes)] = self._fixes
        transport.send(WSMsgType.TEXT, b'{"type":"auth_result","success":true}')

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        payload = frame.get_payload_as_bytes()
        if frame.msg_type == WSMsgType.BINARY:
            self._judge(transport, payload)
        elif frame.msg_type == WSMsgType.TEXT:
            self._told(transport, msgspec.json.decode(payload))
        elif frame.msg_type == WSMsgType.PONG:
            self._answers.pongs.append(payload)

    def _judge(self, transport: WSTransport, payload: bytes) -> None:
        assert HEADER.unpack_from(payload) == (POSITIONS, VERSION, (len(payload) - HEADER.size) // POSITION.itemsize)
        fixes = np.frombuffer(payload, POSITION, offset=HEADER.size)
        if self._answers.keeps:
            self._fixes.append(fixes)
        verdicts = []
        for fix in fixes:
            refused = self._answers.refuses(self._count)
            self._count += 1
            if refused or fix["flags"] & FLAG_ACK:
                verdicts.append((fix["time_us"], not refused, refused, 0, self._count))
        if self._answers.surroundings_bytes:
            head = SURROUNDINGS_HEADER.pack(SURROUNDINGS, VERSION, 0, 0)
            transport.send(WSMsgType.BINARY, head + bytes(self._answers.surroundings_bytes - len(head)))
        if self._answers.unasked:
            transport.send(WSMsgType.TEXT, self._answers.unasked)
        if self._answers.pings:
            transport.send_ping(b"%d" % self._count)
        if self._answers.closes and any(not accepted for _, accepted, *_ in verdicts):
            transport.send_close(WSCloseCode.GOING_AWAY, b"enough")
            transport.disconnect()
        elif verdicts:
            packed = np.array(verdicts, VERDICT).tobytes()
            transport.send(WSMsgType.BINARY, HEADER.pack(VERDICTS, VERSION, len(verdicts)) + packed)

    def _say(self, transport: WSTransport, channel: str, text: str) -> None:
        times = self._answers.tells(len(self._answers.said))
        self._answers.said.append((channel, text))
        transport.send(WSMsgType.TEXT, b'{"type":"chat.sent"}')
        event = {"type": "chat.message", "channel": channel, "data": {"channel": channel, "text": text}}
        for listener in self._answers.listeners[channel] * times:
            listener.send(WSMsgType.TEXT, msgspec.json.encode(event))

    def _told(self, transport: WSTransport, message: dict[str, object]) -> None:
        match message:
            case {"type": "subscribe", "channels": [str(channel)], "cid": cid}:
                self._answers.listeners.setdefault(channel, []).append(transport)
                transport.send(WSMsgType.TEXT, f'{{"type":"subscribed","refused":[],"cid":"{cid}"}}'.encode())
            case {"type": "location.update", "cid": cid}:
                answer = f'{{"type":"location.verdict","cid":"{cid}","data":{{"accepted":true}}}}'
                transport.send(WSMsgType.TEXT, answer.encode())
            case {"type": "chat.message", "data": {"channel": str(channel), "text": str(text)}}:
                self._say(transport, channel, text)


@asynccontextmanager
async def serving(answers: Answers) -> AsyncIterator[str]:
    """The address of such a server, while it runs."""

    def accept(request: WSUpgradeRequest) -> WSListener:
        assert request.headers["Authorization"].startswith("Bearer ")
        return _Line(answers)

    server = await ws_create_server(accept, "127.0.0.1", 0, backlog=1_024)
    try:
        host, port = server.sockets[0].getsockname()
        yield f"ws://{host}:{port}/v1/realtime"
    finally:
        server.close()
        await asyncio.sleep(0)
