"""Which movements are told, with how many metres, and how they reach the log."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from overworld.domains.world.messages import LocationUpdated, MovementRejected
from overworld.kernel.clock import FixedClock
from overworld.kernel.ids import IdSource
from overworld.kernel.refusals import Fault
from overworld.platform.eventlog import SCHEMA, PostgresOutbox
from tests.domains.world.conftest import START
from tests.domains.world.journeys import HOME


class Log:
    """A database and an outbox that remember what was committed, and can be down."""

    def __init__(self):
        self.events: list[Any] = []
        self.down = False

    @asynccontextmanager
    async def transaction(self):
        pending: list[Any] = []
        yield pending
        if self.down:
            raise Fault("the database is gone")
        self.events += pending

    async def append(self, tx, events: Sequence[Any], *, at: datetime):
        tx.extend(events)


@pytest.fixture
def log():
    return Log()


@pytest.fixture
async def told(open_field, log):
    """Windows of how players moved are left out; `test_observing` has them."""
    return open_field(database=log, outbox=log, observe_s=0)


async def written(field, log):
    await field.parts.events.write()
    events, log.events = log.events, []
    return events


async def test_the_first_fix_is_told_with_no_metres(told, log):
    await told.stand(1, accuracy_m=7)
    (event,) = await written(told, log)
    assert isinstance(event, LocationUpdated)
    assert (event.player_id, event.metres, event.accuracy_m) == (UUID(int=1), 0.0, 7.0)
    assert (event.lat_deg, event.lng_deg) == pytest.approx(HOME)
    assert event.recorded_at == told.clock.now()


async def test_a_walk_is_told_every_25_metres_with_all_its_metres(told, log):
    await told.stand(1, accuracy_m=3)
    for k in range(1, 101):
        told.wait(5)
        assert (await told.stand(1, 7 * k, accuracy_m=3)).accepted
    events = await written(told, log)
    assert 20 < len(events) < 30
    assert all(25 <= event.metres < 33 for event in events[1:])
    assert sum(event.metres for event in events) == pytest.approx(700, abs=28)


async def test_rest_is_told_every_60_seconds_and_walks_no_metres(told, log):
    for k in range(25):
        await told.stand(1, (-1) ** k * 8)
        told.wait(30)
    events = await written(told, log)
    assert len(events) == 13
    assert sum(event.metres for event in events) == 0


async def test_a_walk_slower_than_the_accuracy_loses_no_metres(told, log):
    """2 m every half minute is rest each time, and 50 m after a quarter of an hour."""
    for k in range(41):
        await told.stand(1, 2 * k)
        told.wait(30)
    events = await written(told, log)
    assert sum(event.metres for event in events) == pytest.approx(80, abs=26)


async def test_settling_at_another_place_walks_no_metres(told, log):
    await told.stand(1)
    for k in range(6):
        told.wait(140)
        await told.stand(1, 4_000_000 + k)
    moved = [event for event in await written(told, log) if isinstance(event, LocationUpdated)]
    assert len(moved) >= 2
    assert sum(event.metres for event in moved) == 0


async def test_refusals_are_told_at_most_every_ten_seconds_with_their_number(told, log):
    await told.stand(1)
    for _ in range(25):
        told.wait(1)
        await told.stand(1, mock=True)
    told.wait(1)
    await told.stand(2, mock=True)
    refused = [event for event in await written(told, log) if isinstance(event, MovementRejected)]
    assert [(event.player_id.int, event.reason, event.count) for event in refused] == [
        (1, "mock", 1),
        (1, "mock", 10),
        (1, "mock", 10),
        (2, "mock", 1),
    ]


async def test_events_that_could_not_be_written_wait_for_the_next_time(told, log):
    await told.stand(1)
    log.down = True
    with pytest.raises(Fault):
        await told.parts.events.write()
    assert told.parts.events.waiting == 1
    log.down = False
    assert len(await written(told, log)) == 1
    assert await written(told, log) == []


async def test_more_events_than_may_wait_are_dropped_and_counted(open_field, log):
    field = open_field(database=log, outbox=log, events_waiting_max=3)
    for player in range(1, 6):
        await field.stand(player)
    assert field.parts.events.dropped == 2
    assert len(await written(field, log)) == 3


async def test_stopping_writes_the_last_events(told, log):
    await told.parts.start()
    await told.stand(1)
    await told.parts.stop()
    assert len(log.events) == 1


async def test_stopping_with_the_database_gone_counts_what_is_lost(told, log):
    await told.parts.start()
    await told.stand(1)
    log.down = True
    await told.parts.stop()
    assert told.parts.events.dropped == 1


async def test_events_lie_in_the_log_as_others_read_them(open_database, open_field):
    """One batch is one row, whatever the number of events in it."""
    async with open_database(SCHEMA) as database:
        clock = FixedClock(START)
        outbox = PostgresOutbox(ids=IdSource(clock.now_us))
        field = open_field(database=database, outbox=outbox)
        await field.stand(1)
        await field.stand(2, mock=True)
        await field.parts.events.write()
        async with database.read() as tx:
            rows = await tx.fetch("SELECT topics FROM eventlog.outbox")
        assert [sorted(row["topics"]) for row in rows] == [["events.location.updated", "events.movement.rejected"]]
