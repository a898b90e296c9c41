"""A long transaction elsewhere delays events and loses none, and is seen: by the figures that the alerts ask for."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from overworld.platform.eventlog.watch import watched
from tests.platform.eventlog.conftest import Noted, Sink


async def look(rig):
    async with rig.database.read() as tx:
        return await watched(tx, at=rig.clock.now())


async def test_a_long_transaction_delays_events_loses_none_and_is_seen(rig):
    sink = Sink()
    rig.run(rig.log.consumer("c", topics=[Noted.topic], handle=sink))
    await rig.publish(Noted(n=0))
    await sink.until(1)
    async with asyncio.timeout(10):
        while (await look(rig)).behind["c"]:  # the event is noted before what was read is kept
            pass
    other = await rig.database.connect()
    try:
        holding = other.transaction()
        await holding.start()
        await other.execute("CREATE TABLE somebody_writes ()")
        await rig.publish(Noted(n=1))
        await rig.publish(Noted(n=2), Noted(n=3))
        rig.clock.advance(timedelta(seconds=90))
        seen = await look(rig)
        assert (seen.held_batches, seen.held_s) == (2, 90.0)
        assert seen.transaction_s > 0
        assert (seen.behind["c"], seen.lags[0].behind_s) == (3.0, 90.0)
        assert sink.numbers == [0]
        await holding.commit()
    finally:
        await other.close()
    assert await sink.until(4) == [0, 1, 2, 3]
    seen = await look(rig)
    assert (seen.held_batches, seen.held_s, seen.transaction_s) == (0, 0.0, 0.0)


async def test_what_a_consumer_has_not_read_is_counted_in_events(rig):
    sink = Sink()
    task = rig.run(rig.log.consumer("idle", topics=[Noted.topic], handle=sink))
    await rig.publish(Noted(n=0))
    await sink.until(1)
    task.cancel()
    await asyncio.wait([task])
    await rig.publish(*(Noted(n=n) for n in range(7)))
    assert (await look(rig)).behind["idle"] >= 7
