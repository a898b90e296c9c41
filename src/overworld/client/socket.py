"""The socket side: authenticated at once and kept so, replies matched to their commands, events in a queue."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, cast

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

from overworld.client import packed
from overworld.client.codec import CODECS, Codec, Subprotocol
from overworld.client.errors import Closed, Malformed, Refused, Unreachable
from overworld.client.events import Event, Events, FixesJudged, SurroundingsChanged, event_of
from overworld.client.messages import (
    Acted,
    AuthResult,
    ChatSent,
    Collected,
    Fix,
    FixVerdict,
    Frame,
    Resumed,
    Subscribed,
    Verdict,
)
from overworld.client.surroundings import Surroundings
from overworld.kernel.clock import Clock, SystemClock, to_us
from overworld.kernel.packed import SURROUNDINGS, VERDICTS

T = TypeVar("T")
Token = Callable[[], Awaitable[str]]
Positions = Literal["list", "packed"]

_FRAME_BYTES_MAX = 8 * 1024 * 1024
_AGAIN_S_MIN = 1.0
_RESUMED = ("resumed", "resync")


class Socket(WSListener):
    """One player's connection. Made by `Socket.connect`; use it as a context manager, or `close` it.

    `events` holds what the server told of its own accord, `surroundings` who is around when positions come packed.
    `ended` resolves to a Closed when the connection is over. `epoch` and `seq` say which stream of events was heard
    up to where: with them another socket can `resume` it.
    """

    def __init__(
        self, *, token: Token, key: str | None, codec: Codec, clock: Clock, timeout_s: float, events: Events
    ) -> None:
        self.events = events
        self.ended: asyncio.Future[Closed] = asyncio.get_running_loop().create_future()
        self.auth: AuthResult = AuthResult(success=False)
        self.surroundings = Surroundings(own_id="", clock=clock)
        self.epoch = ""
        self.seq = 0
        self._tell: Callable[[Event], None] = events.put
        self._token = token
        self._key = key
        self._codec = codec
        self._clock = clock
        self._timeout_s = timeout_s
        self._waiting: dict[str, asyncio.Future[bytes]] = {}
        self._judging: list[tuple[list[datetime], asyncio.Future[list[FixVerdict]]]] = []
        self._cid = 0
        self._resumes_after = 0
        self._connected = False
        self._closing = False
        self._close_seen: tuple[int | None, str] = (None, "")
        self._keeper: asyncio.Task[None] | None = None

    @classmethod
    async def connect(
        cls,
        url: str,
        *,
        token: Token,
        key: str | None = None,
        subprotocol: Subprotocol = "json",
        tls: ssl.SSLContext | None = None,
        clock: Clock | None = None,
        timeout_s: float = 10.0,
        events_max: int = 10_000,
        tell: Callable[[Event], None] | None = None,
    ) -> Socket:
        """An authenticated connection; `token` is asked for again before the old one expires.

        `key` is a developer key that adds scopes; `tls` says whom to trust at `wss` addresses, and may be shared among
        many; `tell` gets the events instead of the queue. Raises: Refused when the handshake or the token is refused;
        Unreachable when there is no such server; Closed when it hangs up.
        """
        codec = CODECS[subprotocol]
        events = Events(most=events_max)
        socket = cls(
            token=token, key=key, codec=codec, clock=clock or SystemClock(), timeout_s=timeout_s, events=events
        )
        socket._tell = tell or events.put
        try:
            await ws_connect(
                lambda: socket,
                url,
                ssl_context=tls,
                # As in the gateway: with TLS it breaks logging.
                use_aiofastnet=False if url.startswith("wss") else None,
                websocket_handshake_timeout=timeout_s,
                max_frame_size=_FRAME_BYTES_MAX,
                extra_headers={"Sec-WebSocket-Protocol": codec.name},
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
        """Ends the connection and its stream of events; commands still waiting raise Closed."""
        self._closing = True
        if self._keeper is not None:
            self._keeper.cancel()
        if not self.ended.done():
            self._transport.send_close(WSCloseCode.OK)
            self._transport.disconnect()
            await asyncio.wait({self.ended}, timeout=self._timeout_s)

    def cut(self) -> None:
        """Hangs up without a word: the server then keeps the stream, and another socket may resume it."""
        self._closing = True
        if self._keeper is not None:
            self._keeper.cancel()
        if not self.ended.done():
            self._transport.disconnect(False)

    async def subscribe(
        self, channels: Sequence[str], *, positions: Positions | None = None, radius_m: float | None = None
    ) -> Subscribed:
        """Listens to channels; the reply says which were refused. A snapshot of each cell follows as events.

        With `positions` "packed" others come as `surroundings` instead of events `players.nearby`. The channel
        `location:around` stands for the cells around the player, to `radius_m`.
        """
        how: dict[str, Any] = {"positions": positions, "radius_m": radius_m}
        told = {name: value for name, value in how.items() if value is not None}
        return self._read(await self.ask("subscribe", channels=channels, **told), Subscribed)

    async def unsubscribe(self, channels: Sequence[str]) -> Subscribed:
        """Listens no more; the reply names the channels still held."""
        return self._read(await self.ask("unsubscribe", channels=channels), Subscribed)

    async def resume(self, *, epoch: str, seq: int) -> Resumed:
        """Takes over the stream of events of a connection that broke; what was missed follows as events.

        When the reply's type is `resync` that was no longer possible: subscribe anew to what its channels lack.
        """
        self._resumes_after = seq
        return self._read(await self.ask("resume", epoch=epoch, seq=seq), Resumed)

    def report(self, fix: Fix) -> asyncio.Task[Verdict]:
        """Reports a fix now; the task gives its verdict. Several may be under way; they are judged in their order."""
        reply = self._send("location.update", data=fix, ack=True)
        return asyncio.get_running_loop().create_task(self._verdict(reply))

    def stream(self, fix: Fix) -> None:
        """Reports a fix and asks for no answer; a refusal comes as the event LocationVerdict. Raises: Closed."""
        self._write({"type": "location.update", "data": fix})

    def report_packed(self, fixes: Sequence[Fix]) -> asyncio.Task[list[FixVerdict]]:
        """Reports fixes in one packed frame now; the task gives their verdicts, in the same order.

        Raises: Closed; ValueError for what no frame can hold.
        """
        self._write_packed(packed.encode_fixes(fixes, ack=True))
        verdicts: asyncio.Future[list[FixVerdict]] = asyncio.get_running_loop().create_future()
        self._judging.append(([fix.timestamp for fix in fixes], verdicts))
        return asyncio.get_running_loop().create_task(self._verdicts(verdicts))

    def stream_packed(self, fixes: Sequence[Fix]) -> None:
        """Reports fixes in one packed frame and asks for no answer; refusals come as the event FixesJudged.

        Raises: Closed; ValueError for what no frame can hold.
        """
        self._write_packed(packed.encode_fixes(fixes))

    async def collect(self, target: str, *, request_id: str) -> Acted[Collected]:
        """Claims a collectible; the same request id again gives the same answer. Raises: Refused."""
        return await self.act("collect", target=target, request_id=request_id, reply=Collected)

    async def act(self, action: str, *, target: str, request_id: str, reply: type[T], **more: Any) -> Acted[T]:
        """Carries out a `game.action`. Raises: Refused."""
        data = {"action": action, "target": target, "request_id": request_id} | more
        frame = self._read(await self.ask("game.action", data=data), Frame)
        return Acted(self._read(frame.data, reply), frame.replayed)

    async def chat(self, channel: str, text: str) -> ChatSent:
        """Says something to everybody who listens to a chat channel. Raises: Refused."""
        return self._read(await self.ask("chat.message", data={"channel": channel, "text": text}), ChatSent)

    async def peer(self, to: str, payload: Any) -> None:
        """Hands something to the clients of another account. Raises: Refused."""
        await self.ask("peer.message", data={"to": to, "payload": payload})

    async def ask(self, type_: str, **body: Any) -> bytes:
        """Sends any message and gives the reply, still encoded.

        Raises: Refused when it is an `error`; Closed when the connection ends first; TimeoutError.
        """
        return await self._answer(self._send(type_, **body))

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        self._connected = True

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        try:
            if frame.msg_type == WSMsgType.TEXT:
                self._take(frame.get_payload_as_bytes())
            elif frame.msg_type == WSMsgType.BINARY:
                self._take_binary(frame.get_payload_as_bytes())
            elif frame.msg_type == WSMsgType.CLOSE:
                self._close_seen = (cast(int, frame.get_close_code()) or None, frame.get_close_reason() or "")
                transport.send_close(WSCloseCode.OK)
                transport.disconnect()
        except (Malformed, msgspec.DecodeError, UnicodeError) as error:
            self._close_seen = (None, f"the server sent what is no message: {error}")
            transport.send_close(WSCloseCode.INVALID_TEXT)
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        closed = Closed(*self._close_seen)
        self.ended.set_result(closed)
        self.events.end(closed, closed=self._closing)
        replies: list[asyncio.Future[Any]] = [*self._waiting.values(), *(verdicts for _, verdicts in self._judging)]
        for reply in replies:
            if not reply.done():
                reply.set_exception(closed)
                reply.exception()  # whoever asked may have gone; a reply nobody awaits is no error to shout about
        self._waiting.clear()
        self._judging.clear()

    def pause_writing(self) -> None:
        """Nothing to do: what a client may send is bounded by its own commands."""

    def resume_writing(self) -> None:
        """Nothing to do."""

    def _read(self, payload: bytes | msgspec.Raw, type_: type[T]) -> T:
        return cast(T, self._codec.decode(payload, type=type_))

    def _take(self, payload: bytes) -> None:
        frame = self._read(payload, Frame)
        if frame.cid is None:
            event = event_of(frame, payload, self._codec)
            if event.seq == 0 or event.seq > self.seq:
                self.seq = event.seq or self.seq
                self._tell(event)
            return
        if frame.type in _RESUMED:
            self._take_over(self._read(payload, Resumed))
        reply = self._waiting.pop(frame.cid, None)
        if reply is not None and not reply.done():
            reply.set_result(payload)

    def _take_over(self, resumed: Resumed) -> None:
        """At once: the events that were missed may follow in the same read."""
        if resumed.epoch != self.epoch:
            self.surroundings = Surroundings(own_id=self.auth.user_id, clock=self._clock)
        self.epoch = resumed.epoch
        self.seq = self._resumes_after if resumed.type == "resumed" else resumed.seq

    def _take_binary(self, payload: bytes) -> None:
        kind = packed.kind_of(payload)
        if kind is None:
            self._take(payload)
        elif kind == VERDICTS:
            self._take_verdicts(packed.decode_verdicts(payload))
        elif kind == SURROUNDINGS:
            self.surroundings.apply(packed.decode_surroundings(payload))
            self._tell(SurroundingsChanged())

    def _take_verdicts(self, verdicts: list[FixVerdict]) -> None:
        """One frame answers one frame, so whoever waits for fixes of these times is meant."""
        times = [verdict.at for verdict in verdicts]
        for i, (expected, waiting) in enumerate(self._judging):
            if expected == times:
                del self._judging[i]
                if not waiting.done():
                    waiting.set_result(verdicts)
                return
        self._tell(FixesJudged(data=verdicts))

    def _send(self, type_: str, **body: Any) -> asyncio.Future[bytes]:
        self._cid += 1
        cid = str(self._cid)
        self._write({"type": type_, "cid": cid} | body)
        reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[cid] = reply
        reply.add_done_callback(lambda _: self._waiting.pop(cid, None))
        return reply

    def _write(self, message: dict[str, Any]) -> None:
        self._require_open()
        self._transport.send(self._codec.frame, self._codec.encode(message))

    def _write_packed(self, payload: bytes) -> None:
        self._require_open()
        self._transport.send(WSMsgType.BINARY, payload)

    def _require_open(self) -> None:
        if self.ended.done():
            raise self.ended.result()

    async def _answer(self, reply: asyncio.Future[bytes]) -> bytes:
        async with asyncio.timeout(self._timeout_s):
            payload = await reply
        frame = self._read(payload, Frame)
        if frame.error is not None:
            raise Refused(frame.error)
        return payload

    async def _verdict(self, reply: asyncio.Future[bytes]) -> Verdict:
        return self._read(self._read(await self._answer(reply), Frame).data, Verdict)

    async def _verdicts(self, verdicts: asyncio.Future[list[FixVerdict]]) -> list[FixVerdict]:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await verdicts
        finally:
            self._judging = [(times, waiting) for times, waiting in self._judging if waiting is not verdicts]

    async def _authenticate(self) -> None:
        key = {"key": self._key} if self._key else {}
        self.auth = self._read(await self.ask("auth", token=await self._token(), **key), AuthResult)
        if not self.epoch:
            self.epoch = self.auth.epoch
            self.surroundings = Surroundings(own_id=self.auth.user_id, clock=self._clock)

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
