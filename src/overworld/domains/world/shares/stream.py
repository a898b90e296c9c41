"""What friends are told of shared places: on their own channels, in the process that their sockets are in."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from overworld.domains.world.messages import Fix
from overworld.domains.world.rules import SECOND_US
from overworld.domains.world.shares import store
from overworld.domains.world.shares.messages import Ended, PlaceShown, SharedEvent, SharedWithYou, ShareEndedEvent
from overworld.domains.world.shares.ports import Places, Sockets
from overworld.domains.world.shares.rules import shown, zone_of
from overworld.domains.world.shares.types import Share
from overworld.geo.sphere import distance_between_m
from overworld.kernel.clock import Clock
from overworld.platform.postgres import Database

TOLD_MAX = 200
"""Shares of one viewer that are told of on the socket: the first ones; the rest is read over HTTP."""

_MOVED_M = 5.0  # less is mostly the receiver's noise


class ShareStream:
    """Knows the shares of those who are connected here, follows every change of them, and tells of places that moved.

    Changes come in any order and more than once, so nobody believes them: whoever hears of one reads what is kept, one
    reading at a time. What is told is decided after the last wait, by what is known then: a share that was ended
    meanwhile shows nothing. `sockets` is None until there are any.
    """

    def __init__(self, *, database: Database, clock: Clock, places: Places, coarse_level: int) -> None:
        self.sockets: Sockets | None = None
        self._database = database
        self._clock = clock
        self._places = places
        self._coarse_level = coarse_level
        self._known: set[UUID] = set()
        self._shares: dict[UUID, dict[UUID, Share]] = {}
        self._told: dict[UUID, dict[UUID, tuple[float, float]]] = {}
        self._reading = asyncio.Lock()

    async def tell(self) -> None:
        """Tells each viewer who listens of the places that moved. Two round trips at most. Raises: Fault."""
        if self.sockets is None:
            return
        await self._meet(self.sockets.accounts)
        self._end_expired(self._clock.now())
        listening = [viewer_id for viewer_id in self._shares if self.sockets.listens(_channel(viewer_id))]
        self._told = {viewer_id: self._told.get(viewer_id, {}) for viewer_id in listening}
        owner_ids = sorted({share.owner_id for one in listening for share in self._shares[one].values()})
        if not owner_ids:
            return
        fixes = dict(zip(owner_ids, await self._places.places(owner_ids), strict=True))
        now = self._clock.now()
        for viewer_id in listening:
            for share in self._shares.get(viewer_id, {}).values():
                if share.expires_at > now:
                    self._show(self.sockets, share, fixes.get(share.owner_id))

    async def follow(self, *, viewer_ids: Collection[UUID] = (), owner_ids: Collection[UUID] = ()) -> None:
        """Reads anew what some viewers are shown, and all who are shown some owners. Raises: Fault; nothing changes."""
        async with self._reading:
            owners = set(owner_ids)
            wanted = self._known.intersection(viewer_ids) | {
                viewer_id
                for viewer_id, shares in self._shares.items()
                if owners and any(share.owner_id in owners for share in shares.values())
            }
            await self._read(wanted)

    async def _meet(self, accounts: Collection[UUID]) -> None:
        """Forgets viewers who left, and reads what those who came are shown."""
        present = set(accounts)
        async with self._reading:
            for gone in self._known - present:
                self._shares.pop(gone, None)
            self._known &= present
            new = present - self._known
            await self._read(new)
            self._known |= new

    async def _read(self, viewer_ids: Collection[UUID]) -> None:
        if not viewer_ids:
            return
        async with self._database.read() as tx:
            found = await store.received(tx, sorted(viewer_ids), at=self._clock.now(), limit=TOLD_MAX)
        shares: dict[UUID, dict[UUID, Share]] = {}
        for share in found:
            shares.setdefault(share.viewer_id, {})[share.id] = share
        for viewer_id in viewer_ids:
            before, after = self._shares.pop(viewer_id, {}), shares.get(viewer_id, {})
            if after:
                self._shares[viewer_id] = after
            for share_id in before.keys() - after.keys():
                self._end(viewer_id, share_id)

    def _end_expired(self, now: datetime) -> None:
        for viewer_id, shares in list(self._shares.items()):
            for share in [share for share in shares.values() if share.expires_at <= now]:
                del shares[share.id]
                self._end(viewer_id, share.id)
            if not shares:
                del self._shares[viewer_id]

    def _end(self, viewer_id: UUID, share_id: UUID) -> None:
        self._told.get(viewer_id, {}).pop(share_id, None)
        if self.sockets is not None:
            self.sockets.publish(_channel(viewer_id), ShareEndedEvent(Ended(share_id)))

    def _show(self, sockets: Sockets, share: Share, fix: Fix | None) -> None:
        """Tells of a place that is not the one told before."""
        seen = seen_by_viewer(share, fix, now_us=self._clock.now_us(), coarse_level=self._coarse_level)
        if seen.place is None:
            return
        told, here = self._told[share.viewer_id], (seen.place.lat, seen.place.lng)
        before = told.get(share.id)
        if before is None or distance_between_m(*before, *here) >= _MOVED_M:
            told[share.id] = here
            sockets.publish(_channel(share.viewer_id), SharedEvent(seen))


def seen_by_viewer(share: Share, fix: Fix | None, *, now_us: int, coarse_level: int) -> SharedWithYou:
    """What the viewer of a share may know of a fix of its owner."""
    place: PlaceShown | None = None
    if fix is not None:
        zone = None if share.home is None else zone_of(share.home, coarse_level=coarse_level)
        seen = shown(fix.lat_deg, fix.lng_deg, sight=share.sight, zone=zone, coarse_level=coarse_level)
        age_s = round(max(0, now_us - fix.at_us) / SECOND_US, 1)
        place = PlaceShown(lat=seen.lat_deg, lng=seen.lng_deg, exact=seen.exact, age_s=age_s)
    return SharedWithYou(
        id=share.id, player_id=share.owner_id, sight=share.sight, expires_at=share.expires_at, place=place
    )


def _channel(viewer_id: UUID) -> str:
    return f"user:{viewer_id}"
