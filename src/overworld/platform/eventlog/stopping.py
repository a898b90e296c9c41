"""A wish to end that whoever waits hears of."""

from __future__ import annotations

import asyncio
from contextlib import suppress


class Stopped(Exception):
    """The end was asked for while something else was being waited for."""


class Stop(asyncio.Event):
    """Set once when a reader is to end after the events in hand."""

    async def pause(self, seconds: float) -> None:
        """Waits that long. Raises: Stopped when the end is asked for meanwhile."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.wait()
            raise Stopped
