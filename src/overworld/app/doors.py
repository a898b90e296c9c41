"""Fits one domain's door to what another's `ports.py` asks for. Nothing is decided here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Raw, Struct

from overworld.domains.gameplay.boards.scoring import NAME as BOARDS
from overworld.domains.gameplay.boards.scoring import TOPICS as BOARDS_TOPICS
from overworld.domains.gameplay.messages import ClaimCollectible
from overworld.domains.gameplay.service import Gameplay
from overworld.domains.trust.folding import NAME as TRUST
from overworld.domains.world.messages import EntityNearby
from overworld.domains.world.service import World
from overworld.flows.facts_to_trust import TOPICS as TRUST_TOPICS
from overworld.kernel.clock import Clock
from overworld.kernel.identity import Answer, Principal, Scope
from overworld.kernel.ports import Tx
from overworld.kernel.standing import UNSUSPECTED, Standing
from overworld.platform.eventlog.store import has_passed, read_until
from overworld.platform.http.errors import KeyRequired


class CellViews:
    """What the socket shows of a cell: players from the world, collectibles from gameplay."""

    def __init__(self, *, world: World, gameplay: Gameplay, clock: Clock) -> None:
        self._world = world
        self._gameplay = gameplay
        self._clock = clock

    def players(self, cell: int) -> Sequence[Any]:
        """The players in a room cell, as strangers see them."""
        return self._world.players_in([cell])

    async def collectibles(self, cells: Sequence[int], *, player_id: UUID) -> Sequence[Struct]:
        """What the player could collect in the cells now."""
        return await self._gameplay.collectibles_in(cells, player_id=player_id, at=self._clock.now())


class BoardsProgress:
    """How far the fold of the log into scores has come."""

    async def has_passed(self, tx: Tx, before: datetime) -> bool:
        """Whether everything is counted that happened before a time."""
        return await has_passed(tx, BOARDS, topics=frozenset(BOARDS_TOPICS), before=before)


class TrustProgress:
    """How far the fold of the log into standings has come."""

    async def judged_until(self, tx: Tx, now: datetime) -> datetime | None:
        """Until when everything is judged that happened."""
        return await read_until(tx, TRUST, topics=frozenset(TRUST_TOPICS), now=now)


class CollectibleAround(EntityNearby, frozen=True, kw_only=True):
    """A collectible among the entities around a place; `kind` is its type in the game."""

    kind: str
    value: str
    currency: str
    expires_at: str


class CollectiblesAround:
    """Shows collectibles in `GET /v1/location/nearby` beside the players."""

    type = "collectible"

    def __init__(self, gameplay: Gameplay, *, radius_max_m: float) -> None:
        self._gameplay = gameplay
        self._radius_max_m = radius_max_m

    async def nearby(
        self, *, viewer_id: UUID, lat_deg: float, lng_deg: float, radius_m: float, after: tuple[float, str], limit: int
    ) -> Sequence[CollectibleAround]:
        """The first collectibles beyond `after`; the world has looked whether the viewer may see the place."""
        found = await self._gameplay.nearby(
            player_id=viewer_id,
            scopes={Scope.WORLD_READ},
            lat_deg=lat_deg,
            lng_deg=lng_deg,
            radius_m=min(radius_m, self._radius_max_m),
            after=after,
            limit=limit,
        )
        return [
            CollectibleAround(
                id=one.id,
                type=self.type,
                lat=one.lat,
                lng=one.lng,
                distance_m=one.distance_m,
                kind=one.type,
                value=one.value,
                currency=one.currency,
                expires_at=one.expires_at,
            )
            for one in found
        ]


class TrustEverybody:
    """For simulations and benchmarks, in which nobody cheats: everybody is trusted fully."""

    async def standings(self, player_ids: Sequence[UUID]) -> Sequence[Standing]:
        """Unsuspected, each of them."""
        return [UNSUSPECTED] * len(player_ids)


class CollectAction:
    """`game.action collect` on the socket: the claim of HTTP, with `request_id` as its key."""

    def __init__(self, gameplay: Gameplay) -> None:
        self._gameplay = gameplay

    async def __call__(self, principal: Principal, target: str, request_id: str | None, data: Raw) -> Answer[Any]:
        """The answer of the claim. Raises: KeyRequired without a `request_id`; the claim's refusals."""
        if request_id is None:
            raise KeyRequired
        claim = ClaimCollectible(
            player_id=principal.account_id,
            collectible_id=target,
            key=request_id,
            memberships=principal.memberships,
        )
        return await self._gameplay.collect(claim)
