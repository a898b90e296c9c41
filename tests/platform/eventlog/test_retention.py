"""Days are made ahead and dropped behind, never with an event that a consumer has not passed."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from overworld.platform.eventlog import first_time

from .conftest import Noted, Sink, eventually

NOTES = [Noted.topic]

_DAYS = """
SELECT relname FROM pg_class JOIN pg_inherits ON inhrelid = pg_class.oid
WHERE inhparent = 'eventlog.outbox'::regclass ORDER BY relname"""


async def days(rig):
    async with rig.database.read() as tx:
        return [row["relname"].removeprefix("outbox_") for row in await tx.fetch(_DAYS)]


async def count(rig, table):
    async with rig.database.read() as tx:
        return await tx.fetchval(f"SELECT count(*) FROM eventlog.{table}")  # noqa: S608 - table names of this file


async def consume_all(rig, name):
    async def caught_up():
        return any(lag.consumer == name and lag.batches_behind == 0 for lag in await rig.log.lag())

    consumer = rig.log.consumer(name, topics=NOTES, handle=Sink())
    task = rig.run(consumer)
    await eventually(caught_up)
    consumer.stop()
    await task


async def test_today_and_the_days_ahead_have_partitions(rig):
    assert await days(rig) == ["20260601", "20260602", "20260603", "20260604", "other"]


async def test_an_old_day_is_dropped_once_every_consumer_has_passed_it(rig):
    await rig.publish(Noted(n=1))
    await consume_all(rig, "c")
    rig.clock.advance(timedelta(days=8))
    await rig.log.maintain()
    assert "20260601" not in await days(rig)
    assert await count(rig, "outbox") == 0


async def test_a_day_that_a_consumer_has_not_passed_stays_until_it_is_forgotten(rig):
    await consume_all(rig, "slow")
    await rig.publish(Noted(n=1))
    await consume_all(rig, "quick")
    rig.clock.advance(timedelta(days=30))
    await rig.log.maintain()
    assert (await days(rig))[0] == "20260601"
    assert await rig.log.forget("slow")
    await rig.log.maintain()
    assert (await days(rig))[0] == "20260701"


async def test_a_young_day_stays_although_it_was_read(rig):
    await rig.publish(Noted(n=1))
    await consume_all(rig, "c")
    rig.clock.advance(timedelta(days=7))
    await rig.log.maintain()
    assert await count(rig, "outbox") == 1


async def test_events_of_a_day_without_partition_are_kept_and_moved_into_it(rig):
    await rig.log.maintain()
    rig.clock.advance(timedelta(days=5))
    await rig.publish(Noted(n=1))
    assert await count(rig, "outbox_other") == 1
    await rig.log.maintain()
    assert (await count(rig, "outbox_other"), await count(rig, "outbox_20260606")) == (0, 1)
    sink = Sink()
    rig.run(rig.log.consumer("c", topics=NOTES, handle=sink))
    assert await sink.until(1) == [1]


async def test_marks_of_old_events_are_forgotten(rig, ids):
    async with rig.database.transaction() as tx:
        await first_time(tx, "c", [ids()])
        rig.clock.advance(timedelta(days=8))
        await first_time(tx, "c", [ids()])
    await rig.log.maintain()
    assert await count(rig, "handled") == 1


async def test_a_log_restored_into_another_cluster_goes_on_without_a_loss(rig):
    """There, transaction ids begin low again, so every stamp of the old cluster would lie in the future."""
    await rig.publish(Noted(n=1))
    await consume_all(rig, "c")
    await rig.publish(Noted(n=2))
    await rig.publish(Noted(n=3))
    async with rig.database.transaction() as tx:
        await tx.execute("UPDATE eventlog.outbox SET stamp = (stamp::text::bigint + 1000000000)::text::xid8")
        await tx.execute("UPDATE eventlog.cursor SET stamp = (stamp::text::bigint + 1000000000)::text::xid8")
    await rig.log.maintain()
    await rig.publish(Noted(n=4))
    sink = Sink()
    rig.run(rig.log.consumer("c", topics=NOTES, handle=sink))
    assert await sink.until(3) == [2, 3, 4]


async def test_a_day_made_while_events_of_it_are_being_written_loses_none_and_fails_none(rig):
    """After a pause in maintenance today has no table yet; whoever writes meanwhile must not meet a closed door."""
    rig.clock.advance(timedelta(days=30))
    async with rig.database.transaction() as tx:
        await rig.append(tx, Noted(n=1))
        maintaining = asyncio.create_task(rig.log.maintain())
        await eventually(lambda: waits_for_locks(rig, 1))
        writing = asyncio.create_task(rig.publish(Noted(n=2)))
        await eventually(lambda: waits_for_locks(rig, 2))
    await asyncio.gather(maintaining, writing)
    assert (await count(rig, "outbox_20260701"), await count(rig, "outbox_other")) == (2, 0)


async def waits_for_locks(rig, n):
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    async with rig.database.read() as tx:
        return await tx.fetchval(waiting) == n
