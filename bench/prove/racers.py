"""Two players on two servers, and the claims that they race for."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from random import Random
from time import perf_counter
from typing import Self
from uuid import UUID, uuid4

from msgspec import Struct

from bench.servers import ServerProcess
from overworld.client import Api, Closed, Collected, Fix, Page, Refused, Socket, Unreachable
from overworld.geo.sphere import distance_between_m

_NEARBY_RADIUS_M = 1_500
_NEARBY_LIMIT = 200
_OFF_DEG_MAX = 0.0001
_HOP_M_S = 10.0
_CLOSING_S = 2.0


class Way(StrEnum):
    """How a claim is sent: on the player's own server by its socket or over HTTP, or over HTTP to the other one."""

    SOCKET = "socket"
    HTTP = "http"
    ELSEWHERE = "elsewhere"


class Lying(Struct, frozen=True):
    """A collectible that waits to be raced for."""

    id: str
    lat: float
    lng: float
    expires_at: datetime


class Claim(Struct, frozen=True):
    """One answer: what was collected, or the code of the refusal, and how long it took."""

    answer: Collected | str
    seconds: float

    @property
    def won(self) -> bool:
        return isinstance(self.answer, Collected)


class Racer:
    """A player at home on one server, with its socket and HTTP there, who can also ask the other server."""

    def __init__(self, home: ServerProcess, elsewhere: ServerProcess, *, random: Random) -> None:
        self._home = home
        self._random = random
        self._device_id = f"racer-{uuid4()}"
        self._api = Api(home.http, key=home.key)
        self._api_elsewhere = Api(elsewhere.http, key=elsewhere.key)
        self._stack = AsyncExitStack()
        self._at = datetime(2020, 1, 1, tzinfo=UTC)
        self._place = (0.0, 0.0)
        self._socket: Socket

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            for api in (self._api, self._api_elsewhere):
                await stack.enter_async_context(api)
                await api.device(self._device_id)
            self._socket = await Socket.connect(self._home.realtime, token=self._api.access_token, key=self._home.key)
            stack.push_async_callback(self._socket.close)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def id(self) -> UUID:
        """The player's account."""
        return UUID(self._api.session.user.id)

    async def look(self, lat: float, lng: float) -> list[Lying]:
        """What lies around a place and stays there for a while."""
        params: dict[str, str | int | float] = {"lat": lat, "lng": lng, "radius_m": _NEARBY_RADIUS_M}
        params["limit"] = _NEARBY_LIMIT
        page = await self._api.call("GET", "/v1/game/collectibles/nearby", reply=Page[Lying], params=params)
        soon = datetime.now(UTC) + timedelta(seconds=_CLOSING_S)
        return [item for item in page.items if item.expires_at > soon]

    async def stand_at(self, target: Lying) -> None:
        """Goes within reach of a collectible, at a walker's pace on the player's own time line.

        Raises: RuntimeError when the fix is refused.
        """
        lat = target.lat + self._random.uniform(-_OFF_DEG_MAX, _OFF_DEG_MAX)
        lng = target.lng + self._random.uniform(-_OFF_DEG_MAX, _OFF_DEG_MAX)
        hop_m = distance_between_m(*self._place, lat, lng)
        self._place = (lat, lng)
        self._at += timedelta(seconds=10 + hop_m / _HOP_M_S)
        fix = Fix(lat=lat, lng=lng, accuracy_m=5.0, timestamp=self._at)
        verdict = await (self._socket.report(fix) if self._random.random() < 0.5 else self._api.update_location(fix))
        if not verdict.accepted:
            raise RuntimeError(f"a fix was refused: {verdict.reason}")

    async def claim(self, target: Lying, *, key: str, way: Way) -> Claim:
        """The answer to a claim; anything but an answer of the game (a 5xx, a cut line) is its error's text."""
        started_s = perf_counter()
        answer: Collected | str
        try:
            if way is Way.SOCKET:
                answer = (await self._socket.collect(target.id, request_id=key)).value
            else:
                api = self._api if way is Way.HTTP else self._api_elsewhere
                answer = await api.collect(target.id, key=key)
        except Refused as refused:
            answer = refused.code
        except (Closed, Unreachable, TimeoutError) as error:
            answer = f"{type(error).__name__}: {error}"
        return Claim(answer, perf_counter() - started_s)


class Run(Struct, frozen=True):
    """One race: the answers of the two players, aligned with the pair, and of each the answer under the same key."""

    target: Lying
    claims: tuple[Claim, Claim]
    again: tuple[Claim, ...] = ()


class Pair:
    """Two players at home on different servers who race for one collectible after another."""

    def __init__(self, servers: tuple[ServerProcess, ServerProcess], *, random: Random, retry_share: float) -> None:
        self.racers = (
            Racer(servers[0], servers[1], random=random),
            Racer(servers[1], servers[0], random=random),
        )
        self._random = random
        self._retry_share = retry_share
        self._lying: list[Lying] = []
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            for racer in self.racers:
                await stack.enter_async_context(racer)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def race(self) -> Run:
        """Both stand at a collectible and claim it at the same moment; in a part of the races, again afterwards."""
        target = await self._next()
        await asyncio.gather(*(racer.stand_at(target) for racer in self.racers))
        keys = tuple(f"race-{uuid4()}" for _ in self.racers)
        ways = self._ways()
        order = self._random.sample((0, 1), 2)
        claims = await asyncio.gather(*(self.racers[i].claim(target, key=keys[i], way=ways[i]) for i in order))
        first, second = (claims[order.index(i)] for i in (0, 1))
        if self._random.random() >= self._retry_share:
            return Run(target, (first, second))
        anew = [self._random.choice(list(Way)) for _ in self.racers]
        again = await asyncio.gather(*(self.racers[i].claim(target, key=keys[i], way=anew[i]) for i in (0, 1)))
        return Run(target, (first, second), tuple(again))

    def _ways(self) -> tuple[Way, Way]:
        """Mostly the same way for both, so that neither has a head start."""
        draw = self._random.random()
        if draw < 0.6:
            return Way.SOCKET, Way.SOCKET
        return (Way.HTTP, Way.HTTP) if draw < 0.9 else (Way.SOCKET, Way.HTTP)

    async def _next(self) -> Lying:
        while not self._lying or self._lying[-1].expires_at < datetime.now(UTC) + timedelta(seconds=_CLOSING_S):
            lat, lng = self._random.uniform(47, 49), self._random.uniform(7, 15)
            self._lying = await self.racers[0].look(lat, lng)
            self._random.shuffle(self._lying)
        return self._lying.pop()
