"""Durable consumers: at least once, in order, one at a time, and no event stops the others."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from overworld.kernel.refusals import Fault
from overworld.platform.eventlog import SCHEMA, EventLog, EventLogSettings, PostgresOutbox, first_time

from .conftest import Dropped, Noted, Sink, eventually

NOTES = [Noted.topic]


async def lag_of(rig, name):
    return next(lag for lag in await rig.log.lag() if lag.consumer == name)


async def caught_up(rig, name):
    await eventually(lambda: _is_caught_up(rig, name))


async def _is_caught_up(rig, name):
    return any(lag.consumer == name and lag.batches_behind == 0 for lag in await rig.log.lag())


async def test_events_come_in_order(rig):
    sink = Sink()
    rig.run(rig.log.consumer("c", topics=NOTES, handle=sink))
    for n in range(20):
        await rig.publish(Noted(n=2 * n), Noted(n=2 * n + 1))
    assert await sink.until(40) == list(range(40))


async def test_a_new_consumer_begins_with_the_oldest_event(rig):
    await rig.publish(Noted(n=1))
    sink = Sink()
    rig.run(rig.log.consumer("c", topics=NOTES, handle=sink))
    assert await sink.until(1) == [1]


async def test_a_consumer_goes_on_where_it_stopped(rig):
    sink = Sink()
    consumer = rig.log.consumer("c", topics=NOTES, handle=sink)
    task = rig.run(consumer)
    await rig.publish(Noted(n=1))
    await sink.until(1)
    consumer.stop()
    await task
    await rig.publish(Noted(n=2))
    rig.run(rig.log.consumer("c", topics=NOTES, handle=sink))
    assert await sink.until(2) == [1, 2]


async def test_topics_that_change_while_it_waits_hold_for_what_comes_next(rig):
    sink = Sink()
    consumer = rig.log.consumer("c", topics=[Dropped.topic], handle=sink)
    rig.run(consumer)
    await rig.publish(Dropped(n=1))
    await sink.until(1)
    await caught_up(rig, "c")
    consumer.topics = frozenset(NOTES)
    await rig.publish(Noted(n=2))
    assert await sink.until(2) == [1, 2]


async def test_only_its_topics_come_and_the_cursor_passes_the_others(rig):
    sink = Sink()
    rig.run(rig.log.consumer("c", topics=NOTES, handle=sink))
    await rig.publish(Dropped(n=1), Noted(n=2), Dropped(n=3))
    await rig.publish(Dropped(n=4))
    assert await sink.until(1) == [2]
    await caught_up(rig, "c")
    assert sink.numbers == [2]


async def test_a_poison_event_becomes_a_dead_letter_and_the_others_go_on_in_order(rig):
    sink = Sink(fails=lambda n: ValueError("will not do") if n == 5 else None)
    await rig.publish(*[Noted(n=n) for n in range(12)])
    await rig.publish(Noted(n=12))
    consumer = rig.log.consumer("c", topics=NOTES, handle=sink)
    rig.run(consumer)
    assert await sink.until(12) == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12]
    await caught_up(rig, "c")
    [letter] = await rig.log.dead_letters("c")
    assert (letter.envelope.decode().n, letter.attempts, letter.topic) == (5, 3, Noted.topic)
    assert "will not do" in letter.error
    assert (consumer.buried, consumer.handled, (await lag_of(rig, "c")).dead_letters) == (1, 12, 1)


async def test_a_dependency_that_is_down_is_waited_for_however_long(rig):
    """More often than `tries`: an outage must not turn a whole log into dead letters."""
    answers = iter([Fault()] * 20)
    sink = Sink(fails=lambda n: next(answers, None))
    rig.run(rig.log.consumer("c", topics=NOTES, handle=sink))
    await rig.publish(Noted(n=1))
    assert await sink.until(1) == [1]
    assert await rig.log.dead_letters("c") == []


async def test_a_large_batch_is_handed_over_in_parts(rig):
    sink = Sink()
    await rig.publish(*[Noted(n=n) for n in range(2500)])
    rig.run(rig.log.consumer("c", topics=NOTES, handle=sink))
    assert await sink.until(2500) == list(range(2500))
    assert sink.sizes == [1000, 1000, 500]


async def test_of_two_runners_one_works_and_the_other_takes_over(rig):
    sinks = [Sink(), Sink()]
    consumers = [rig.log.consumer("c", topics=NOTES, handle=sink) for sink in sinks]
    tasks = [rig.run(consumer) for consumer in consumers]
    await rig.publish(Noted(n=1))
    await eventually(lambda: _is_caught_up(rig, "c"))
    worker = next(i for i, consumer in enumerate(consumers) if consumer.active)
    assert [len(sink.numbers) for sink in sinks] == [1 - worker, worker]
    consumers[worker].stop()
    await tasks[worker]
    await rig.publish(Noted(n=2))
    assert await sinks[1 - worker].until(1) == [2]


_KILL_HOLDERS = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_locks JOIN pg_database ON oid = database
WHERE locktype = 'advisory' AND granted AND datname = current_database()"""


