"""A bounded number of turns at once, and a bounded number of callers waiting for theirs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from overworld.kernel.waiting import Line


class Turns:
    """Keeps a rush of one kind of work from taking every database connection; first come, first served."""

    def __init__(self, *, at_once: int, waiting_max: int) -> None:
        self._free = asyncio.Semaphore(at_once)
        self.line = Line(waiting_max)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Waits for a turn and holds it while the block runs. Raises: Busy when too many wait already."""
        with self.line.standing():
            await self._free.acquire()
        try:
            yield
        finally:
            self._free.release()
