"""Who is invisible: each player's own choice, kept in the database, known to every server in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import UUID

from overworld.domains.world import store
from overworld.domains.world.messages import VisibilityChanged
from overworld.domains.world.service.world import World
from overworld.kernel.clock import Clock
from overworld.kernel.ports import Outbox
from overworld.platform.postgres import Database


class Hiding:
    """Takes choices, and makes the world follow what is kept.

    Choices may come here and on other servers at once, and news of them in any order. So nobody believes the news:
    whoever hears of a choice reads what is kept, one reading at a time, and the last reading is the newest.
    """

    def __init__(self, *, world: World, database: Database, outbox: Outbox, clock: Clock) -> None:
        self._world = world
        self._database = database
        self._outbox = outbox
        self._clock = clock
        self._reading = asyncio.Lock()

    async def choose(self, player_id: UUID, *, visible: bool) -> None:
        """Keeps a player's choice, tells the other servers, and follows it here before it returns.

        Three round trips; two when nothing changes. Raises: Fault; when that comes, ask again: it may be kept.
        """
        at = self._clock.now()
        async with self._database.transaction() as tx:
            if await store.write_visible(tx, player_id, visible=visible, at=at):
                await self._outbox.append(tx, [VisibilityChanged(player_id=player_id, visible=visible)], at=at)
        await self.follow([player_id])

    async def chosen(self, player_id: UUID) -> bool:
        """Whether a player lets others see it. One round trip. Raises: Fault."""
        async with self._database.read() as tx:
            return player_id not in await store.read_invisible(tx, [player_id])

    async def load(self) -> None:
        """Makes the world know everybody who is invisible. Listen to the news first. Raises: Fault."""
        async with self._reading:
            async with self._database.read() as tx:
                invisible = await store.read_all_invisible(tx)
            for player_id in invisible:
                self._world.show(player_id, visible=False)

    async def follow(self, player_ids: Sequence[UUID]) -> None:
        """Makes the world follow what is kept of some players. One round trip. Raises: Fault, and changes nothing."""
        async with self._reading:
            async with self._database.read() as tx:
                invisible = await store.read_invisible(tx, player_ids)
            for player_id in player_ids:
                self._world.show(player_id, visible=player_id not in invisible)
