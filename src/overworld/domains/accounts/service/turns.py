"""A bounded number of turns at once, and a bounded number of callers waiting for theirs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from overworld.kernel.refusals import Busy


class Turns:
    """Keeps a rush of one kind of work from taking every database connection; first come, first served."""

    def __init__(self, *, at_once: int, waiting_max: int) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._waiting = 0
        self._waiting_max = waiting_max

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Waits for a turn and holds it while the block runs. Raises: Busy when too many wait already."""
        if self._waiting >= self._waiting_max:
            raise Busy(waiting=self._waiting)
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._free.release()
