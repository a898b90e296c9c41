"""A player who stays: signed in, connected, and back after every break, with what was on its way sent again."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from collections.abc import Set as AbstractSet
from random import Random
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import uuid4

from overworld.client.codec import Subprotocol
from overworld.client.errors import Closed, Refused, Unreachable
from overworld.client.events import Event, Events, Reconnect, Unsubscribed
from overworld.client.http import Api
from overworld.client.messages import (
    Acted,
    ChatSent,
    Collected,
    Fix,
    FixVerdict,
    Session,
    Start,
    Verdict,
)
from overworld.client.pacing import Pace, Pauses
from overworld.client.socket import Positions, Socket
from overworld.client.surroundings import Surroundings

T = TypeVar("T")
SignIn = Callable[[Api], Awaitable[Session]]

_BROKEN = (Closed, Unreachable, TimeoutError)
_UNAUTHENTICATED = 401
# This client is at fault, may not connect, or was replaced by a newer one of its account: no reason to come back.
_FINAL = frozenset({4400, 4403, 4409, 4413})


class Player:
    """A player, signed in by `sign_in` and connected while the block runs.

        async with Player("http://127.0.0.1:7400", sign_in=lambda api: api.device("my-device-0001")) as player:
            verdict = await player.report(fix)

    When the line breaks it comes back after a growing pause from `pause_s`, takes up the stream of events where it
    broke, and listens again to what it listened to. Commands wait for that; those with a request id, and fixes, are
    sent again. What is refused only for the moment is tried again too. It gives up when the server stays away for
    `patience_s`, or says not to come back; then every command raises that, and so does iterating over `events`.

    `drops` counts the times it came back, `resumed` those where no event was missed, `replayed` the actions whose
    first answer was lost on the way. Messages are paced to stay below the server's default rate. With `key`, a
    developer key, HTTP calls have its scopes, with `socket_key` the socket has.
    """

    def __init__(
        self,
        server: str,
        *,
        sign_in: SignIn,
        key: str | None = None,
        socket_key: str | None = None,
        subprotocol: Subprotocol = "json",
        start: Start | None = None,
        tls: ssl.SSLContext | None = None,
        patience_s: float = 30.0,
        pause_s: float = 0.25,
        messages_per_s: float = 50.0,
        events_max: int = 10_000,
        random: Random | None = None,
    ) -> None:
        self.events = Events(most=events_max)
        self.drops = self.resumed = self.replayed = 0
        self._api = Api(server, key=key, tls=tls)
        self._sign_in = sign_in
        self._socket_key = socket_key
        self._subprotocol = subprotocol
        self._start = start
        self._tls = tls
        self._patience_s = patience_s
        self._pause_s = pause_s
        self._pace = Pace(messages_per_s)
        self._pauses = Pauses(pause_s, random=random or Random())  # noqa: S311 - it only spreads returns out
        self._socket: Socket | None = None
        self._line: asyncio.Future[Socket] = asyncio.get_running_loop().create_future()
        self._keeper: asyncio.Task[None] | None = None
        self._stream = ("", 0)
        self._channels: set[str] = set()
        self._how: dict[str, Any] = {}
        self._last: Fix | None = None

    async def __aenter__(self) -> Self:
        """Raises: Unreachable; Refused; Closed."""
        try:
            await self._sign_in(self._api)
            if self._start is None:
                self._start = await self._patiently(self._api.start)
            socket = await self._patiently(self._connect)
        except BaseException:
            await self._api.close()
            raise
        self._line.set_result(socket)
        self._keeper = asyncio.create_task(self._keep(socket))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait({self._keeper})
        if self._socket is not None:
            await self._socket.close()
        self._end(Closed(None, "by this side"), closed=True)
        await self._api.close()

    @property
    def start(self) -> Start:
        """What the server told of itself. Raises: RuntimeError before the block."""
        if self._start is None:
            raise RuntimeError("not connected")
        return self._start

    @property
    def api(self) -> Api:
        """The player's HTTP calls."""
        return self._api

    @property
    def scopes(self) -> list[str]:
        """What the socket may do."""
        return self._socket.auth.scopes if self._socket is not None else []

    @property
    def surroundings(self) -> Surroundings:
        """Who is around; after a break empty until told anew. Raises: RuntimeError before the block."""
        if self._socket is None:
            raise RuntimeError("not connected")
        return self._socket.surroundings

    async def report(self, fix: Fix) -> Verdict:
        """The verdict on a fix. When the line comes back, the last accepted one is sent again before all else."""
        verdict = await self._steadily(lambda socket: socket.report(fix))
        if verdict.accepted:
            self._last = fix
        return verdict

    async def report_packed(self, fixes: Sequence[Fix]) -> list[FixVerdict]:
        """The verdicts on fixes that travel in one packed frame."""
        verdicts = await self._steadily(lambda socket: socket.report_packed(fixes))
        for fix, verdict in zip(fixes, verdicts, strict=True):
            if verdict.accepted:
                self._last = fix
        return verdicts

    async def stream_packed(self, fixes: Sequence[Fix]) -> None:
        """Reports fixes without waiting for verdicts; refusals come as the event FixesJudged."""

        async def stream(socket: Socket) -> None:
            socket.stream_packed(fixes)

        await self._steadily(stream)

    async def collect(self, target: str, *, request_id: str | None = None) -> Collected:
        """Claims a collectible under one request id, however often the line breaks. Raises: Refused."""
        return (await self.act("collect", target=target, request_id=request_id, reply=Collected)).value

    async def act(
        self, action: str, *, target: str, reply: type[T], request_id: str | None = None, **more: Any
    ) -> Acted[T]:
        """Carries out a `game.action` under one request id, however often the line breaks. Raises: Refused."""
        request = request_id or str(uuid4())
        acted = await self._steadily(
            lambda socket: socket.act(action, target=target, request_id=request, reply=reply, **more)
        )
        self.replayed += acted.replayed
        return acted

    async def chat(self, channel: str, text: str) -> ChatSent:
        """Says something in a chat channel, once: when the line breaks nobody knows whether it was heard.

        Raises: Refused; Closed; TimeoutError.
        """
        return await (await self._connected()).chat(channel, text)

    async def peer(self, to: str, payload: Any) -> None:
        """Hands something to the clients of another account, once. Raises: Refused; Closed; TimeoutError."""
        await (await self._connected()).peer(to, payload)

    async def listen(
        self,
        channels: AbstractSet[str],
        *,
        positions: Positions | None = None,
        radius_m: float | None = None,
        anew: bool = False,
    ) -> set[str]:
        """Listens to these channels and no others, also after breaks; gives those newly granted.

        `positions` and `radius_m` are those of `Socket.subscribe`. With `anew`, and when those change, all of them
        are asked for, which brings their snapshots again. Calls must follow one another.
        """
        how = {"positions": positions, "radius_m": radius_m}
        if anew or how != self._how:
            self._channels -= channels
        self._how = how

        async def change(socket: Socket) -> set[str]:
            left, entered = self._channels - channels, channels - self._channels
            if left:
                await socket.unsubscribe(sorted(left))
                self._channels -= left
            return await self._subscribe(socket, entered)

        return await self._steadily(change)

    async def event(self, *, timeout_s: float) -> Event | None:
        """The next event, or None when none comes in time."""
        try:
            async with asyncio.timeout(timeout_s):
                return await self.events.get()
        except TimeoutError:
            return None

    async def _subscribe(self, socket: Socket, channels: AbstractSet[str]) -> set[str]:
        if not channels:
            return set()
        granted = set((await socket.subscribe(sorted(channels), **self._how)).channels) & channels
        self._channels |= granted
        return granted

    async def _steadily(self, call: Callable[[Socket], Awaitable[T]]) -> T:
        loop = asyncio.get_running_loop()
        until_s = loop.time() + self._patience_s
        while True:
            socket = await self._connected()
            await self._pace.turn()
            try:
                return await call(socket)
            except _BROKEN:
                socket.cut()
                if loop.time() > until_s:
                    raise
            except Refused as refused:
                if not refused.retryable or loop.time() > until_s:
                    raise
                await asyncio.sleep(self._pause_s)

    async def _connected(self) -> Socket:
        """The socket that is up; waits for it. Raises: what made the player give up."""
        while True:
            socket = await asyncio.shield(self._line)
            if not socket.ended.done():
                return socket
            self._lost(socket)

    def _lost(self, socket: Socket) -> None:
        """From now on commands wait for the next socket."""
        if self._line.done() and not self._line.exception() and self._line.result() is socket:
            self._line = asyncio.get_running_loop().create_future()

    async def _keep(self, socket: Socket) -> None:
        try:
            while True:
                closed = await asyncio.shield(socket.ended)
                self._lost(socket)
                self._heard(socket)
                if closed.code in _FINAL:
                    return self._end(closed, closed=False)
                socket = await self._patiently(self._return, rested=False)
                self._line.set_result(socket)
        except Exception as error:
            self._end(error, closed=False)

    def _end(self, error: Exception, *, closed: bool) -> None:
        if self._line.done():
            self._line = asyncio.get_running_loop().create_future()
        self._line.set_exception(error)
        self._line.exception()  # nobody may be waiting for it
        self.events.end(error, closed=closed)

    async def _return(self) -> Socket:
        """A new line on which everything is as it was before. Only then may commands use it."""
        socket = await self._connect()
        try:
            await self._catch_up(socket)
        except BaseException:
            socket.cut()
            raise
        finally:
            if socket.epoch == self._stream[0]:
                self._heard(socket)
        self.drops += 1
        return socket

    async def _catch_up(self, socket: Socket) -> None:
        """First of all a server that was started anew has to learn where the player stands."""
        if self._last is not None:
            await socket.report(self._last)
        epoch, seq = self._stream
        told = await socket.resume(epoch=epoch, seq=seq)
        self.resumed += told.type == "resumed"
        wanted, self._channels = self._channels, self._channels & set(told.channels)
        try:
            await self._subscribe(socket, wanted - self._channels)
        except BaseException:
            self._channels = wanted
            raise

    def _heard(self, socket: Socket) -> None:
        self._stream = (socket.epoch, socket.seq)

    async def _connect(self) -> Socket:
        try:
            socket = await self._open()
        except Refused as refused:
            if refused.status != _UNAUTHENTICATED:
                raise
            await self._sign_in(self._api)
            socket = await self._open()
        self._socket = socket
        return socket

    async def _open(self) -> Socket:
        return await Socket.connect(
            self.start.addresses.realtime,
            token=self._api.access_token,
            key=self._socket_key,
            subprotocol=self._subprotocol,
            tls=self._tls,
            tell=self._tell,
        )

    def _tell(self, event: Event) -> None:
        if isinstance(event, Unsubscribed):
            self._channels -= set(event.data.channels)
        elif isinstance(event, Reconnect):
            self._pauses.not_before(event.data.after_ms / 1_000)
        self.events.put(event)

    async def _patiently(self, call: Callable[[], Awaitable[T]], *, rested: bool = True) -> T:
        """Tries until it works, at first after a pause unless rested.

        Gives up with the last error when the server stays away or refuses for good.
        """
        loop = asyncio.get_running_loop()
        until_s = loop.time() + self._patience_s
        self._pauses.begin()
        while True:
            if not rested:
                await asyncio.sleep(self._pauses.next_s())
            rested = False
            try:
                return await call()
            except (*_BROKEN, Refused) as error:
                if loop.time() > until_s or (isinstance(error, Refused) and not error.retryable):
                    raise
                if isinstance(error, Closed) and error.code in _FINAL:
                    raise
