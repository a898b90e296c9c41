"""A walker as a player of a running server: every fix and every claim through its public doors."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import AsyncExitStack, contextmanager
from decimal import Decimal
from random import Random
from typing import Any

from msgspec import Struct, field

from overworld.app.demo.city import City
from overworld.app.demo.walker import LOOK_M, Lying, Walker, Wish
from overworld.app.link import Link
from overworld.client import (
    Closed,
    CollectibleCollected,
    CollectibleSeen,
    CollectiblesNearby,
    Event,
    Fix,
    FixesJudged,
    Page,
    Refused,
    Start,
    Unreachable,
)
from overworld.geo import cells
from overworld.kernel.chance import keyed_digest
from overworld.kernel.clock import Clock, from_us

_ACCURACY_M = 6.0
_SEEN_MAX = 200
_DISBELIEVED_S = 15.0
_AGAIN_S = (1.0, 30.0)
_GONE = frozenset({"gameplay.already_collected", "gameplay.too_far"})
_OVER = frozenset({"gameplay.expired", "gameplay.not_found"})
_ENOUGH = frozenset({"gameplay.cap_reached", "gameplay.wallet_full"})


class Tally(Struct, kw_only=True):
    """What all walkers have come to so far. `out` are those who walk now; `breaks` counts lines that broke."""

    out: int = 0
    breaks: int = 0
    fixes: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    collected: int = 0
    earned: dict[str, Decimal] = field(default_factory=dict)
    claims_refused: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def one_more_out(self) -> Iterator[None]:
        """Counts a walker while it walks."""
        self.out += 1
        try:
            yield
        finally:
            self.out -= 1


class Errands:
    """The claims that are on their way, so that an orderly end lets them finish."""

    def __init__(self) -> None:
        self._claims: set[asyncio.Task[None]] = set()
        self._is_over = False

    async def run(self, claim: Coroutine[Any, Any, None]) -> None:
        """Carries out a claim, unless the end has come."""
        if self._is_over:
            claim.close()
            return
        task = asyncio.create_task(claim)
        self._claims.add(task)
        task.add_done_callback(self._claims.discard)
        await task

    async def finish(self, *, within_s: float) -> None:
        """Starts no more claims, and waits a while for those that were begun."""
        self._is_over = True
        if self._claims:
            await asyncio.wait(self._claims, timeout=within_s)


class Seen(CollectibleSeen, frozen=True, kw_only=True):
    """A collectible as `nearby` tells of it."""

    distance_m: float


def device_id(key: str, *, seed: int, number: int) -> str:
    """The device of one walker: the same in every run with this seed, and known to holders of the key alone."""
    return f"demo-{keyed_digest(key.encode(), b'demo', str(seed).encode(), str(number).encode()).hex()}"


class Player:
    """Walks for ever, and comes back when the line breaks or the server restarts.

    `link` makes a new line each time; the first takes `start` for granted, later ones ask what the server is like now.
    """

    def __init__(
        self,
        walker: Walker,
        city: City,
        *,
        link: Callable[..., Link],
        start: Start,
        tally: Tally,
        errands: Errands,
        clock: Clock,
        random: Random,
    ) -> None:
        self.walker = walker
        self._city = city
        self._link = link
        self._start: Start | None = start
        self._tally = tally
        self._errands = errands
        self._clock = clock
        self._random = random
        self._anew = False

    async def live(self, turns: asyncio.Semaphore) -> None:
        """Walks until cancelled; `turns` says how many may sign in at once."""
        least_s, most_s = _AGAIN_S
        again_s = least_s
        while True:
            try:
                async with AsyncExitStack() as stack:
                    async with turns:
                        link = await stack.enter_async_context(self._link(start=self._start))
                    again_s = least_s
                    await self._walk(link)
            except (Refused, Unreachable, Closed, TimeoutError):
                self._tally.breaks += 1
            self._start = None
            await asyncio.sleep(again_s * self._random.uniform(0.5, 1.5))
            again_s = min(2 * again_s, most_s)

    async def _walk(self, link: Link) -> None:
        await asyncio.sleep(self.walker.pause_s() * self._random.random())
        await self._report(link)
        with self._tally.one_more_out():
            while True:
                await asyncio.sleep(self.walker.pause_s())
                for event in link.events.waiting():
                    self._hear(event)
                wish = self.walker.step(self._clock.now_us() / 1e6)
                await self._report(link)
                if wish is Wish.LOOK:
                    await self._look(link)
                elif wish is Wish.CLAIM and self.walker.target is not None:
                    await self._errands.run(self._claim(link, self.walker.target))

    async def _report(self, link: Link) -> None:
        lat_deg, lng_deg = self._city.degrees(self.walker.shown)
        at = from_us(self._clock.now_us())
        await link.stream_packed([Fix(lat=lat_deg, lng=lng_deg, accuracy_m=_ACCURACY_M, timestamp=at)])
        self._tally.fixes += 1
        places = [self.walker.place, *([self.walker.target.place] if self.walker.target else [])]
        rooms = {cells.cell_of(*self._city.degrees(place), link.start.game.room_level) for place in places}
        anew, self._anew = self._anew, False
        await link.watch(rooms, anew=anew)

    def _hear(self, event: Event) -> None:
        match event:
            case CollectibleCollected(data=gone):
                self.walker.lost(gone.id)
            case CollectiblesNearby(data=nearby):
                self.walker.learns(self._lying(nearby.items))
            case FixesJudged(data=verdicts) if not all(verdict.accepted for verdict in verdicts):
                # It last stood elsewhere, for another process: after a while the way between becomes believable.
                self._tally.refused.update(verdict.reason or "unknown" for verdict in verdicts if not verdict.accepted)
                self.walker.waits(_DISBELIEVED_S)
                self._anew = True

    async def _look(self, link: Link) -> None:
        lat, lng = self._city.degrees(self.walker.shown)
        params: dict[str, str | int | float] = {"lat": lat, "lng": lng, "radius_m": LOOK_M, "limit": _SEEN_MAX}
        path = f"/v1/game/{link.start.game.collectibles}/nearby"
        try:
            page = await link.api.call("GET", path, reply=Page[Seen], params=params)
        except (Refused, Unreachable):
            self.walker.waits(_DISBELIEVED_S)
            return
        within_m = LOOK_M if page.cursor is None else page.items[-1].distance_m
        self.walker.sees(self._lying(page.items), within_m=max(within_m, 1.0))

    def _lying(self, seen: Iterable[CollectibleSeen]) -> Iterator[Lying]:
        for one in seen:
            yield Lying(one.id, self._city.place(one.lat, one.lng), one.expires_at.timestamp())

    async def _claim(self, link: Link, target: Lying) -> None:
        try:
            collected = await link.collect(target.id)
        except Refused as refused:
            self._tally.claims_refused[refused.code] += 1
            self._accept(refused.code, target)
            return
        self._tally.collected += 1
        earned = self._tally.earned
        earned[collected.currency] = earned.get(collected.currency, Decimal(0)) + Decimal(collected.amount)
        self.walker.took()

    def _accept(self, code: str, target: Lying) -> None:
        """Makes the best of a claim that was refused. After `stale_position` the next fix tells where one is."""
        if code in _GONE:
            self.walker.lost(target.id)
        elif code in _OVER:
            self.walker.forgets()
        elif code in _ENOUGH:
            self.walker.has_enough()
