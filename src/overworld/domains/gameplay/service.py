"""Gameplay's door: what lies around, claims, progress."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from functools import lru_cache, partial
from secrets import randbelow
from uuid import UUID

import numpy as np

from overworld.domains.gameplay import store
from overworld.domains.gameplay.claims import Claims
from overworld.domains.gameplay.errors import RadiusTooWide
from overworld.domains.gameplay.messages import ClaimCollectible, Collected, CollectibleNearby, CollectibleSeen
from overworld.domains.gameplay.ports import Sight
from overworld.domains.gameplay.spawns import Spawns, cells_at
from overworld.domains.gameplay.types import NOBODY, GameplaySettings, Progress, Spawn
from overworld.geo import cells, sphere
from overworld.kernel.batch import GroupCommit, Lanes
from overworld.kernel.clock import Clock, from_us, rfc3339, to_us
from overworld.kernel.identity import Answer
from overworld.kernel.ports import Ledger
from overworld.platform.postgres import Database

STRIPES_MAX = 64
_COVER_CELLS_MAX = 2_048
_SPAWNS_AT_ONCE = 256  # about 2 ms of computing


class Gameplay:
    """Collectibles and progress of one game. `close` lets the claims in flight finish."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        ledger: Ledger,
        sight: Sight,
        spawns: Spawns,
        claims: Claims,
        settings: GameplaySettings,
    ) -> None:
        self._database = database
        self._clock = clock
        self._ledger = ledger
        self._sight = sight
        self._spawns = spawns
        self._claims = claims
        self._settings = settings
        # Servers begin at different stripes of hot accounts, and each lane of a server has its own.
        self._first_stripe = randbelow(STRIPES_MAX)
        self.lanes = Lanes[ClaimCollectible, Answer[Collected]](
            settings.lanes, make=self._lane, key=lambda command: command.player_id
        )

    def _lane(self, i: int) -> GroupCommit[ClaimCollectible, Answer[Collected]]:
        return GroupCommit(
            name=f"claims-{i}",
            run=partial(self._claims.run, stripe=self._first_stripe + i),
            queue_max=self._settings.queue_max,
            batch_max=self._settings.batch_max,
            monotonic_s=self._clock.monotonic_s,
        )

    async def collect(self, command: ClaimCollectible) -> Answer[Collected]:
        """A collectible's value, moved to the player's wallet; or the answer of an earlier try under the same key.

        Raises: KeyReused; NotFound, Expired, StalePosition, LowTrust, OutOfReach, CapReached, CoolingDown,
        AlreadyCollected, WalletFrozen, OutOfStock, WalletFull; Busy.
        """
        return await self.lanes.submit(command)

    async def close(self) -> None:
        """Lets the claims in flight finish, and refuses new ones."""
        await self.lanes.close()

    async def nearby(
        self,
        *,
        player_id: UUID,
        scopes: AbstractSet[str],
        lat_deg: float,
        lng_deg: float,
        radius_m: float,
        after: tuple[float, str] | None = None,
        limit: int,
    ) -> list[CollectibleNearby]:
        """What the player could still take within a radius, nearest first; equal distances in id order.

        The first `limit` beyond `after`, the distance and id of the last one known. One statement, after `Sight`; more
        where many of the nearest are taken.
        Raises: RadiusTooWide; what `Sight` raises.
        """
        if radius_m > self._settings.nearby_radius_max_m:
            raise RadiusTooWide(radius_max_m=self._settings.nearby_radius_max_m)
        await self._sight.require_in_sight(player_id, lat_deg, lng_deg, scopes)
        try:
            wanted = cells.cover_cap(lat_deg, lng_deg, radius_m, self._spawns.cell_level, _COVER_CELLS_MAX)
        except ValueError as error:
            raise RadiusTooWide from error
        spawned = await self._spawned(wanted, at_us=self._clock.now_us())
        lat, lng = np.array([(spawn.lat_deg, spawn.lng_deg) for spawn in spawned]).reshape(-1, 2).T
        metres = np.round(sphere.distance_m(lat_deg, lng_deg, lat, lng), 2).tolist()
        ranked = sorted(
            (m, spawn.id, spawn)
            for m, spawn in zip(metres, spawned, strict=True)
            if m <= radius_m and (after is None or (m, spawn.id) > after)
        )
        left = await self._first_left([spawn for _, _, spawn in ranked], player_id=player_id, limit=limit)
        metres_to = {spawn.id: m for m, _, spawn in ranked}
        return [_seen_nearby(spawn, metres_to[spawn.id]) for spawn in left]

    async def collectibles_in(self, wanted: Sequence[int], *, player_id: UUID, at: datetime) -> list[CollectibleSeen]:
        """What the player could take in some S2 cells at an instant; the cells may be up to four levels coarser than
        those of the spawns.

        One statement, none where nothing spawns. Whether the player may see the cells is for the caller to know.
        """
        return [_seen(spawn) for spawn in await self.lying_in(wanted, player_id=player_id, at=at)]

    async def lying_in(self, wanted: Sequence[int], *, player_id: UUID = NOBODY, at: datetime) -> list[Spawn]:
        """The same as they spawned; for nobody, also personal collectibles that some have taken."""
        spawned = await self._spawned(wanted, at_us=to_us(at))
        return await self._left(spawned, player_id=player_id)

    async def progress(self, account_ids: Sequence[UUID]) -> list[Progress]:
        """How far players have come, aligned with the ids, (n,); level 1 for those who never claimed. One statement."""
        async with self._database.read() as tx:
            known = await store.progress(tx, account_ids)
        return [known.get(account_id, Progress(experience=0, level=1)) for account_id in account_ids]

    async def _spawned(self, wanted: Sequence[int], *, at_us: int) -> list[Spawn]:
        """Everything that is open in some cells, worked out a slice at a time: others are served in between."""
        levels = set(map(cells.level_of, wanted))
        coarsest = min(levels, default=self._spawns.cell_level)
        in_each = self._spawns.mean_per_cell * 4 ** max(0, self._spawns.cell_level - coarsest)
        step = max(1, int(_SPAWNS_AT_ONCE / in_each))
        spawned: list[Spawn] = []
        for first in range(0, len(wanted), step):
            if first:
                await asyncio.sleep(0)
            part = wanted[first : first + step]
            if levels == {self._spawns.cell_level}:
                spawned += self._spawns.open_in(part, at_us=at_us)
            else:
                spawned += [spawn for cell in part for spawn in self._spawned_in(cell, at_us)]
        return spawned

    def _spawned_in(self, cell: int, at_us: int) -> list[Spawn]:
        spawned = self._spawns.open_in(cells_at(cell, self._spawns.cell_level), at_us=at_us)
        level = cells.level_of(cell)
        if level <= self._spawns.cell_level:
            return spawned
        return [spawn for spawn in spawned if cells.cell_of(spawn.lat_deg, spawn.lng_deg, level) == cell]

    async def _first_left(self, ranked: Sequence[Spawn], *, player_id: UUID, limit: int) -> list[Spawn]:
        """The first `limit` that the player could still take: as few keys are asked for as that needs."""
        left: list[Spawn] = []
        first, count = 0, limit + limit // 2
        while first < len(ranked) and len(left) < limit:
            left += await self._left(ranked[first : first + count], player_id=player_id)
            first, count = first + count, 2 * count
        return left[:limit]

    async def _left(self, spawned: Sequence[Spawn], *, player_id: UUID) -> list[Spawn]:
        if not spawned:
            return []
        async with self._database.read() as tx:
            references = [spawn.reference_for(player_id) for spawn in spawned]
            taken = await self._ledger.taken(tx, references)
        return [spawn for spawn, reference in zip(spawned, references, strict=True) if reference not in taken]


def _seen(spawn: Spawn) -> CollectibleSeen:
    return CollectibleSeen(
        id=spawn.id,
        type=spawn.kind.type,
        value=spawn.kind.value,
        currency=spawn.kind.currency.code,
        lat=round(spawn.lat_deg, 7),
        lng=round(spawn.lng_deg, 7),
        expires_at=_told_at(spawn.closes_us),
    )


def _seen_nearby(spawn: Spawn, distance_m: float) -> CollectibleNearby:
    return CollectibleNearby(
        id=spawn.id,
        type=spawn.kind.type,
        value=spawn.kind.value,
        currency=spawn.kind.currency.code,
        lat=round(spawn.lat_deg, 7),
        lng=round(spawn.lng_deg, 7),
        expires_at=_told_at(spawn.closes_us),
        distance_m=distance_m,
    )


@lru_cache(maxsize=1_024)
def _told_at(at_us: int) -> str:
    """All that spawned in a window close at once, so few instants are ever asked for."""
    return rfc3339(from_us(at_us))
