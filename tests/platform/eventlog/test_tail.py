"""Ephemeral readers see what happens from now on."""

from __future__ import annotations

import asyncio

from .conftest import Dropped, Noted, Sink

NOTES = [Noted.topic]


async def test_a_tail_begins_now_and_in_every_reader(rig):
    await rig.publish(Noted(n=1))
    sinks = [Sink(), Sink()]
    for sink in sinks:
        rig.run(await rig.log.tail(topics=NOTES, handle=sink))
    await rig.publish(Dropped(n=2), Noted(n=3))
    for sink in sinks:
        assert await sink.until(1) == [3]


async def test_a_tail_sees_what_was_open_when_it_began(rig):
    sink = Sink()
    async with rig.database.transaction() as tx:
        await rig.append(tx, Noted(n=1))
        rig.run(await rig.log.tail(topics=NOTES, handle=sink))
    assert await sink.until(1) == [1]


async def test_a_failing_handler_is_passed_over(rig):
    sink = Sink(fails=lambda n: ValueError("no") if n == 1 else None)
    tail = await rig.log.tail(topics=NOTES, handle=sink)
    rig.run(tail)
    await rig.publish(Noted(n=1))
    while tail.failed == 0:
        await rig.publish(Dropped(n=0))
    await rig.publish(Noted(n=2))
    assert await sink.until(1) == [2]
    assert tail.failed == 1


async def test_a_tail_leaves_nothing_behind(rig):
    sink = Sink()
    rig.run(await rig.log.tail(topics=NOTES, handle=sink))
    await rig.publish(Noted(n=1))
    await sink.until(1)
    assert await rig.log.lag() == []


async def test_a_tail_that_is_told_to_end_ends_whatever_its_handler_raises_in_place_of_that(rig):
    begun = asyncio.Event()

    async def handle(_events):
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ConnectionResetError from None

    tail = await rig.log.tail(topics=NOTES, handle=handle)
    task = asyncio.create_task(tail.run())
    await rig.publish(Noted(n=1))
    async with asyncio.timeout(10):
        await begun.wait()
        task.cancel()
        await asyncio.wait([task])
    assert task.cancelled()
    assert tail.failed == 0
