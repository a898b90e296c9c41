"""What nobody can ask for any more is thrown away."""

import asyncio
from contextlib import suppress
from datetime import timedelta

import pytest
from msgspec import Struct

from overworld.app.upkeep import forget_old_answers
from overworld.kernel.clock import FixedClock
from overworld.kernel.ids import IdSource
from overworld.platform.postgres import idempotency
from overworld.platform.postgres.idempotency import SCHEMA, keyed, remember


class Said(Struct, frozen=True):
    """Any answer."""

    text: str


@pytest.mark.slow
async def test_answers_older_than_a_day_are_forgotten_and_younger_ones_kept(
    open_database, clock: FixedClock, ids: IdSource
):
    async with open_database(SCHEMA) as database:
        async with database.transaction() as tx:
            for key, age_h in (("old", 25), ("young", 23)):
                use = keyed(ids(), key, operation="test", body="")
                await remember(tx, [(use, Said(key))], at=clock.now() - timedelta(hours=age_h))
        kept = await _kept_after_one_round(database, clock)
    assert kept == 1


async def _kept_after_one_round(database, clock: FixedClock) -> int:
    loop = asyncio.create_task(forget_old_answers(database, clock=clock))
    try:
        while True:
            async with database.read() as tx:
                count: int = await tx.fetchval("SELECT count(*) FROM platform.idempotency")
            if count < 2:
                return count
    finally:
        loop.cancel()
        with suppress(asyncio.CancelledError):
            await loop


def test_answers_are_kept_for_a_day():
    assert timedelta(hours=24) == idempotency.RETENTION
