"""Nothing that commits is skipped, however late, and what depends on each other comes in order."""

from __future__ import annotations

import random
from contextlib import AsyncExitStack

import pytest

from overworld.platform.eventlog import store
from overworld.platform.eventlog.types import START

from .conftest import Noted

TOPICS = frozenset({Noted.topic})


async def read_all(database, after=START, batches_max=1000):
    async with database.read() as tx:
        return await store.read(tx, after=after, topics=TOPICS, batches_max=batches_max)


def numbers(batches):
    return [event.decode().n for batch in batches for event in batch.events]


async def test_what_commits_late_holds_back_what_committed_before_it(rig):
    """A plain `id > cursor` would read 2, move past 1, and lose it."""
    async with AsyncExitStack() as open_transactions:
        old = await open_transactions.enter_async_context(rig.database.transaction())
        await rig.append(old, Noted(n=1))
        await rig.publish(Noted(n=2))
        assert await read_all(rig.database) == []
    assert numbers(await read_all(rig.database)) == [1, 2]


async def test_an_older_writer_of_other_tables_holds_back_too(rig):
    """Its transaction id is taken, so it could still write into the log below what is there."""
    async with rig.database.transaction() as old:
        await old.execute("SELECT pg_current_xact_id()")
        await rig.publish(Noted(n=1))
        assert await read_all(rig.database) == []
        await rig.append(old, Noted(n=2))
    assert numbers(await read_all(rig.database)) == [1, 2]


async def test_an_open_reader_holds_back_nothing(rig):
    async with rig.database.transaction() as reader:
        await reader.fetchval("SELECT count(*) FROM eventlog.outbox")
        await rig.publish(Noted(n=1))
        assert numbers(await read_all(rig.database)) == [1]


async def test_writers_that_met_on_a_row_come_in_the_order_of_their_commits(rig):
    """The later one may have the lower transaction id, when it wrote something else before it had to wait."""
    async with rig.database.transaction() as tx:
        await tx.execute("CREATE TABLE eventlog.player AS SELECT n, 0 AS score FROM generate_series(1, 2) AS n")
    hit = "UPDATE eventlog.player SET score = score + 1 WHERE n = $1"
    async with AsyncExitStack() as bystander_open, AsyncExitStack() as second_open:
        second = await second_open.enter_async_context(rig.database.transaction())
        await second.execute(hit, 2)
        bystander = await bystander_open.enter_async_context(rig.database.transaction())
        await bystander.execute("SELECT pg_current_xact_id()")
        async with rig.database.transaction() as first:
            await first.execute(hit, 1)
            await rig.append(first, Noted(n=1))
        await second.execute(hit, 1)
        await rig.append(second, Noted(n=2))
        await second_open.aclose()
        seen = await read_all(rig.database, batches_max=1)
        await bystander_open.aclose()
    seen += await read_all(rig.database, after=seen[-1].position if seen else START)
    assert numbers(seen) == [1, 2]


async def test_events_of_a_transaction_keep_their_order(rig):
    async with rig.database.transaction() as tx:
        await rig.append(tx, Noted(n=1), Noted(n=2))
        await rig.append(tx, Noted(n=3))
    assert numbers(await read_all(rig.database)) == [1, 2, 3]


async def test_what_rolls_back_was_never_there(rig):
    with pytest.raises(ZeroDivisionError):
        async with rig.database.transaction() as tx:
            await rig.append(tx, Noted(n=1))
            raise ZeroDivisionError
    await rig.publish(Noted(n=2))
    assert numbers(await read_all(rig.database)) == [2]


async def test_nothing_appended_is_no_row(rig):
    await rig.publish()
    assert await read_all(rig.database) == []


async def test_an_oversized_batch_is_refused(rig):
    with pytest.raises(ValueError, match="10001 events"):
        await rig.publish(*[Noted(n=0)] * 10_001)


class Writer:
    """One transaction at a time, step by step: take an id, append, append again, then commit or roll back."""

    def __init__(self, rig) -> None:
        self._rig = rig
        self._stack: AsyncExitStack | None = None
        self._pending: list[int] = []

    async def step(self, dice: random.Random, n: int) -> list[int]:
        """Does one thing; gives what it committed."""
        if self._stack is None:
            self._stack = AsyncExitStack()
            self._tx = await self._stack.enter_async_context(self._rig.database.transaction())
            return []
        action = dice.choice(["touch", "append", "append", "append", "commit", "commit", "roll back"])
        if action == "touch":
            await self._tx.execute("SELECT pg_current_xact_id()")
        elif action == "append":
            await self._rig.append(self._tx, Noted(n=n))
            self._pending.append(n)
        else:
            return await self.end(commit=action == "commit")
        return []

    async def end(self, *, commit: bool) -> list[int]:
        stack, self._stack = self._stack, None
        done, self._pending = self._pending, []
        if stack is None:
            return []
        if commit:
            await stack.aclose()
            return done
        error = InterruptedError("rolled back on purpose")
        with pytest.raises(InterruptedError):
            await stack.__aexit__(type(error), error, None)
            raise error
        return []


@pytest.mark.parametrize("seed", range(6))
async def test_a_reader_gets_every_committed_event_once_whatever_the_interleaving(rig, seed):
    dice = random.Random(seed)
    writers = [Writer(rig) for _ in range(4)]
    committed: list[int] = []
    seen: list[int] = []
    position = START
    for n in range(200):
        committed += await dice.choice(writers).step(dice, n)
        if dice.random() < 0.3:
            batches = await read_all(rig.database, after=position, batches_max=dice.randint(1, 4))
            position = batches[-1].position if batches else position
            seen += numbers(batches)
    for writer in writers:
        committed += await writer.end(commit=True)
    seen += numbers(await read_all(rig.database, after=position))
    assert len(committed) > 15
    assert sorted(seen) == sorted(committed)
