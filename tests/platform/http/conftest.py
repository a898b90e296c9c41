"""A small application behind the real edge, and ways to ask it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import httpx
import pytest
from litestar import Request, Response, get, post, put
from litestar.params import Parameter
from msgspec import Meta, Struct
from prometheus_client import CollectorRegistry

from overworld.kernel.clock import FixedClock
from overworld.kernel.identity import Answer, Principal, Scope
from overworld.kernel.refusals import Busy, Fault, Refusal
from overworld.platform.http import (
    Caller,
    CursorQuery,
    HttpSettings,
    LimitQuery,
    LimitSettings,
    Page,
    build_http,
    etag_reply,
    keyed_reply,
    needs,
    open_to_all,
    require_match,
)
from overworld.platform.limiter import MemoryLimiter
from overworld.platform.observability import Metrics

PLAYER = UUID(int=7)
ADMIN = UUID(int=8)


class TokenForged(Refusal):
    """The token is not one of ours."""

    code = "test.token_forged"
    status = 401


class OutOfReach(Refusal):
    """Too far away."""

    code = "test.too_far"
    status = 409
    public = ("reach_m",)


class Tokens:
    """A verifier that knows three tokens."""

    def verify(self, token: str) -> Principal:
        if token == "player":
            return Principal(account_id=PLAYER, role="player", scopes=frozenset({Scope.GAME_PLAY, Scope.GAME_READ}))
        if token == "admin":
            return Principal(account_id=ADMIN, role="admin", scopes=frozenset({Scope.GAME_READ}))
        if token == "broken":
            raise RuntimeError("the verifier has a bug")
        raise TokenForged


class Keys:
    """One developer key."""

    def scopes(self, key: str) -> frozenset[str]:
        return frozenset({Scope.WORLD_READ}) if key == "owdev_key" else frozenset()


class Move(Struct, frozen=True, forbid_unknown_fields=True):
    lat: Annotated[float, Meta(ge=-90, le=90)]
    lng: Annotated[float, Meta(ge=-180, le=180)]
    note: Annotated[str, Meta(max_length=200)] = ""
    path: Annotated[list[tuple[float, float]], Meta(max_length=10)] = []


class Moved(Struct, frozen=True):
    lat: float
    note: str
    account: str
    key: str | None
    trace: str


def routes() -> list[Any]:
    @post("/v1/moves/{move_id:uuid}", opt=needs(Scope.GAME_PLAY, key_required=True, refusals=(OutOfReach,)), tags=["m"])
    async def move(
        move_id: UUID, data: Move, caller: Caller, idempotency_key: str | None, trace_id: str
    ) -> Response[Moved]:
        """Moves a piece."""
        moved = Moved(data.lat, data.note, str(caller.principal.account_id), idempotency_key, trace_id)
        return keyed_reply(Answer(moved, replayed=idempotency_key == "again"), status=201)

    @post("/v1/places", opt=open_to_all(), status_code=200)
    async def place(data: Move) -> dict[str, float]:
        return {"lat": data.lat, "lng": data.lng}

    @get("/v1/places", opt=open_to_all())
    async def places(
        *,
        lat: float,
        caller: Caller,
        radius_m: Annotated[float, Parameter(ge=0, le=5000)] = 10.0,
        kinds: list[str] | None = None,
        limit: LimitQuery = 50,
        cursor: CursorQuery = None,
    ) -> Page[str]:
        who = str(caller.maybe.account_id) if caller.maybe else "nobody"
        return Page([who, caller.address, str(radius_m), str(limit), *(kinds or [])], cursor)

    @get("/v1/moves", opt=needs(Scope.GAME_READ))
    async def moves() -> Page[Moved]:
        return Page([])

    @get("/v1/names/{name:str}", opt=needs(Scope.GAME_READ))
    async def name(name: str) -> dict[str, str]:
        return {"name": name}

    @get("/v1/watch", opt=needs(Scope.WORLD_READ))
    async def watch() -> dict[str, bool]:
        return {"seen": True}

    @get("/v1/card", opt=open_to_all())
    async def card(request: Request[Any, Any, Any]) -> Response[dict[str, int]]:
        return etag_reply({"level": 3}, request)

    @put("/v1/card", opt=open_to_all())
    async def change_card(request: Request[Any, Any, Any], data: dict[str, int]) -> dict[str, int]:
        require_match({"level": 3}, request)
        return data

    @post("/v1/batch", opt=open_to_all(), status_code=200)
    async def batch(data: Annotated[list[Move], Meta(max_length=2)]) -> int:
        return len(data)

    @post("/v1/large", opt=open_to_all(body_bytes_max=200_000), status_code=200)
    async def large(request: Request[Any, Any, Any]) -> dict[str, int]:
        return {"bytes": len(await request.body())}

    @get("/v1/far", opt=open_to_all())
    async def far() -> None:
        raise OutOfReach("Go closer", reach_m=50, distance_m=812)

    @get("/v1/busy", opt=open_to_all())
    async def busy() -> None:
        raise Busy

    @get("/v1/away", opt=open_to_all())
    async def away() -> None:
        raise Fault("cannot connect to 10.0.0.5:5432")

    @get("/v1/bug", opt=open_to_all())
    async def bug() -> None:
        raise ValueError("hunter2 in /etc/passwd")

    return [move, place, places, moves, name, watch, card, change_card, batch, large, far, busy, away, bug]


class Edge(Struct):
    """The application under test, what it measures, and the clock its limits run on."""

    app: Any
    metrics: Metrics
    clock: FixedClock

    def client(self, *, address: str = "203.0.113.9", **headers: str) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.app, client=(address, 5000))
        return httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers)


@pytest.fixture
def make_edge() -> Callable[..., Edge]:
    """Builds the application; rate limits are off unless `limits` turns them on."""

    def made(
        *,
        limits: LimitSettings | None = None,
        extra: list[Any] | None = None,
        polled: tuple[str, ...] = (),
        quiet: bool = False,
        **settings: Any,
    ) -> Edge:
        clock = FixedClock(datetime(2026, 11, 21, tzinfo=UTC))
        metrics = Metrics(CollectorRegistry())
        app = build_http(
            routes=[*routes(), *(extra or [])],
            verifier=Tokens(),
            keys=Keys(),
            limiter=MemoryLimiter(monotonic_s=clock.monotonic_s),
            settings=HttpSettings(**settings),
            limits=limits or LimitSettings(enabled=False),
            metrics=metrics,
            title="Sample",
            version="1.2.3",
            polled=polled,
            quiet=quiet,
        )
        return Edge(app, metrics, clock)

    return made


@pytest.fixture
def edge(make_edge: Callable[..., Edge]) -> Edge:
    return make_edge()


@pytest.fixture
async def ask(edge: Edge) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a token."""
    async with edge.client() as client:
        yield client


@pytest.fixture
async def play(edge: Edge) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a player's token."""
    async with edge.client(authorization="Bearer player") as client:
        yield client
