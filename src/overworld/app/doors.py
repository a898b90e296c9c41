"""Fits one domain's door to what another's `ports.py` asks for. Nothing is decided here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from msgspec import Raw, Struct

from overworld.domains.gameplay.messages import ClaimCollectible
from overworld.domains.gameplay.service import Gameplay
from overworld.domains.world.service import World
from overworld.kernel.clock import Clock
from overworld.kernel.identity import Answer, Principal
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


class CollectAction:
    """`game.action collect` on the socket: the claim of HTTP, with `request_id` as its key."""

    def __init__(self, gameplay: Gameplay) -> None:
        self._gameplay = gameplay

    async def __call__(self, principal: Principal, target: str, request_id: str | None, data: Raw) -> Answer[Any]:
        """The answer of the claim. Raises: KeyRequired without a `request_id`; the claim's refusals."""
        if request_id is None:
            raise KeyRequired
        claim = ClaimCollectible(player_id=principal.account_id, collectible_id=target, key=request_id)
        return await self._gameplay.collect(claim)
