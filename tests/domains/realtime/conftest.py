"""A real gateway on a free port, the house behind it as small fakes, and a raw peer."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import accumulate
from typing import Any, cast
from uuid import UUID

import msgspec
import picows
import pytest
import uvloop
from msgspec import Struct

from overworld.domains.realtime import Gateway, RealtimeSettings, build
from overworld.geo import cells
from overworld.kernel import packed
from overworld.kernel.clock import SystemClock
from overworld.kernel.identity import Answer, Principal, Scope
from overworld.kernel.ids import IdSource
from overworld.kernel.refusals import Refusal
from overworld.platform.limiter import MemoryLimiter

PLAYER_SCOPES = frozenset(
    {
        Scope.REALTIME_CONNECT,
        Scope.CHAT_READ,
        Scope.CHAT_WRITE,
        Scope.GAME_PLAY,
        Scope.GAME_READ,
        Scope.LOCATION_READ,
        Scope.LOCATION_WRITE,
    }
)
WAIT_S = 5
MSGPACK = "overworld.v1.msgpack"


def pytest_asyncio_loop_factories():
    """The gateway is made for uvloop, so it is tested on it."""
    return {"uvloop": uvloop.new_event_loop}


class Forged(Refusal):
    """The token is not one of ours."""

    code = "fake.forged"
    status = 401


class BadPosition(Refusal):
    """The position is malformed."""

    code = "fake.bad_position"
    status = 400


class TooFar(Refusal):
    """Too far away."""

    code = "fake.too_far"
    status = 409
    public = ("reach_m",)


class OutOfSight(Refusal):
    """Too far to be seen."""

    code = "fake.out_of_sight"
    status = 403


class Verdict(Struct, omit_defaults=True):
    accepted: bool
    number: int
    cell: str | None = None


class Place(Struct):
    lat_deg: float
    lng_deg: float


HOME = Place(48.2, 16.37)


class Seen(Struct):
    id: str
    lat: float = 1.5


class Coin(Struct):
    id: str


class Collected(Struct):
    target: str
    request_id: str | None


class Fix(Struct, forbid_unknown_fields=True):
    number: int
    cell: str | None = None


class Reporter:
    """Takes packed fixes; the test settles them."""

    def __init__(self, house: House, player_id: UUID, own_timeline: bool, tell: Callable[[bytes], None]) -> None:
        self.house = house
        self.player_id = player_id
        self.own_timeline = own_timeline
        self.tell = tell
        self.frames: list[bytes] = []
        self.waiting: asyncio.Future[None] | None = None
        self.closed = False

    def put(self, frame: bytes, now_s: float) -> None:
        assert not self.closed
        if self.house.packed_refusal is not None:
            raise self.house.packed_refusal
        count = (len(frame) - packed.HEADER.size) // packed.POSITION.itemsize
        sized = count > 0 and len(frame) == packed.HEADER.size + count * packed.POSITION.itemsize
        if not sized or not frame.startswith(packed.HEADER.pack(packed.POSITIONS, packed.VERSION, count)):
            raise BadPosition
        self.frames.append(frame)
        if not self.house.judge_at_once and self.waiting is None:
            self.waiting = asyncio.get_running_loop().create_future()

    def settled(self) -> asyncio.Future[None] | None:
        return self.waiting

    def settle(self) -> None:
        assert self.waiting is not None
        self.waiting.set_result(None)
        self.waiting = None

    def close(self) -> None:
        self.closed = True


class Interest:
    """Writes down who watches what; the test publishes by `publish`."""

    def __init__(self) -> None:
        self.on_frames: Callable[[list[int], list[int], list[int], memoryview], None]
        self.cells: dict[int, list[int]] = {}
        self.paused: set[int] = set()
        self.resent: list[int] = []
        self._next = 0

    def open(self) -> int:
        self._next += 1
        self.cells[self._next] = []
        return self._next

    def close(self, watcher: int) -> None:
        del self.cells[watcher]

    def watch(self, watcher: int, cells: Sequence[int]) -> None:
        assert watcher in self.cells
        self.cells[watcher] = list(cells)

    def pause(self, watcher: int) -> None:
        self.paused.add(watcher)

    def resend(self, watcher: int) -> None:
        assert watcher in self.cells
        self.paused.discard(watcher)
        self.resent.append(watcher)

    def publish(self, frames: dict[int, bytes]) -> None:
        ends = list(accumulate(len(frame) for frame in frames.values()))
        self.on_frames(list(frames), [0, *ends[:-1]], ends, memoryview(b"".join(frames.values())))


class House:
    """The fakes behind a gateway; tests read and set them."""

    def __init__(self) -> None:
        self.clock = SystemClock()
        self.ids = IdSource(self.clock.now_us)
        self.principals: dict[str, Principal] = {}
        self.reports: list[tuple[UUID, int, bool]] = []
        self.verdicts: list[asyncio.Future[Verdict]] = []
        self.judge_at_once = True
        self.reporters: list[Reporter] = []
        self.packed_refusal: Exception | None = None
        self.players_in: dict[int, list[Seen]] = {}
        self.views_asked = 0
        self.coins = [Coin("c1"), Coin("c2")]
        self.hidden: set[int] = set()
        self.stands: dict[UUID, Place | None] = {}
        self.sight_gate = asyncio.Event()
        self.sight_gate.set()
        self.gate = asyncio.Event()
        self.gate.set()
        self.acting = 0
        self.acted: list[str] = []
        self.invisible: set[UUID] = set()
        self.last_cell: dict[UUID, str | None] = {}
        self.on_crossed: Callable[[Sequence[UUID]], None] = lambda _player_ids: None
        self.interest = Interest()
        self.listened: Counter[int] = Counter()
        self.actions = {"collect": self.collect, "fail": self.fail}

    def token(self, name: str = "token", *, account: UUID | None = None, **fields: Any) -> str:
        known: dict[str, Any] = {"role": "player", "scopes": PLAYER_SCOPES, "sid": self.ids()} | fields
        self.principals[name] = Principal(account_id=account or self.ids(), **known)
        return name

    def verify(self, token: str) -> Principal:
        if token not in self.principals:
            raise Forged
        return self.principals[token]

    def scopes(self, key: str) -> frozenset[str]:
        return frozenset({Scope.WORLD_REPLAY}) if key == "dev" else frozenset()

    def report(self, player_id: UUID, data: msgspec.Raw, *, own_timeline: bool) -> asyncio.Future[Verdict]:
        try:
            fix = msgspec.json.decode(data, type=Fix)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            raise BadPosition from None
        if fix.number == 666:
            raise RuntimeError("a bug")
        self.reports.append((player_id, fix.number, own_timeline))
        future: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self.verdicts.append(future)
        if self.judge_at_once:
            future.set_result(Verdict(fix.number >= 0, fix.number, fix.cell))
            if fix.number >= 0 and self.last_cell.get(player_id) != fix.cell:
                self.last_cell[player_id] = fix.cell
                asyncio.get_running_loop().call_soon(self.on_crossed, [player_id])
        return future

    def open(self, player_id: UUID, *, own_timeline: bool, tell: Callable[[bytes], None]) -> Reporter:
        self.reporters.append(Reporter(self, player_id, own_timeline, tell))
        return self.reporters[-1]

    def players(self, cell: int) -> list[Seen]:
        self.views_asked += 1
        return self.players_in.get(cell, [])

    async def collectibles(self, cells: Sequence[int], *, player_id: UUID) -> list[Coin]:
        return self.coins

    async def places(self, player_ids: Sequence[UUID]) -> list[Place | None]:
        await self.sight_gate.wait()
        return [self.stands.get(player_id, HOME) for player_id in player_ids]

    def sight_refusal(
        self, place: Place | None, lat_deg: float, lng_deg: float, scopes: frozenset[str]
    ) -> OutOfSight | None:
        hidden = cells.cell_of(lat_deg, lng_deg, 15) in self.hidden
        return OutOfSight() if hidden or place is None else None

    def around_cells(self, lat_deg: float, lng_deg: float, radius_m: float, cells_max: int) -> list[int]:
        here = cells.cell_of(lat_deg, lng_deg, 15)
        met = cells.cover_cap(lat_deg, lng_deg, radius_m, 15, 500)
        return [here, *(cell for cell in met if cell != here)][:cells_max]

    def listen(self, cell: int) -> None:
        self.listened[cell] += 1

    def unlisten(self, cell: int) -> None:
        self.listened[cell] -= 1
        assert self.listened[cell] >= 0

    def is_visible(self, player_id: UUID) -> bool:
        return player_id not in self.invisible

    async def collect(
        self, principal: Principal, target: str, request_id: str | None, data: msgspec.Raw
    ) -> Answer[Any]:
        self.acting += 1
        await self.gate.wait()
        self.acting -= 1
        self.acted.append(target)
        if target == "far":
            refusal = TooFar(reach_m=40)
            refusal.replayed = request_id == "again"
            raise refusal
        return Answer(Collected(target, request_id), replayed=request_id == "again")

    async def fail(self, principal: Principal, target: str, request_id: str | None, data: msgspec.Raw) -> Answer[Any]:
        raise RuntimeError("a bug in an action")


class Peer(picows.WSListener):
    """A raw client: every frame as it came, and how the connection ended."""

    def __init__(self) -> None:
        self.inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.closed: asyncio.Future[tuple[int | None, str]] = asyncio.get_running_loop().create_future()
        self.pings = 0
        self.answers_pings = True
        self.raw: list[bytes] = []
        self.packed: list[bytes] = []
        self.binary = False

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        self.transport = transport
        self.binary = transport.response.headers.get("Sec-WebSocket-Protocol") == MSGPACK

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if frame.msg_type == picows.WSMsgType.BINARY:
            payload = frame.get_payload_as_bytes()
            if 0 < payload[0] < 16:
                self.packed.append(payload)
            else:
                assert self.binary
                self.raw.append(payload)
                self.inbox.put_nowait(msgspec.msgpack.decode(payload))
        elif frame.msg_type == picows.WSMsgType.TEXT:
            assert not self.binary
            self.raw.append(frame.get_payload_as_bytes())
            self.inbox.put_nowait(json.loads(self.raw[-1]))
        elif frame.msg_type == picows.WSMsgType.PING:
            self.pings += 1
            if self.answers_pings:
                transport.send_pong(frame.get_payload_as_bytes())
        elif frame.msg_type == picows.WSMsgType.CLOSE:
            self.closed.set_result((cast(int, frame.get_close_code()), frame.get_close_reason() or ""))
            transport.send_close(picows.WSCloseCode.OK)
            transport.disconnect()

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        if not self.closed.done():
            self.closed.set_result((None, ""))

    def send(self, message: dict[str, Any] | str | bytes) -> None:
        """Sends a message in the peer's subprotocol, or a payload as it is."""
        if self.binary:
            payload = msgspec.msgpack.encode(message) if isinstance(message, dict) else message
            self.transport.send(picows.WSMsgType.BINARY, payload)
        else:
            payload = json.dumps(message) if isinstance(message, dict) else message
            self.transport.send(picows.WSMsgType.TEXT, payload)

    def send_packed(self, frame: bytes) -> None:
        self.transport.send(picows.WSMsgType.BINARY, frame)

    def leave(self) -> None:
        """Ends the connection as one who does not mean to come back."""
        self.transport.send_close(picows.WSCloseCode.OK)

    def drop(self) -> None:
        """Loses the line without a word."""
        self.transport.underlying_transport.abort()

    async def receive(self, type_: str | None = None) -> dict[str, Any]:
        """The next frame, or the next of a type."""
        async with asyncio.timeout(WAIT_S):
            while True:
                frame = await self.inbox.get()
                if type_ is None or frame["type"] == type_:
                    return frame

    async def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        """The reply with the message's cid."""
        self.send({"cid": "ask"} | message)
        async with asyncio.timeout(WAIT_S):
            while True:
                frame = await self.inbox.get()
                if frame.get("cid") == message.get("cid", "ask"):
                    return frame

    async def end(self) -> tuple[int | None, str]:
        """Close code and reason, once the server has closed."""
        async with asyncio.timeout(WAIT_S):
            return await asyncio.shield(self.closed)

    async def settled(self) -> list[dict[str, Any]]:
        """Everything that came before the answer to a ping sent now."""
        self.send({"type": "ping", "cid": "settle"})
        frames = []
        while (frame := await self.receive()).get("cid") != "settle":
            frames.append(frame)
        return frames


