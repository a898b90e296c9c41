"""What every log keeps, whichever it is: the same facts on PostgreSQL's own and on a real Kafka broker."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any

import pytest

from overworld.kernel.refusals import Fault
from overworld.platform.eventlog.failing import EventFailed
from overworld.platform.eventlog.types import Which
from tests.platform.eventlog.conftest import PATIENCE_S, Dropped, Noted, Sink, eventually

from .conftest import Moved, Steps

MOVES = [Moved.topic]
KEYS = "abcde"


async def walk(rig, count, *, first=0):
    """Each key moves on step by step; a few of them in a batch."""
    for n in range(first, first + count):
        await rig.publish(*[Moved(whose=key, n=n) for key in KEYS])


async def test_events_of_one_key_come_in_order_and_none_is_missing(rig):
    steps = Steps()
    rig.run(rig.log.consumer("c", topics=MOVES, handle=steps))
    await walk(rig, 30)
    await steps.until(30 * len(KEYS))
    assert steps.of == {key: list(range(30)) for key in KEYS}


async def test_a_new_consumer_begins_with_the_oldest_event_and_gets_its_topics_only(rig):
    await rig.publish(Dropped(n=1), Noted(n=2), Dropped(n=3))
    await rig.publish(Noted(n=4))
    sink = Sink()
    rig.run(rig.log.consumer("c", topics=[Noted.topic], handle=sink))
    await sink.until(2)
    assert sorted(sink.numbers) == [2, 4]


async def test_a_consumer_goes_on_where_it_stopped_and_after_it_is_forgotten_from_the_beginning(rig):
    async def run_until(count):
        steps = Steps()
        consumer = rig.log.consumer("c", topics=MOVES, handle=steps)
        task = rig.run(consumer)
        await steps.until(count)
        consumer.stop()
        await task
        return steps.of["a"]

    await walk(rig, 2)
    assert await run_until(2 * len(KEYS)) == [0, 1]
    await walk(rig, 2, first=2)
    assert await run_until(2 * len(KEYS)) == [2, 3]
    assert await rig.log.forget("c")
    assert await run_until(4 * len(KEYS)) == [0, 1, 2, 3]


async def test_a_poison_event_becomes_a_dead_letter_with_its_reason_and_the_others_go_on_in_order(rig):
    steps = Steps(fails=lambda event: ValueError("will not do") if (event.whose, event.n) == ("b", 3) else None)
    told: asyncio.Queue[Any] = asyncio.Queue()

    async def tell(events):
        for event in events:
            told.put_nowait(event.decode())

    rig.run(rig.log.consumer("c", topics=MOVES, handle=steps))
    rig.run(rig.log.consumer("failures", topics=[EventFailed.topic], handle=tell))
    await walk(rig, 6)
    await steps.until(6 * len(KEYS) - 1)
    assert steps.of["b"] == [0, 1, 2, 4, 5]
    assert steps.of["a"] == list(range(6))
    async with asyncio.timeout(20):
        failed = await told.get()
    [letter] = await rig.log.dead_letters("c")
    assert (failed.consumer, failed.event_id, failed.event_topic) == ("c", letter.event_id, Moved.topic)
    assert (failed.attempts, "will not do" in failed.error, failed.data) == (3, True, '{"whose":"b","n":3}')
    steps.fails = lambda event: None
    async with rig.database.transaction() as tx:
        [replay] = await rig.log.desk.replay(tx, Which(consumer="c"), at=rig.clock.now())
    assert (replay.letters, replay.reads) == (1, True)
    await steps.until(6 * len(KEYS))
    assert steps.of["b"] == [0, 1, 2, 4, 5, 3]
    await eventually(lambda: has_none(rig, "c"))


async def has_none(rig, consumer):
    return await rig.log.dead_letters(consumer) == []


async def test_what_is_down_is_waited_for_however_long_and_stopping_does_not_wait(rig):
    answers = iter([Fault()] * 12)
    steps = Steps(fails=lambda event: next(answers, None))
    consumer = rig.log.consumer("c", topics=MOVES, handle=steps)
    task = rig.run(consumer)
    await walk(rig, 1)
    await steps.until(len(KEYS))
    assert await rig.log.dead_letters("c") == []
    steps.fails = lambda event: Fault()
    retried = consumer.retried
    await walk(rig, 1, first=1)
    await eventually(lambda: is_more(consumer, retried))
    consumer.stop()
    async with asyncio.timeout(PATIENCE_S):
        await task
    [lag] = await rig.log.lag_of("c")
    assert lag.batches_behind > 0


async def is_more(consumer, retried):
    return consumer.retried > retried


async def test_events_in_hand_of_a_process_that_dies_come_again(rig):
    entered = asyncio.Event()

    async def hang(events):
        entered.set()
        await asyncio.Event().wait()

    dying = rig.run(rig.log.consumer("c", topics=MOVES, handle=hang))
    await walk(rig, 3)
    async with asyncio.timeout(20):
        await entered.wait()
    dying.cancel()
    steps = Steps()
    rig.run(rig.log.consumer("c", topics=MOVES, handle=steps))
    await steps.until(3 * len(KEYS))
    assert steps.of == {key: [0, 1, 2] for key in KEYS}


@pytest.mark.slow
async def test_consumers_that_come_and_go_while_events_flow_lose_none_and_keep_the_order_of_each_key(rig):
    """At least once: an event that comes again comes after it came before, and then all that follow it do too."""
    steps, dice = Steps(), random.Random(3)
    running = {}

    def join():
        consumer = rig.log.consumer("c", topics=MOVES, handle=steps)
        running[consumer] = rig.run(consumer)

    async def leave():
        consumer = dice.choice(list(running))
        task = running.pop(consumer)
        if dice.random() < 0.5:
            consumer.stop()
        else:
            task.cancel()
        await asyncio.wait([task])

    join()
    for n in range(8):
        await walk(rig, 10, first=10 * n)
        if len(running) < 2:
            join()
        elif n % 2:
            await leave()
        await steps.until(10 * n * len(KEYS) // 2)
    await steps.until_all({key: set(range(80)) for key in KEYS})
    for numbers in steps.of.values():
        assert first_times(numbers) == list(range(80))


def first_times(numbers):
    return list(dict.fromkeys(numbers))


async def test_the_effects_of_a_fold_happen_once_whoever_dies_or_is_cut_off(rig):
    await rig.make_totals()
    for n in range(3):
        running = [rig.run(rig.log.fold("f", topics=MOVES, apply=rig.add)) for _ in range(2)]
        await walk(rig, 8, first=8 * n)
        await rig.totalled(at_least=8 * n * len(KEYS) + 1)
        await rig.cut_sessions()
        running[n % 2].cancel()
        await walk(rig, 2, first=100 + 2 * n)
        running[1 - n % 2].cancel()
        await asyncio.wait(running)
    rig.run(rig.log.fold("f", topics=MOVES, apply=rig.add))
    assert await rig.totalled(at_least=30 * len(KEYS)) == 30 * len(KEYS)
    await eventually(lambda: rig.is_caught_up("f"))
    assert await rig.counts() == Counter({(key, n): 1 for key in KEYS for n in [*range(24), *range(100, 106)]})


async def test_a_fold_that_is_to_end_just_as_its_session_is_cut_ends(rig):
    sessions: asyncio.Queue[Any] = asyncio.Queue()

    async def hang(tx, events):
        sessions.put_nowait(tx)
        await asyncio.Event().wait()

    task = rig.run(rig.log.fold("f", topics=MOVES, apply=hang))
    await walk(rig, 1)
    async with asyncio.timeout(20):
        session = await sessions.get()
    await rig.cut_sessions()
    await eventually(lambda: is_cut(session))
    task.cancel()
    ended, _ = await asyncio.wait([task], timeout=20)
    assert (len(ended), task.cancelled()) == (1, True)


async def is_cut(session):
    return session.is_closed()


async def test_a_poison_event_of_a_fold_is_given_up_and_all_others_count_once(rig):
    await rig.make_totals()

    async def add(tx, events):
        await rig.add(tx, events)
        if any((event.decode().whose, event.decode().n) == ("c", 2) for event in events):
            raise ValueError("poison")

    rig.run(rig.log.fold("f", topics=MOVES, apply=add))
    await walk(rig, 5)
    await eventually(lambda: rig.log.dead_letters("f"))
    await rig.totalled(at_least=5 * len(KEYS) - 1)
    assert await rig.counts() == Counter({(key, n): 1 for key in KEYS for n in range(5)} | {("c", 2): 0}) - Counter()


async def test_what_stands_beside_a_poison_event_of_a_fold_has_all_its_tries(rig):
    """Events that were published apart are told apart in the end, however many of them came together."""
    await rig.make_totals()
    failed: Counter[int] = Counter()

    async def apply(tx, events):
        numbers = [event.decode().n for event in events]
        if 7 in numbers or (len(numbers) == 1 and failed[numbers[0]] < 2):
            failed[numbers[0]] += 1
            raise ValueError("poison, or a bad moment")
        await rig.add(tx, events)

    for n in range(12):
        await rig.publish(Moved(whose="a", n=n))
    await rig.settled()
    fold = rig.log.fold("f", topics=[Moved.topic], apply=apply)
    rig.run(fold)
    assert await rig.totalled(at_least=11) == 11
    await eventually(lambda: rig.is_caught_up("f"))
    assert fold.buried == 1
    [letter] = await rig.log.dead_letters("f")
    assert letter.envelope.decode().n == 7


@pytest.mark.slow
async def test_a_log_that_goes_away_and_comes_back_goes_on_without_a_loss(rig):
    steps = Steps()
    rig.run(rig.log.consumer("c", topics=MOVES, handle=steps))
    await walk(rig, 5)
    await steps.until(5 * len(KEYS))
    await rig.cut_log()
    await walk(rig, 5, first=5)
    await steps.until_all({key: set(range(10)) for key in KEYS})
    assert [first_times(numbers) for numbers in steps.of.values()] == [list(range(10))] * len(KEYS)


async def test_lag_counts_what_is_unread(rig):
    steps = Steps()
    consumer = rig.log.consumer("c", topics=MOVES, handle=steps)
    task = rig.run(consumer)
    await walk(rig, 1)
    await steps.until(len(KEYS))
    await eventually(lambda: rig.is_caught_up("c"))
    consumer.stop()
    await task
    await walk(rig, 2, first=1)
    await rig.settled()
    [lag] = await rig.log.lag_of("c")
    assert (lag.batches_behind > 0, lag.dead_letters) == (True, 0)
