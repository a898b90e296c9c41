"""What becomes due of held rewards."""

from __future__ import annotations

import asyncio
from typing import NoReturn

from overworld.domains.gameplay.held.service import HeldRewards


class Releasing:
    """Gives what nobody has decided in its time, and what is held of who is trusted again, looking every `every_s`.

    Every server may run it.
    """

    def __init__(self, rewards: HeldRewards, *, every_s: float) -> None:
        self._rewards = rewards
        self._every_s = every_s

    async def run(self) -> NoReturn:
        """The loop. Raises: Fault when the database does not answer."""
        while True:
            await self.look()
            await asyncio.sleep(self._every_s)

    async def look(self) -> None:
        """Gives everything that can be given now."""
        await self._rewards.release_due()
        await self._rewards.release_trusted()
