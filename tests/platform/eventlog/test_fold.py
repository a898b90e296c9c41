"""Folds: what an event does to the database, it does once, whoever crashes, stalls or runs beside."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from asyncpg.connection import Connection
from msgspec.structs import replace

from overworld.kernel.events import Envelope
from overworld.kernel.refusals import Fault
from overworld.platform.eventlog import EventLog
from overworld.platform.eventlog.types import Which

from .conftest import FAST, Dropped, Noted, eventually

NOTES = [Noted.topic]


class Sum:
    """Adds what it is handed to a row; `fails` may raise after that, with the numbers in hand."""

    def __init__(self, fails: Any = lambda numbers: None) -> None:
        self.sizes: list[int] = []
        self._fails = fails

    async def __call__(self, tx: Any, events: Sequence[Envelope]) -> None:
        numbers = [event.decode().n for event in events]  # type: ignore[attr-defined]
        await tx.execute("UPDATE public.total SET n = n + $1, events = events + $2", sum(numbers), len(numbers))
        if error := self._fails(numbers):
            raise error
        self.sizes.append(len(numbers))


async def total(rig: Any) -> tuple[int, int]:
    async with rig.database.read() as tx:
        row = await tx.fetchrow("SELECT n, events FROM public.total")
    return row["n"], row["events"]


@pytest.fixture
async def sums(rig):
    async with rig.database.transaction() as tx:
        await tx.execute("CREATE TABLE public.total (n bigint, events bigint)")
        await tx.execute("INSERT INTO public.total VALUES (0, 0)")
    return rig


async def folded(rig: Any, n: int, events: int) -> None:
    async def is_folded() -> bool:
        return await total(rig) == (n, events)

    await eventually(is_folded)


async def passed(rig: Any) -> None:
    async def is_passed() -> bool:
        return any(lag.consumer == "f" and lag.batches_behind == 0 for lag in await rig.log.lag())

    await eventually(is_passed)


async def test_effects_are_added_up_and_other_topics_are_passed(sums):
    sums.run(sums.log.fold("f", topics=NOTES, apply=Sum()))
    for n in range(20):
        await sums.publish(Noted(n=n), Dropped(n=1000))
    await passed(sums)
    assert await total(sums) == (190, 20)


async def test_a_handler_that_fails_after_it_wrote_leaves_nothing_and_is_tried_again(sums):
    failures = iter([ValueError("no"), Fault("down"), ConnectionError("no")])
    for n in range(10):
        await sums.publish(Noted(n=n))
    fold = sums.log.fold("f", topics=NOTES, apply=Sum(lambda _: next(failures, None)))
    sums.run(fold)
    await folded(sums, 45, 10)
    assert (fold.retried, fold.buried) == (3, 0)


async def test_a_poison_event_becomes_a_dead_letter_and_all_others_count_once(sums):
    for n in range(12):
        await sums.publish(Noted(n=n), Noted(n=100 + n))
    fold = sums.log.fold("f", topics=NOTES, apply=Sum(lambda numbers: ValueError("poison") if 5 in numbers else None))
    sums.run(fold)
    await folded(sums, 66 + 1266 - 5, 23)
    await passed(sums)
    [letter] = await sums.log.dead_letters("f")
    assert (letter.envelope.decode().n, fold.buried, fold.handled) == (5, 1, 23)


async def test_a_fold_whose_session_is_cut_again_and_again_counts_everything_once(sums):
    """The server cuts the sessions of both candidates at any moment: within a transaction, before and after it."""
    sums.run(sums.log.fold("f", topics=NOTES, apply=Sum()))
    sums.run(sums.log.fold("f", topics=NOTES, apply=Sum()))
    cut = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
    for n in range(60):
        await sums.publish(Noted(n=n))
        if n % 6 == 5:
            async with sums.database.read() as tx:
                await tx.execute(cut)
    await folded(sums, 1770, 60)
    await passed(sums)
    assert await total(sums) == (1770, 60)


@pytest.mark.slow
async def test_a_fold_that_is_cancelled_anywhere_counts_everything_once(sums):
    for n in range(60):
        await sums.publish(Noted(n=n))
    for turns in range(0, 1_200, 30):
        fold = asyncio.create_task(sums.log.fold("f", topics=NOTES, apply=Sum()).run())
        for _ in range(turns):
            await asyncio.sleep(0)
        fold.cancel()
        await asyncio.gather(fold, return_exceptions=True)
    sums.run(sums.log.fold("f", topics=NOTES, apply=Sum()))
    await passed(sums)
    assert await total(sums) == (1770, 60)


async def test_the_cursor_is_locked_while_events_are_applied(sums):
    """Who locks it too, as a rebuild does, sees the effects of exactly the events that it has passed."""
    gate, inside = asyncio.Event(), asyncio.Event()

    async def wait(tx: Any, events: Sequence[Envelope]) -> None:
        await Sum()(tx, events)
        inside.set()
        await gate.wait()

    sums.run(sums.log.fold("f", topics=NOTES, apply=wait))
    await sums.publish(Noted(n=7))
    await inside.wait()
    async with sums.database.transaction() as tx:
        locked = "SELECT 1 FROM eventlog.cursor WHERE consumer = 'f' FOR UPDATE SKIP LOCKED"
        assert await tx.fetchval(locked) is None
        gate.set()
        await tx.fetchval("SELECT 1 FROM eventlog.cursor WHERE consumer = 'f' FOR UPDATE")
        assert await tx.fetchval("SELECT n FROM public.total") == 7


@pytest.fixture
async def deaf(sums, monkeypatch):
    """A log whose consumers wait for some moments only, and `hears`: while it is false they hear of no commit."""
    log = EventLog(sums.database, clock=sums.clock, settings=replace(FAST, handle_timeout_s=0.3))
    await log.start()
    hears = asyncio.Event()
    execute = Connection.execute

    async def heard(self: Connection, query: str, *args: Any, **options: Any) -> Any:
        done = await execute(self, query, *args, **options)
        if query == "COMMIT;" and self.get_settings().application_name.startswith("consumer "):
            await hears.wait()
        return done

    monkeypatch.setattr(Connection, "execute", heard)
    yield log, hears
    await sums.close()
    await log.close()


async def test_what_was_committed_counts_once_when_the_answer_comes_too_late(sums, deaf):
    log, hears = deaf
    for n in range(10):
        await sums.publish(Noted(n=n))
    fold = log.fold("f", topics=NOTES, apply=Sum())
    sums.run(fold)

    async def has_given_up() -> bool:
        return bool(fold.retried)

    await eventually(has_given_up)
    hears.set()
    await sums.publish(Noted(n=100))
    await passed(sums)
    assert (await total(sums), fold.buried) == ((145, 11), 0)


async def test_a_dead_letter_that_was_committed_counts_once_when_the_answer_comes_too_late(sums, deaf):
    log, hears = deaf
    healed = False
    fold = log.fold("f", topics=NOTES, apply=Sum(lambda numbers: None if healed else ValueError("no")))
    await sums.publish(Noted(n=7))
    hears.set()
    sums.run(fold)

    async def has_failed() -> bool:
        return len(await log.dead_letters("f")) == 1

    await eventually(has_failed)
    hears.clear()
    healed, tried = True, fold.retried
    async with sums.database.transaction() as tx:
        await log.desk.replay(tx, Which(), at=sums.clock.now())

    async def has_given_up() -> bool:
        return bool(fold.retried > tried)

    await eventually(has_given_up)
    hears.set()
    await sums.publish(Noted(n=100))
    await folded(sums, 107, 2)
    assert await log.dead_letters("f") == []
