"""One track, walked by one player: every fix through the real socket, and what comes within reach is collected."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from decimal import Decimal

import numpy as np
from msgspec import UNSET, Struct, field

from overworld.app.link import Link
from overworld.app.replay.gpx import Track, TrackPoint
from overworld.client import Collected, CollectibleCollected, CollectiblesNearby, Event, Fix, Refused
from overworld.geo import cells, sphere
from overworld.kernel.clock import from_us
from overworld.kernel.standing import Gate

_ACCURACY_M = 10.0
_SNAPSHOT_WAIT_S = 5.0


class Walked(Struct, kw_only=True):
    """What a walk has come to so far. Metres are between accepted fixes that follow one another in a segment."""

    file: str
    fixes: int
    sent: int = 0
    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    metres: float = 0.0
    seen: set[str] = field(default_factory=set)
    collected: list[Collected] = field(default_factory=list)
    claims_refused: Counter[str] = field(default_factory=Counter)
    standing: Gate = Gate.NORMAL

    @property
    def earned(self) -> dict[str, Decimal]:
        """What was collected, by currency; what is held for review is not earned yet."""
        total: dict[str, Decimal] = {}
        for one in self.collected:
            if one.held:
                continue
            total[one.currency] = total.get(one.currency, Decimal(0)) + Decimal(one.amount)
        return total


class Walk:
    """Walks a track at `speed` times its own pace; `moved` is called after every fix."""

    def __init__(self, track: Track, link: Link, *, speed: float, moved: Callable[[], None]) -> None:
        self.walked = Walked(file=track.file, fixes=track.points_count)
        self._track = track
        self._link = link
        self._speed = speed
        self._moved = moved
        self._at: TrackPoint | None = None
        self._anew = False
        self._lying: dict[str, tuple[float, float]] = {}

    async def run(self) -> Walked:
        """Every fix in order; gives what became of them."""
        loop = asyncio.get_running_loop()
        started_s = loop.time()
        first_us = self._track.points[0].time_us
        for point in self._track.points:
            due_s = started_s + (point.time_us - first_us) / 1e6 / self._speed
            if (early_s := due_s - loop.time()) > 0:
                await asyncio.sleep(early_s)
            await self._step(point)
            self._moved()
        return self.walked

    async def _step(self, point: TrackPoint) -> None:
        verdict = await self._link.report(_fix(point))
        self.walked.sent += 1
        if not verdict.accepted:
            self.walked.refused[verdict.reason or "unknown"] += 1
            return
        self.walked.accepted += 1
        if self._at is not None and self._at.segment == point.segment:
            self.walked.metres += _distance_m(self._at, point.lat_deg, point.lng_deg)
        self._at = point
        await self._look_around(point)
        await self._collect_in_reach(point)

    async def _look_around(self, point: TrackPoint) -> None:
        """Watches the room the player stands in and those around it."""
        room = cells.cell_of(point.lat_deg, point.lng_deg, self._link.start.game.room_level)
        anew, self._anew = self._anew, False
        entered = await self._link.watch({room, *cells.neighbours(room)}, anew=anew)
        await self._see({cells.token(cell) for cell in entered})
        for event in self._link.events.waiting():
            self._take(event)

    async def _see(self, missing: set[str]) -> None:
        """Waits for the snapshots of cells just entered, so that a quick walker misses nothing."""
        while missing:
            event = await self._link.event(timeout_s=_SNAPSHOT_WAIT_S)
            if event is None:
                self._anew = True
                return
            missing -= self._take(event)

    def _take(self, event: Event) -> set[str]:
        """Notes what an event says about collectibles; gives the cells whose snapshot it is."""
        match event:
            case CollectibleCollected(data=gone):
                self._lying.pop(gone.id, None)
            case CollectiblesNearby(data=nearby):
                self._lying |= {item.id: (item.lat, item.lng) for item in nearby.items}
                self.walked.seen |= {item.id for item in nearby.items}
                return set(nearby.cells)
        return set()

    async def _collect_in_reach(self, point: TrackPoint) -> None:
        reach_m = self._link.start.game.reach_m
        near = [target for target, (lat, lng) in self._lying.items() if _distance_m(point, lat, lng) <= reach_m]
        for target in near:
            self._lying.pop(target)
            try:
                self.walked.collected.append(await self._link.collect(target))
            except Refused as refused:
                self.walked.claims_refused[refused.code] += 1


def _fix(point: TrackPoint) -> Fix:
    return Fix(
        lat=point.lat_deg,
        lng=point.lng_deg,
        accuracy_m=_ACCURACY_M,
        timestamp=from_us(point.time_us),
        altitude_m=UNSET if point.altitude_m is None else point.altitude_m,
    )


def _distance_m(point: TrackPoint, lat_deg: float, lng_deg: float) -> float:
    return float(sphere.distance_m(point.lat_deg, point.lng_deg, np.array([lat_deg]), np.array([lng_deg]))[0])