@pytest.mark.slow
async def test_when_the_holders_session_is_killed_another_takes_over_and_nothing_is_lost(rig):
    sinks = [Sink(), Sink()]
    consumers = [rig.log.consumer("c", topics=NOTES, handle=sink) for sink in sinks]
    for consumer in consumers:
        rig.run(consumer)
    for n in range(5):
        await rig.publish(Noted(n=n))
        await caught_up(rig, "c")
        async with rig.database.read() as tx:
            assert len(await tx.fetch(_KILL_HOLDERS)) == 1
    await rig.publish(Noted(n=5))
    await caught_up(rig, "c")
    assert {*sinks[0].numbers, *sinks[1].numbers} == set(range(6))


@pytest.mark.slow
async def test_a_process_without_the_lock_cannot_move_the_cursor(rig):
    """The handler is still at it when its session dies: what it did is repeated, not skipped."""
    entered, leave = asyncio.Event(), asyncio.Event()
    again = Sink()

    async def slow(events):
        entered.set()
        await leave.wait()
        await again(events)

    rig.run(rig.log.consumer("c", topics=NOTES, handle=slow))
    await rig.publish(Noted(n=1))
    await entered.wait()
    async with rig.database.read() as tx:
        await tx.fetch(_KILL_HOLDERS)
    leave.set()
    assert await again.until(2) == [1, 1]


async def test_a_handler_can_tell_what_it_has_done_before(rig, ids):
    first, second = ids(), ids()
    async with rig.database.transaction() as tx:
        assert await first_time(tx, "c", [first, first]) == {first}
    async with rig.database.transaction() as tx:
        assert await first_time(tx, "c", [first, second]) == {second}
        assert await first_time(tx, "d", [first]) == {first}


async def test_stopping_does_not_wait_for_a_handler_that_keeps_failing(rig):
    sink = Sink(fails=lambda n: Fault())
    consumer = rig.log.consumer("c", topics=NOTES, handle=sink)
    task = rig.run(consumer)
    await rig.publish(Noted(n=1))
    await eventually(lambda: _has_retried(consumer))
    consumer.stop()
    async with asyncio.timeout(5):
        await task
    assert (await lag_of(rig, "c")).batches_behind == 1


async def _has_retried(consumer):
    return consumer.retried > 0


async def test_lag_counts_what_is_unread_and_how_old_it_is(rig):
    sink = Sink(fails=lambda n: Fault() if n == 2 else None)
    consumer = rig.log.consumer("c", topics=NOTES, handle=sink)
    rig.run(consumer)
    await rig.publish(Noted(n=1))
    await caught_up(rig, "c")
    assert (await lag_of(rig, "c")).behind_s == 0
    await rig.publish(Noted(n=2))
    await rig.publish(Noted(n=3))
    rig.clock.advance(timedelta(seconds=90))
    lag = await lag_of(rig, "c")
    assert (lag.batches_behind, lag.behind_s, lag.dead_letters) == (2, 90.0, 0)


async def test_many_waiting_readers_cost_one_look(open_database, clock, ids):
    """An idle log must be cheap: the readers of a process share one query."""
    async with open_database(SCHEMA) as database:
        log = EventLog(database, clock=clock, settings=EventLogSettings(poll_ms=60_000))
        await log.start()
        sinks = [Sink() for _ in range(5)]
        consumers = [log.consumer(f"c{i}", topics=NOTES, handle=sink) for i, sink in enumerate(sinks)]
        tasks = [asyncio.create_task(consumer.run()) for consumer in consumers]
        async with database.transaction() as tx:
            await PostgresOutbox(ids=ids).append(tx, [Noted(n=1)], at=clock.now())
        for sink in sinks:
            assert await sink.until(1) == [1]
        assert log.looks <= 4
        for consumer in consumers:
            consumer.stop()
        await asyncio.gather(*tasks)
        await log.close()