class Site:
    """A running gateway and its house."""

    def __init__(self, gateway: Gateway, house: House) -> None:
        self.gateway = gateway
        self.house = house
        self.peers: list[Peer] = []

    async def connect(self, *, path: str = "/v1/realtime", subprotocol: str | None = None, **options: Any) -> Peer:
        if subprotocol is not None:
            options["extra_headers"] = [("Sec-WebSocket-Protocol", subprotocol)]
        url = f"ws://127.0.0.1:{self.gateway.port}{path}"
        _, peer = await picows.ws_connect(Peer, url, enable_auto_pong=False, **options)
        assert isinstance(peer, Peer)
        self.peers.append(peer)  # one that is paused is referenced by nothing else
        return peer

    async def player(self, name: str = "token", *, subprotocol: str | None = None, **fields: Any) -> Peer:
        """A connected and authenticated peer; a new token is made unless the name is known."""
        if name not in self.house.principals:
            self.house.token(name, **fields)
        peer = await self.connect(subprotocol=subprotocol)
        assert (await peer.ask({"type": "auth", "token": name}))["success"]
        return peer

    async def until(self, condition: Any) -> None:
        """Returns when the condition holds, looking again each turn of the loop."""
        async with asyncio.timeout(WAIT_S):
            while not condition():  # noqa: ASYNC110 - the counters of the gateway have no event to wait for
                await asyncio.sleep(0)


