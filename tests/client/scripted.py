"""A socket server that answers as a test says, to see what a client does when things go wrong at the worst moment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import msgspec
import picows

WAIT_S = 5.0

Message = dict[str, Any]
Handler = Callable[["Line", Message], Message | None]


class Line(picows.WSListener):
    """The server's end of one connection. `heard` are the messages that came over it, `packed` its packed frames."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.number = len(gateway.lines)
        self.heard: list[Message] = []
        self.packed: list[bytes] = []
        self.close_code: int | None = None

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        self.transport = transport
        offered = transport.request.headers.get("Sec-WebSocket-Protocol")
        self.codec: Any = msgspec.msgpack if offered == "overworld.v1.msgpack" else msgspec.json

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        payload = frame.get_payload_as_bytes()
        if frame.msg_type == picows.WSMsgType.CLOSE:
            self.close_code = cast(int, frame.get_close_code())
            transport.send_close(picows.WSCloseCode.OK)
            transport.disconnect()
        elif frame.msg_type == picows.WSMsgType.BINARY and 0 < payload[0] < 16:
            self.packed.append(payload)
        else:
            message = self.codec.decode(payload)
            self.heard.append(message)
            answer = self.gateway.handlers[message["type"]](self, message)
            if answer is not None:
                self.send(answer | {"cid": message["cid"]})

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        self.gateway.open.discard(self)

    def send(self, message: Message) -> None:
        """Sends a message."""
        kind = picows.WSMsgType.BINARY if self.codec is msgspec.msgpack else picows.WSMsgType.TEXT
        self.transport.send(kind, self.codec.encode(message))

    def send_packed(self, payload: bytes) -> None:
        """Sends a binary frame."""
        self.transport.send(picows.WSMsgType.BINARY, payload)

    def close(self, code: int) -> None:
        """Ends the connection with a code."""
        self.transport.send_close(cast(picows.WSCloseCode, code), b"as the test says")

    def cut(self) -> None:
        """Cuts the line without a word."""
        self.transport.disconnect(False)

    def types(self) -> list[str]:
        """What came over it, by type."""
        return [message["type"] for message in self.heard]


class Gateway:
    """Listens while the block runs. A handler gives the answer to a message of its type, or None for silence."""

    def __init__(self) -> None:
        self.url = ""
        self.http: Any = None
        self.lines: list[Line] = []
        self.open: set[Line] = set()
        self.handlers: dict[str, Handler] = {
            "auth": lambda line, _: {"type": "auth_result", "success": True, "epoch": f"e{line.number}"},
            "resume": lambda line, _: {"type": "resync", "epoch": f"e{line.number}", "seq": 0, "channels": []},
            "subscribe": lambda _, message: {"type": "subscribed", "channels": message["channels"]},
            "unsubscribe": lambda _, message: {"type": "subscribed", "channels": []},
            "location.update": lambda _, message: {"type": "location.verdict", "data": {"accepted": True}},
            "ping": lambda _, message: {"type": "pong"},
        }

    async def __aenter__(self) -> Gateway:
        await self.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def listen(self, port: int = 0) -> None:
        """Begins to listen, on a free port unless one is given."""

        def accept(_: picows.WSUpgradeRequest) -> Line:
            line = Line(self)
            self.lines.append(line)
            self.open.add(line)
            return line

        self._server = await picows.ws_create_server(accept, "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"ws://127.0.0.1:{self.port}/v1/realtime"

    async def stop(self) -> None:
        """Cuts all lines and listens no more."""
        self._server.close()
        for line in list(self.open):
            line.cut()
        await self._server.wait_closed()

    async def line(self, number: int) -> Line:
        """The connection of that number, once it is authenticated."""
        await until(lambda: len(self.lines) > number and bool(self.lines[number].heard))
        return self.lines[number]


async def until(condition: Callable[[], Any]) -> None:
    """Returns when the condition holds, looking again each turn of the loop."""
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110 - what the other side does has no event to wait for
            await asyncio.sleep(0)
