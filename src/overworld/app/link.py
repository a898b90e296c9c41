"""A player's line to the server that comes back: what was on its way when it broke is sent again."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from collections.abc import Set as AbstractSet
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import uuid4

from msgspec import Struct

from overworld.client import Api, Closed, Collected, Event, Fix, Refused, Socket, Unreachable, Verdict
from overworld.geo import cells as geo_cells
from overworld.kernel.identity import Scope

T = TypeVar("T")

_MESSAGES_PER_S = 50.0
_BROKEN = (Closed, Unreachable, TimeoutError)


class Start(Struct, frozen=True):
    """The parts of `GET /v1/start` that a player of ours needs."""

    addresses: StartAddresses
    game: StartGame


class StartAddresses(Struct, frozen=True):
    """Where else the server listens."""

    realtime: str


class StartGame(Struct, frozen=True):
    """What the game calls its collectibles, and from how far they can be taken."""

    collectibles: str
    reach_m: float
    room_level: int


class KeyNotHonoured(Exception):
    """The server gives this key no time line of its own; the message says so, for a person."""


class Link:
    """A player, signed in and connected; a new one unless a device id is given.

    Once the server was reached, what breaks off, or is refused for the moment, is tried again every `pause_s` for up to
    `patience_s` seconds.

    With `own_timeline` the key is shown to the socket too, and fixes are judged by their own times. Many links share
    one `tls` context, which takes long to make, and the `start` that one of them was told.

    `drops` counts the times it came back; `replayed` the claims whose first answer was lost on the way. Messages are
    paced to stay below the server's default rate.
    """

    def __init__(
        self,
        server: str,
        *,
        key: str,
        device_id: str | None = None,
        own_timeline: bool = True,
        start: Start | None = None,
        tls: ssl.SSLContext | None = None,
        patience_s: float = 30.0,
        pause_s: float = 0.25,
    ) -> None:
        self.drops = 0
        self.replayed = 0
        self._api = Api(server, key=key, tls=tls)
        self._tls = tls
        self._key = key if own_timeline else None
        self._device_id = device_id or f"replay-{uuid4()}"
        self._start = start
        self._patience_s = patience_s
        self._pause_s = pause_s
        self._socket: Socket | None = None
        self._next_s = 0.0
        self._last: Fix | None = None
        self._watched: set[int] = set()

    async def __aenter__(self) -> Self:
        """Raises: Unreachable; Refused; KeyNotHonoured."""
        try:
            await self._api.device(self._device_id)
            if self._start is None:
                self._start = await self._patiently(lambda: self._api.call("GET", "/v1/start", reply=Start))
            await self._connect()
        except BaseException:
            await self._api.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._socket is not None:
            await self._socket.close()
        await self._api.close()

    @property
    def start(self) -> Start:
        """What the server told of itself, once connected."""
        assert self._start is not None, "not connected"  # noqa: S101
        return self._start

    @property
    def api(self) -> Api:
        """The player's HTTP calls."""
        return self._api

    async def report(self, fix: Fix) -> Verdict:
        """The verdict on a fix. When the line comes back, the last accepted one is sent again before all else."""
        verdict = await self._steadily(lambda socket: socket.report(fix))
        if verdict.accepted:
            self._last = fix
        return verdict

    async def send(self, fix: Fix) -> None:
        """Reports a fix without waiting for its verdict; a refusal comes as the event `location.verdict`."""

        async def stream(socket: Socket) -> None:
            socket.stream(fix)

        await self._steadily(stream)

    async def collect(self, target: str) -> Collected:
        """Claims a collectible under one request id, however often the line breaks. Raises: Refused."""
        request_id = str(uuid4())
        acted = await self._steadily(lambda socket: socket.collect(target, request_id=request_id))
        self.replayed += acted.replayed
        return acted.value

    async def watch(self, cells: AbstractSet[int]) -> set[int]:
        """Listens to these room cells and no others, again after a break; gives those newly granted."""
        left, entered = self._watched - cells, cells - self._watched
        drops = self.drops
        if left:
            await self._steadily(lambda socket: socket.unsubscribe([_channel(cell) for cell in left]))
        granted: Sequence[str] = ()
        if entered:
            granted = (
                await self._steadily(lambda socket: socket.subscribe([_channel(cell) for cell in entered]))
            ).channels
        self._watched = set(cells) if self.drops == drops else set()
        return {cell for cell in entered if _channel(cell) in granted}

    def watch_anew(self) -> None:
        """Forgets what is listened to: the next `watch` asks for all of it, snapshots included."""
        self._watched = set()

    def waiting_events(self) -> list[Event]:
        """The events that have come since the last call."""
        events: list[Event] = []
        while self._socket is not None and not self._socket.events.empty():
            events.append(self._socket.events.get_nowait())
        return events

    async def event(self, *, timeout_s: float) -> Event | None:
        """The next event, or None when none comes in time or the line breaks."""
        if self._socket is None:
            return None
        event = asyncio.ensure_future(self._socket.events.get())
        either: tuple[asyncio.Future[Any], ...] = (event, self._socket.ended)
        try:
            await asyncio.wait(either, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
            return event.result() if event.done() else None
        finally:
            event.cancel()

    async def _steadily(self, call: Callable[[Socket], Awaitable[T]]) -> T:
        loop = asyncio.get_running_loop()
        until_s = loop.time() + self._patience_s
        while True:
            try:
                socket = self._socket or await self._reconnect()
                await self._turn()
                return await call(socket)
            except _BROKEN:
                await self._hang_up()
                if loop.time() > until_s:
                    raise
            except Refused as refused:
                if not refused.retryable or loop.time() > until_s:
                    raise
                await asyncio.sleep(self._pause_s)

    async def _turn(self) -> None:
        loop = asyncio.get_running_loop()
        wait_s = self._next_s - loop.time()
        self._next_s = max(self._next_s, loop.time()) + 1 / _MESSAGES_PER_S
        if wait_s > 0:
            await asyncio.sleep(wait_s)

    async def _reconnect(self) -> Socket:
        """A new line; a server that was started anew first learns where the player stands."""
        socket = await self._connect()
        self.drops += 1
        self._watched = set()
        if self._last is not None:
            socket.stream(self._last)
        return socket

    async def _connect(self) -> Socket:
        self._socket = await self._patiently(
            lambda: Socket.connect(
                self.start.addresses.realtime, token=self._api.access_token, key=self._key, tls=self._tls
            )
        )
        if self._key is not None and Scope.WORLD_REPLAY not in self._socket.auth.scopes:
            await self._hang_up()
            raise KeyNotHonoured(
                "the server does not honour this developer key, so a track cannot run on its own time line; give the "
                "one in its data folder with --data or --key (a server in production honours none)"
            )
        return self._socket

    async def _hang_up(self) -> None:
        socket, self._socket = self._socket, None
        if socket is not None:
            await socket.close()

    async def _patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        """Tries until it works; gives up with the last error when the server stays away or keeps refusing."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + self._patience_s
        while True:
            try:
                return await call()
            except (*_BROKEN, Refused) as error:
                if loop.time() > until_s or (isinstance(error, Refused) and not error.retryable):
                    raise
            await asyncio.sleep(self._pause_s)


def _channel(cell: int) -> str:
    return f"location:cell:{geo_cells.token(cell)}"