@asynccontextmanager
async def _opened(
    *, limits_enabled: bool = True, tls: ssl.SSLContext | None = None, friends: Any = None, **settings: Any
) -> AsyncIterator[Site]:
    house = House()
    gateway = build(
        settings=RealtimeSettings(**settings),
        verifier=house,
        keys=house,
        locations=house,
        packed_fixes=house,
        interest=house.interest,
        listeners=house,
        cell_views=house,
        actions=house.actions,
        sight=house,
        presence=house,
        limiter=MemoryLimiter(monotonic_s=house.clock.monotonic_s),
        clock=house.clock,
        ids=house.ids,
        limits_enabled=limits_enabled,
        collectible_noun="coins",
        friends=friends,
    )
    await gateway.start("127.0.0.1", 0, tls=tls)
    try:
        house.on_crossed = gateway.crossed
        yield Site(gateway, house)
    finally:
        house.gate.set()
        async with asyncio.timeout(WAIT_S):
            await gateway.drain(1.0)


@pytest.fixture
def open_site():
    """Opens a gateway: `async with open_site(idle_s=0.1) as site`."""
    return _opened


@pytest.fixture
async def site(open_site):
    """A gateway with the settings as they are."""
    async with open_site() as opened:
        yield opened


@pytest.fixture
def seen():
    """Makes a player as others see one: `seen(account_id)`."""
    return lambda account_id, **fields: Seen(str(account_id), **fields)


@pytest.fixture
def square() -> tuple[int, str, str]:
    """A room cell: its id, its token, its channel."""
    cell = cells.cell_of(48.2, 16.37, 15)
    return cell, cells.token(cell), f"location:cell:{cells.token(cell)}"
