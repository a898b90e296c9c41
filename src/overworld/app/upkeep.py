"""What has to be thrown away from time to time, so that nothing grows for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NoReturn

from overworld.kernel.clock import Clock
from overworld.platform.postgres import Database, idempotency

ROWS_MAX = 10_000
_EVERY_S = 600.0


async def throw_away(*steps: Callable[[], Awaitable[int]]) -> NoReturn:
    """Runs each step until it gives less than `ROWS_MAX`, then rests; a loop. Several servers may run it at once.

    Raises: what a step raises, such as Fault when the database does not answer.
    """
    while True:
        for step in steps:
            while await step() == ROWS_MAX:
                pass
        await asyncio.sleep(_EVERY_S)


async def old_answers(database: Database, *, clock: Clock) -> int:
    """Drops answers kept under idempotency keys that are too old to be asked for; gives how many."""
    async with database.transaction() as tx:
        return await idempotency.forget_before(tx, clock.now() - idempotency.RETENTION, rows_max=ROWS_MAX)
