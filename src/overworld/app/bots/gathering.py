"""How bots collect what lies near them: they look around now and then, and take what is in reach when they want to."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from time import time

import msgspec
import numpy as np
from msgspec import Struct

from overworld.app.bots.pool import Pool
from overworld.app.bots.source import Source
from overworld.client.messages import Page
from overworld.client.raw_http import Cut
from overworld.geo.columns import F64
from overworld.geo.sphere import distance_between_m

_LOOK_M = 300
_SEEN_MAX = 60
_LOOK_AGAIN_M = 150.0
_LOOK_AGAIN_S = 120.0
_AT_ONCE = 256
_REACH_SHARE = 0.7
_IN_TIME_SHARE = 0.8
_OK = 200

Claim = Callable[[int, str], None]


class _Lying(Struct, frozen=True):
    """What lies there, as much of it as counts."""

    id: str
    lat: float
    lng: float


class _Look(Struct):
    """What a bot saw when it looked last, and what it has tried since."""

    lat_deg: float
    lng_deg: float
    at_s: float
    lying: dict[str, _Lying]


class Gathering:
    """Collecting for the bots of a process. `lat_deg` and `lng_deg` are where each says it is, kept by the owner."""

    def __init__(
        self, *, pool: Pool, noun: str, reach_m: float, tokens: dict[int, str], source: Source, lat_deg: F64,
        lng_deg: F64, claim: Claim,
    ) -> None:  # fmt: skip
        self._pool = pool
        self._path = f"/v1/game/{noun}/nearby"
        self._reach_m = reach_m
        self._tokens = tokens
        self._source = source
        self._lat_deg, self._lng_deg = lat_deg, lng_deg
        self._claim = claim
        self._looks: dict[int, _Look] = {}
        self._busy: dict[int, asyncio.Task[None]] = {}

    def wishes(self, bot: int) -> None:
        """A bot wants something now; one that is still at it, or in a crowd that all want at once, lets it be."""
        if bot in self._busy or len(self._busy) >= _AT_ONCE or math.isnan(self._lat_deg[bot]):
            return
        task = asyncio.create_task(self._gather(bot))
        self._busy[bot] = task
        task.add_done_callback(lambda _: self._busy.pop(bot, None))

    async def end(self) -> None:
        """Waits for those who are looking around."""
        if self._busy:
            await asyncio.wait(list(self._busy.values()))

    async def _gather(self, bot: int) -> None:
        look = await self._looked(bot)
        if look is None:
            return
        here = float(self._lat_deg[bot]), float(self._lng_deg[bot])
        by_distance = sorted((distance_between_m(*here, one.lat, one.lng), one.id) for one in look.lying.values())
        if by_distance and by_distance[0][0] <= _REACH_SHARE * self._reach_m:
            self._claim(bot, by_distance.pop(0)[1])
        if by_distance:
            self._lead(bot, look.lying[by_distance[0][1]])

    def lost(self, bot: int, collectible: str) -> None:
        """A bot need not try for something again: it has it, or cannot get it."""
        look = self._looks.get(bot)
        if look is not None:
            look.lying.pop(collectible, None)

    def _lead(self, bot: int, lying: _Lying) -> None:
        """Whoever collects by the clock is at the next one in time."""
        within_s = _IN_TIME_SHARE * self._source.wish_every_s[bot]
        self._source.lead(
            np.array([bot]), np.array([lying.lat]), np.array([lying.lng]), np.array([within_s], np.float64)
        )

    async def _looked(self, bot: int) -> _Look | None:
        lat_deg, lng_deg, now_s = float(self._lat_deg[bot]), float(self._lng_deg[bot]), time()
        look = self._looks.get(bot)
        if look is not None and now_s - look.at_s < _LOOK_AGAIN_S and _is_near(look, lat_deg, lng_deg):
            return look
        where = f"lat={lat_deg:.7f}&lng={lng_deg:.7f}&radius_m={_LOOK_M}&limit={_SEEN_MAX}"
        try:
            status, body = await self._pool.ask("GET", f"{self._path}?{where}", token=self._tokens[bot])
        except (Cut, OSError):
            return None
        if status != _OK:
            return None
        found = {one.id: one for one in msgspec.json.decode(body, type=Page[_Lying]).items}
        self._looks[bot] = look = _Look(lat_deg, lng_deg, now_s, found)
        return look


def _is_near(look: _Look, lat_deg: float, lng_deg: float) -> bool:
    return distance_between_m(look.lat_deg, look.lng_deg, lat_deg, lng_deg) < _LOOK_AGAIN_M
