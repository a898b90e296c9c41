"""What has to be thrown away from time to time, so that nothing grows for ever."""

from __future__ import annotations

import asyncio
from typing import NoReturn

from overworld.kernel.clock import Clock
from overworld.platform.postgres import Database, idempotency

_EVERY_S = 600.0
_ROWS_MAX = 10_000


async def forget_old_answers(database: Database, *, clock: Clock) -> NoReturn:
    """Drops the answers kept under idempotency keys once they are too old to be asked for; a loop.

    Several servers may run it at once. Raises: Fault, Busy when the database does not answer.
    """
    while True:
        before = clock.now() - idempotency.RETENTION
        dropped = _ROWS_MAX
        while dropped == _ROWS_MAX:
            async with database.transaction() as tx:
                dropped = await idempotency.forget_before(tx, before, rows_max=_ROWS_MAX)
        await asyncio.sleep(_EVERY_S)
