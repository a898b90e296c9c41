"""The socket side: authenticated at once and kept so, replies matched to their commands, events in a queue."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar, cast

import msgspec
from picows import (
    WSCloseCode,
    WSError,
    WSFrame,
    WSInvalidStatusError,
    WSListener,
    WSMsgType,
    WSTransport,
    ws_connect,
)

from overworld.client.errors import Closed, Refused, Unreachable
from overworld.client.messages import Acted, AuthResult, Collected, Event, Fix, Frame, Subscribed, Verdict
from overworld.kernel.clock import Clock, SystemClock, to_us

T = TypeVar("T")
Token = Callable[[], Awaitable[str]]

_SUBPROTOCOL = "overworld.v1.json"
_FRAME_BYTES_MAX = 8 * 1024 * 1024
_AGAIN_S_MIN = 1.0


class Socket(WSListener):
    """One player's connection. Made by `Socket.connect`; use it as a context manager, or `close` it.

    `events` holds what the server told of its own accord; when nobody takes from it, the oldest make room and
    `events_dropped` counts them. `ended` resolves to a Closed when the connection is over.
    """

    def __init__(self, *, token: Token, key: str | None, clock: Clock, timeout_s: float, events_max: int) -> None:
        self.events: asyncio.Queue[Event] = asyncio.Queue(events_max)
        self.events_dropped = 0
        self.ended: asyncio.Future[Closed] = asyncio.get_running_loop().create_future()
        self.auth: AuthResult = AuthResult(success=False)
        self._token = token
        self._key = key
        self._clock = clock
        self._timeout_s = timeout_s
        self._waiting: dict[str, asyncio.Future[bytes]] = {}
        self._cid = 0
        self._connected = False
        self._close_seen: tuple[int | None, str] = (None, "")
        self._keeper: asyncio.Task[None] | None = None

    @classmethod
    async def connect(
        cls,
        url: str,
        *,
        token: Token,
        key: str | None = None,
        tls: ssl.SSLContext | None = None,
        clock: Clock | None = None,
        timeout_s: float = 10.0,
        events_max: int = 10_000,
    ) -> Socket:
        """An authenticated connection; `token` is asked for again before the old one expires.

        `key` is a developer key that adds scopes; `tls` says whom to trust at `wss` addresses, and may be shared among
        many. Raises: Refused when the handshake or the token is refused;
        Unreachable when there is no such server; Closed when it hangs up.
        """
        socket = cls(token=token, key=key, clock=clock or SystemClock(), timeout_s=timeout_s, events_max=events_max)
        try:
            await ws_connect(
                lambda: socket,
                url,
                ssl_context=tls,
                # As in the gateway: with TLS it breaks logging.
                use_aiofastnet=False if url.startswith("wss") else None,
                websocket_handshake_timeout=timeout_s,
                max_frame_size=_FRAME_BYTES_MAX,
                extra_headers={"Sec-WebSocket-Protocol": _SUBPROTOCOL},
            )
        except WSInvalidStatusError as error:
            raise _handshake_refusal(url, error) from error
        except (OSError, WSError, TimeoutError) as error:
            raise Unreachable(f"{url}: {error or type(error).__name__}") from error
        if not socket._connected:
            raise Unreachable(f"{url}: the line was cut before the handshake ended")
        try:
            await socket._authenticate()
        except BaseException:
            await socket.close()
            raise
        socket._keeper = asyncio.create_task(socket._stay_authenticated())
        return socket

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends the connection; commands still waiting raise Closed."""
        if self._keeper is not None:
            self._keeper.cancel()
        if not self.ended.done():
            self._transport.send_close(WSCloseCode.OK)
            self._transport.disconnect()
            await asyncio.wait({self.ended}, timeout=self._timeout_s)

    async def subscribe(self, channels: Sequence[str]) -> Subscribed:
        """Listens to channels; snapshots of cells follow as events."""
        return msgspec.json.decode(await self.ask("subscribe", channels=channels), type=Subscribed)

    async def unsubscribe(self, channels: Sequence[str]) -> Subscribed:
        """Listens no more; the reply names the channels still held."""
        return msgspec.json.decode(await self.ask("unsubscribe", channels=channels), type=Subscribed)

    def report(self, fix: Fix) -> asyncio.Task[Verdict]:
        """Reports a fix now; the task gives its verdict. Several may be under way; they are judged in their order."""
        reply = self._send("location.update", data=fix, ack=True)
        return asyncio.get_running_loop().create_task(self._verdict(reply))

    def stream(self, fix: Fix) -> None:
        """Reports a fix and asks for no answer; a refusal comes as the event `location.verdict`. Raises: Closed."""
        if self.ended.done():
            raise self.ended.result()
        self._write({"type": "location.update", "data": fix})

    async def collect(self, target: str, *, request_id: str) -> Acted[Collected]:
        """Claims a collectible; the same request id again gives the same answer. Raises: Refused."""
        return await self.act("collect", target=target, request_id=request_id, reply=Collected)

    async def act(self, action: str, *, target: str, request_id: str, reply: type[T], **more: Any) -> Acted[T]:
        """Carries out a `game.action`. Raises: Refused."""
        data = {"action": action, "target": target, "request_id": request_id} | more
        frame = msgspec.json.decode(await self.ask("game.action", data=data), type=Frame)
        return Acted(msgspec.json.decode(frame.data, type=reply), frame.replayed)

    async def ask(self, type_: str, **body: Any) -> bytes:
        """Sends any message and gives the reply, still encoded.

        Raises: Refused when it is an `error`; Closed when the connection ends first; TimeoutError.
        """
        return await self._answer(self._send(type_, **body))

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        self._connected = True

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.TEXT:
            self._take(frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.CLOSE:
            self._close_seen = (cast(int, frame.get_close_code()) or None, frame.get_close_reason() or "")
            transport.send_close(WSCloseCode.OK)
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        closed = Closed(*self._close_seen)
        self.ended.set_result(closed)
        for reply in self._waiting.values():
            if not reply.done():
                reply.set_exception(closed)
                reply.exception()  # whoever asked may have gone; a reply nobody awaits is no error to shout about
        self._waiting.clear()

    def pause_writing(self) -> None:
        """Nothing to do: what a client may send is bounded by its own commands."""

    def resume_writing(self) -> None:
        """Nothing to do."""

    def _take(self, payload: bytes) -> None:
        frame = msgspec.json.decode(payload, type=Frame)
        reply = self._waiting.pop(frame.cid, None) if frame.cid is not None else None
        if reply is not None and not reply.done():
            reply.set_result(payload)
        elif frame.cid is None:
            data = frame.error if frame.error is not None else msgspec.json.decode(frame.data)
            self._keep(Event(type=frame.type, seq=frame.seq, channel=frame.channel, data=data))

    def _keep(self, event: Event) -> None:
        if self.events.full():
            self.events.get_nowait()
            self.events_dropped += 1
        self.events.put_nowait(event)

    def _send(self, type_: str, **body: Any) -> asyncio.Future[bytes]:
        if self.ended.done():
            raise self.ended.result()
        self._cid += 1
        cid = str(self._cid)
        reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[cid] = reply
        reply.add_done_callback(lambda _: self._waiting.pop(cid, None))
        self._write({"type": type_, "cid": cid} | body)
        return reply

    def _write(self, message: dict[str, Any]) -> None:
        self._transport.send(WSMsgType.TEXT, msgspec.json.encode(message))

    async def _answer(self, reply: asyncio.Future[bytes]) -> bytes:
        async with asyncio.timeout(self._timeout_s):
            payload = await reply
        frame = msgspec.json.decode(payload, type=Frame)
        if frame.error is not None:
            raise Refused(frame.error)
        return payload

    async def _verdict(self, reply: asyncio.Future[bytes]) -> Verdict:
        frame = msgspec.json.decode(await self._answer(reply), type=Frame)
        return msgspec.json.decode(frame.data, type=Verdict)

    async def _authenticate(self) -> None:
        key = {"key": self._key} if self._key else {}
        self.auth = msgspec.json.decode(await self.ask("auth", token=await self._token(), **key), type=AuthResult)

    async def _stay_authenticated(self) -> None:
        while (expires_at := self.auth.expires_at) is not None:
            left_s = (to_us(expires_at) - self._clock.now_us()) / 1e6
            await asyncio.sleep(max(left_s - min(30.0, left_s / 2), _AGAIN_S_MIN))
            try:
                await self._authenticate()
            except (Refused, Unreachable, TimeoutError):
                continue
            except Closed:
                return


def _handshake_refusal(url: str, error: WSInvalidStatusError) -> Exception:
    try:
        return Refused(msgspec.json.decode(error.raw_body or b"", type=dict[str, Any]))
    except msgspec.DecodeError:
        return Unreachable(f"{url}: {error}")
