"""The fences as this process knows them: what it judges by, and what it lists."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

import msgspec
import numpy as np
from msgspec import Struct

from overworld.domains.world.fences import index, store
from overworld.domains.world.fences.covering import covering
from overworld.domains.world.fences.geojson import geometry_of
from overworld.domains.world.fences.index import Index, Listed
from overworld.domains.world.fences.messages import FenceShown
from overworld.domains.world.fences.shapes import drawn
from overworld.domains.world.fences.types import Fence, Shape
from overworld.geo.box import Box
from overworld.geo.columns import F64
from overworld.geo.sphere import distance_m
from overworld.kernel.clock import rfc3339
from overworld.platform.postgres import Database

_READ_MAX = 1_000
_SHAPE = msgspec.json.Decoder(Shape)


class Known(Struct, frozen=True):
    """A fence as it is kept, and as the index has it."""

    fence: Fence
    listed: Listed


class Book:
    """Follows what is kept, one reading at a time: nobody believes the news, and the last reading is the newest.

    What fixes are judged by is made in a thread, and then handed to `on_index` whole.
    """

    def __init__(self, database: Database) -> None:
        self.on_index: Callable[[Index], None] = _ignore
        self._database = database
        self._known: dict[UUID, Known] = {}
        self._index = index.empty()
        self._reading = asyncio.Lock()

    def __len__(self) -> int:
        return len(self._known)

    async def follow(self) -> None:
        """Makes this process judge by what is kept. One round trip when nothing changed.

        Raises: Fault, and changes nothing.
        """
        async with self._reading:
            async with self._database.read() as tx:
                kept = await store.all_revisions(tx)
            known = self._known
            news = [one for one in kept if one not in known or known[one].fence.revision != kept[one]]
            if not news and len(kept) == len(known):
                return
            found: list[Fence] = []
            for start in range(0, len(news), _READ_MAX):
                async with self._database.read() as tx:
                    found += await store.read(tx, news[start : start + _READ_MAX])
            again = frozenset(news)
            same = {one: known[one] for one in kept if one not in again}
            self._known, self._index = await asyncio.to_thread(_rebuilt, same, found, known, self._index)
            self.on_index(self._index)

    def around(
        self,
        *,
        place: tuple[float, float, float] | None = None,
        box: Box | None = None,
        after: tuple[float, str],
        limit: int,
    ) -> list[tuple[float, FenceShown]]:
        """The first fences after a (distance, id), in that order, each with its distance in metres.

        `place` is a latitude, a longitude and a radius: it gives the fences that may reach into that, and the distance
        to the disc around each. In a box are those whose middle lies there. Without a place all are 0 m away.
        """
        known = list(self._known.values())
        lat_deg, lng_deg = self._column(known, "lat_deg"), self._column(known, "lng_deg")
        is_wanted = np.ones(len(known), np.bool_) if box is None else box.holds(lat_deg, lng_deg)
        off_m = np.zeros(len(known))
        if place is not None:
            away_m = distance_m(place[0], place[1], lat_deg, lng_deg) - self._column(known, "reach_m")
            off_m = np.maximum(0.0, away_m).round(2)
            is_wanted &= off_m <= place[2]
        rows = [(float(off_m[i]), str(known[i].fence.id), i) for i in np.flatnonzero(is_wanted).tolist()]
        wanted = sorted(row for row in rows if row[:2] > after)[:limit]
        return [(off, shown(known[i].fence)) for off, _, i in wanted]

    def _column(self, known: Sequence[Known], name: str) -> F64:
        column: F64 = np.array([getattr(one.fence, name) for one in known], np.float64)
        return column


def shown(fence: Fence) -> FenceShown:
    """A fence as clients read it."""
    shape = _SHAPE.decode(fence.shape)
    return FenceShown(
        id=fence.id,
        name=fence.name,
        geometry=geometry_of(shape),
        radius_m=shape.radius_m or None,
        dwell_s=fence.dwell_s,
        source=fence.source,
        revision=fence.revision,
        lat=round(fence.lat_deg, 7),
        lng=round(fence.lng_deg, 7),
        reach_m=round(fence.reach_m, 2),
        created_at=rfc3339(fence.created_at),
        updated_at=rfc3339(fence.updated_at),
    )


def _rebuilt(
    same: Mapping[UUID, Known], found: Sequence[Fence], before: Mapping[UUID, Known], old: Index
) -> tuple[dict[UUID, Known], Index]:
    """All fences, and the index of them. Only new shapes are drawn and covered."""
    known = dict(same)
    for fence in found:
        one = before.get(fence.id)
        known[fence.id] = Known(fence, _listed(fence, one))
    return known, index.built([one.listed for one in known.values()], before=old)


def _listed(fence: Fence, before: Known | None) -> Listed:
    if before is not None and before.fence.shape_number == fence.shape_number:
        shape, cells = before.listed.shape, before.listed.covering
    else:
        shape = drawn(_SHAPE.decode(fence.shape))
        cells = covering(shape)
    return Listed(fence.id, fence.name, fence.shape_number, fence.dwell_s, shape, cells)


def _ignore(_index: Index) -> None:
    """What hears of a new index before anybody listens."""
