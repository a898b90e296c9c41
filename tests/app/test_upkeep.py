"""What nobody can ask for any more is thrown away."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from functools import partial

import pytest
from msgspec import Struct

from overworld.app.upkeep import ROWS_MAX, old_answers, throw_away
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
        assert [await old_answers(database, clock=clock) for _ in range(2)] == [1, 0]


async def test_each_step_goes_on_while_there_is_much_to_throw_away():
    left = {"answers": 2 * ROWS_MAX + 5, "sessions": 3}
    done = asyncio.Event()

    async def drop(name: str) -> int:
        dropped = min(left[name], ROWS_MAX)
        left[name] -= dropped
        if name == "sessions":
            done.set()
        return dropped

    loop = asyncio.create_task(throw_away(partial(drop, "answers"), partial(drop, "sessions")))
    await done.wait()
    loop.cancel()
    with suppress(asyncio.CancelledError):
        await loop
    assert left == {"answers": 0, "sessions": 0}


def test_answers_are_kept_for_a_day():
    assert timedelta(hours=24) == idempotency.RETENTION
