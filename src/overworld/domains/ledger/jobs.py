"""What becomes due in the ledger: promises whose time is over."""

from __future__ import annotations

import asyncio
from typing import NoReturn

from overworld.domains.ledger.service import EXPIRED_AT_ONCE, Ledger
from overworld.kernel.clock import Clock


class Expiry:
    """Lets go of promises whose time is over, looking every `every_s` seconds. Every server may run it.

    `expired` counts those that this process let go; `open` is how many were open, whoever made them, when it last
    looked.
    """

    def __init__(self, *, ledger: Ledger, clock: Clock, every_s: float) -> None:
        self._ledger = ledger
        self._clock = clock
        self._every_s = every_s
        self.expired = 0
        self.open = 0

    async def run(self) -> NoReturn:
        """The loop. Raises: Fault when the database does not answer."""
        while True:
            await self.look()
            await asyncio.sleep(self._every_s)

    async def look(self) -> None:
        """Lets go of everything that is due now."""
        while True:
            expired = await self._ledger.expire(at=self._clock.now())
            self.expired += expired
            if expired < EXPIRED_AT_ONCE:
                break
        self.open = await self._ledger.open_promises()
