"""The consumer as servers run it: on the log itself, with standbys, crashes and staff who make quests meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from overworld.app.quest_loops import consumer_of
from overworld.domains.gameplay.messages import LevelReached
from overworld.domains.gameplay.quests.jobs import EndingLoop
from overworld.domains.gameplay.quests.messages import QuestBody
from overworld.domains.gameplay.quests.types import QuestSettings
from overworld.kernel.events import Envelope
from overworld.platform.eventlog import EventLog
from overworld.platform.eventlog.settings import EventLogSettings
from tests.audited import staff
from tests.domains.gameplay.quests.hall import ANN, BEN, STAFF, rules

TODAY = 20605
DAILY = rules({"kind": "collect", "count": 100}, type="daily")
QUICK = EventLogSettings(takeover_ms=10, backoff_first_ms=1, events_max=7, batches_max=3)


@asynccontextmanager
async def opened_log(hall) -> AsyncIterator[EventLog]:
    log = EventLog(hall.database, clock=hall.clock, settings=QUICK)
    await log.start()
    yield log
    await log.close()


async def publish(hall, *events) -> None:
    """Writes each into the log in a transaction of its own."""
    for event in events:
        async with hall.database.transaction() as tx:
            await hall.outbox.append(tx, [event], at=hall.clock.now())


async def until(hall, key, counts) -> None:
    async with asyncio.timeout(20):
        while (await hall.rows()).get(key) != (1, counts):  # noqa: ASYNC110 - the database tells nobody
            await asyncio.sleep(0.005)  # pace: a row that another task writes tells nobody


@pytest.mark.slow
async def test_slices_that_are_delivered_again_after_a_crash_count_once(hall):
    """The handler fails after its commit, as if the process died before it saved its place; then another one reads."""
    server, standby = [await hall.server(daily=DAILY) for _ in range(2)]
    crashes = 0

    async def crashing(envelopes: Sequence[Envelope]) -> None:
        nonlocal crashes
        await server.folding.fold(envelopes)
        crashes += 1
        if crashes % 2:
            raise ConnectionError("gone")

    events = [hall.collects(player).decode() for player in (ANN, BEN) for _ in range(25)]
    async with opened_log(hall) as log:
        first, second = consumer_of(server, log, fold=crashing), consumer_of(standby, log)
        tasks = [asyncio.create_task(first.run())]
        await publish(hall, *events[:30])
        async with asyncio.timeout(20):
            while not crashes:  # noqa: ASYNC110
                await asyncio.sleep(0.005)  # pace: a row that another task writes tells nobody
        tasks.append(asyncio.create_task(second.run()))
        first.stop()
        await publish(hall, *events[30:])
        for player in (ANN, BEN):
            await until(hall, (player, "daily", TODAY), [25])
        second.stop()
        await asyncio.gather(*tasks)
        assert await log.dead_letters("quests") == []
    assert second.handled > 0


@pytest.mark.slow
async def test_a_topic_that_staff_ask_for_is_read_from_then_on(hall):
    server = await hall.server(daily=DAILY)
    climb = rules({"kind": "event", "topic": LevelReached.topic, "count": 2})
    async with opened_log(hall) as log:
        consumer = consumer_of(server, log)
        task = asyncio.create_task(consumer.run())
        assert LevelReached.topic not in consumer.topics
        await server.starting.make(QuestBody(id="climb", quest=climb, players=(ANN,)), by=STAFF, staff=staff(STAFF))
        async with asyncio.timeout(20):
            while LevelReached.topic not in consumer.topics:  # noqa: ASYNC110
                await asyncio.sleep(0.005)  # pace: a row that another task writes tells nobody
        await publish(hall, hall.rises(ANN, 2).decode())
        await until(hall, (ANN, "climb", 0), [1])
        consumer.stop()
        await task


async def test_a_run_fails_when_the_log_was_read_past_its_end_and_late_events_had_their_time(hall):
    server = await hall.server(daily=DAILY)
    await server.folding.fold([hall.collects(ANN)])
    read_until = hall.clock.now()

    async def folded_until():
        return read_until

    loop = EndingLoop(server.ending, clock=hall.clock, folded_until=folded_until, settings=QuestSettings(settle_s=10.0))
    midnight = hall.clock.now() + timedelta(hours=12)
    states = []
    for now, read in ((9, 9), (10, -1), (10, 0)):
        hall.clock.advance(midnight + timedelta(seconds=now) - hall.clock.now())
        read_until = midnight + timedelta(seconds=read)
        await loop.once()
        states.append((await hall.rows())[ANN, "daily", TODAY][0])
    assert states == [1, 1, 3]
