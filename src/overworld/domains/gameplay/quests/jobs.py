"""The end of quests: what was not met in its time fails, and what all have met together is met for each of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from overworld.domains.gameplay.quests.ending import Ending
from overworld.domains.gameplay.quests.types import QuestSettings
from overworld.kernel.clock import Clock

FoldedUntil = Callable[[], Awaitable[datetime]]
"""Up to when the log has become progress."""


class EndingLoop:
    """Looks for quests to end, every `every_s`. Runs on any number of servers."""

    def __init__(self, ending: Ending, *, clock: Clock, folded_until: FoldedUntil, settings: QuestSettings) -> None:
        self._ending = ending
        self._clock = clock
        self._folded_until = folded_until
        self._settings = settings

    async def run(self) -> None:
        """Until cancelled. Raises: database faults; run it again."""
        while True:
            await self.once()
            await asyncio.sleep(self._settings.every_s)

    async def once(self) -> None:
        """Ends all that is due; late events have `settle_s` to arrive, and longer while the log is read late."""
        settled_by = self._clock.now() - timedelta(seconds=self._settings.settle_s)
        await self._ending.tell_met()
        await self._ending.fail_due(closed_by=min(settled_by, await self._folded_until()))
