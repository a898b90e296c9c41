"""A small catalogue behind the real edge: lists, parts, refusals, and figures that are told again and again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import httpx
import pytest
from msgspec import Meta, Struct, field
from prometheus_client import CollectorRegistry

from overworld.kernel.clock import FixedClock
from overworld.kernel.identity import Principal, Scope
from overworld.kernel.refusals import Busy, Refusal
from overworld.platform.graphql import (
    Asker,
    Catalogue,
    Connection,
    Feed,
    GraphqlParts,
    GraphqlSettings,
    Many,
    Paged,
    Part,
    Question,
    Ticker,
    build,
    sliced,
)
from overworld.platform.http import Caller, HttpSettings, LimitSettings, build_http, decode_cursor, encode_cursor
from overworld.platform.limiter import MemoryLimiter
from overworld.platform.observability import Metrics

PLAYER = UUID(int=7)


class TokenEnded(Refusal):
    """The token has ended."""

    code = "test.token_ended"
    status = 401


class Tokens:
    """Knows a player and one of the staff; `ended` tokens are no good any more."""

    def __init__(self) -> None:
        self.ended: set[str] = set()

    def verify(self, token: str) -> Principal:
        scopes = {"player": {Scope.GAME_READ}, "staff": {Scope.GAME_READ, Scope.ANALYTICS_READ}}.get(token)
        if scopes is None or token in self.ended:
            raise TokenEnded
        return Principal(account_id=PLAYER, role=token, scopes=frozenset(scopes))


class NoKeys:
    def scopes(self, key: str) -> frozenset[str]:
        return frozenset({Scope.ANALYTICS_READ}) if key == "owdev_key" else frozenset()


class Colour(StrEnum):
    """What a coin looks like."""

    RED = "red"
    GREEN = "green"


class Coin(Struct, frozen=True, kw_only=True):
    """A coin; `face_value` is what it is worth."""

    id: UUID
    face_value: float | None
    found_at: datetime
    colour: Colour


class Purse(Struct, frozen=True, kw_only=True):
    """What somebody has."""

    owner: str
    coins: list[Coin]
    tags: list[str]


class Figures(Struct, frozen=True):
    """What is told."""

    count: int


class PurseAsked(Struct, frozen=True, kw_only=True):
    """What `purse` takes."""

    owner: Annotated[str, Meta(max_length=8)] = "ada"
    colours: list[Colour] = field(default_factory=list)
    since: datetime | None = None
    worth: float | None = None


NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
COINS = [
    Coin(id=UUID(int=n), face_value=None if n % 3 else n / 2, found_at=NEW_YEAR, colour=Colour.RED)
    for n in range(1, 12)
]


class Purses:
    """Answers, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[PurseAsked] = []

    async def purse(self, asked: PurseAsked, _: Asker) -> Purse:
        self.asked.append(asked)
        return Purse(owner=asked.owner, coins=COINS, tags=["a", "b"])

    async def mine(self, _: None, asker: Asker) -> Purse:
        return Purse(owner=str(asker.caller.principal.account_id), coins=[], tags=[])

    async def coins(self, purse: Purse, asked: Paged, _: Asker) -> Connection[Coin]:
        start = 0 if asked.after is None else decode_cursor(asked.after, (int,))[0]
        rest = purse.coins[start : start + asked.first + 1]
        return sliced(rest, cursor=lambda coin: encode_cursor(coin.id.int), first=asked.first, after=asked.after)

    async def busy(self, _: None, __: Asker) -> Purse:
        raise Busy

    async def bug(self, _: None, __: Asker) -> Purse:
        raise ValueError("hunter2 in /etc/passwd")


def catalogue(purses: Purses, ticker: Ticker[Figures]) -> Catalogue:
    def question(name: str, resolve: Any, asked: type[Struct] | None = None, scope: str = Scope.GAME_READ) -> Question:
        return Question(
            name=name, asked=asked, answers=Purse, scope=scope, cost=10, resolve=resolve, said=f"The field {name}."
        )

    return Catalogue(
        questions=[
            question("purse", purses.purse, PurseAsked),
            question("my_own", purses.mine),
            question("secret", purses.mine, scope=Scope.ANALYTICS_READ),
            question("busy", purses.busy),
            question("bug", purses.bug),
        ],
        feeds=[
            Feed(
                name="figures",
                answers=Figures,
                scope=Scope.ANALYTICS_READ,
                or_lent="figures",
                cost=1,
                ticker=ticker,
                said="Figures.",
            )
        ],
        parts={(Purse, "coins"): Part(asked=Paged, answers=Connection[Coin], resolve=purses.coins)},
        sizes={(Purse, "tags"): Many(2)},
    )


class Desk(Struct):
    """The application under test, and what is behind it."""

    app: Any
    parts: GraphqlParts
    purses: Purses
    tokens: Tokens
    metrics: Metrics
    ticker: Ticker[Figures]

    def client(self, token: str | None = "player", **headers: str) -> httpx.AsyncClient:  # noqa: S107  # one of the test's
        transport = httpx.ASGITransport(self.app, client=("203.0.113.9", 5000))
        given = {} if token is None else {"authorization": f"Bearer {token}"}
        return httpx.AsyncClient(transport=transport, base_url="http://test", headers=given | headers)


@pytest.fixture
def make_desk() -> Callable[..., Desk]:
    def made(*, limits: LimitSettings | None = None, work: Any = None, every_s: float = 0.01, **settings: Any) -> Desk:
        clock, purses, tokens = FixedClock(datetime(2026, 11, 21, tzinfo=UTC)), Purses(), Tokens()
        metrics, limiter = Metrics(CollectorRegistry()), MemoryLimiter(monotonic_s=clock.monotonic_s)

        async def count() -> Figures:
            return Figures(ticker.worked_out)

        ticker: Ticker[Figures] = Ticker(work or count, every_s=every_s)

        def lend(caller: Caller, headers: Any) -> frozenset[str]:
            return frozenset({"figures"} if headers.get("x-neighbour") else ())

        parts = build(
            catalogue(purses, ticker),
            settings=GraphqlSettings(**settings),
            verifier=tokens,
            limiter=limiter,
            limits_enabled=limits is not None,
            lend=lend,
        )
        parts.watch(metrics)
        app = build_http(
            routes=parts.routes,
            verifier=tokens,
            keys=NoKeys(),
            limiter=limiter,
            settings=HttpSettings(),
            limits=limits or LimitSettings(enabled=False),
            metrics=metrics,
        )
        return Desk(app, parts, purses, tokens, metrics, ticker)

    return made


@pytest.fixture
def desk(make_desk: Callable[..., Desk]) -> Desk:
    return make_desk()


@pytest.fixture
async def play(desk: Desk) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a player's token."""
    async with desk.client() as client:
        yield client
