"""Readers go on in the traces of the events that they are handed."""

from __future__ import annotations

import logging

import pytest

from overworld.kernel import tracing
from overworld.kernel.tracing import Trace
from overworld.platform.eventlog.traced import apart, place_of
from tests.kernel.test_tracing import Kept
from tests.platform.eventlog.conftest import Noted, Sink, eventually

A, B = Trace("a" * 32, "1" * 16, True), Trace("b" * 32, "2" * 16, False)


class Places(Sink):
    """A handler that notes where it stood."""

    def __init__(self) -> None:
        super().__init__()
        self.places: list[Trace | None] = []

    async def __call__(self, events):
        self.places.append(tracing.here())
        await super().__call__(events)


@pytest.fixture
def kept():
    kept = Kept()
    with tracing.recording(kept):
        yield kept


async def test_an_event_keeps_the_place_of_what_made_it_true_recorded_or_not(rig):
    sink = Places()
    with tracing.at(B):
        await rig.publish(Noted(n=1))
    rig.run(rig.log.consumer("c", topics=[Noted.topic], handle=sink))
    await sink.until(1)
    assert sink.places == [B]


async def test_a_consumer_goes_on_below_the_append(rig, kept):
    sink = Places()
    with tracing.at(A):
        await rig.publish(Noted(n=1))
    rig.run(rig.log.consumer("c", topics=[Noted.topic], handle=sink))
    await sink.until(1)

    async def handled() -> bool:
        return bool(kept.named("consume c"))

    await eventually(handled)
    [append], [consumed] = kept.named("append"), kept.named("consume c")
    assert (append.parent_id, consumed.parent_id) == (A.span_id, append.trace.span_id)
    assert sink.places == [consumed.trace]
    assert consumed.attributes == {"consumer": "c", "events": 1, "topic": Noted.topic}


async def test_a_tail_is_handed_recorded_events_apart_in_order(rig, kept):
    sink = Places()
    rig.run(await rig.log.tail(topics=[Noted.topic], handle=sink))
    async with rig.database.transaction() as tx:
        for n, place in enumerate([B, B, A, B]):
            with tracing.at(place):
                await rig.append(tx, Noted(n=n))
    assert await sink.until(4) == [0, 1, 2, 3]
    assert sink.sizes == [2, 1, 1]


async def test_what_is_said_of_an_event_that_fails_names_its_trace(rig, caplog):
    def fail(n: int) -> Exception | None:
        return ValueError("no") if n == 1 else None

    noted: list[tuple[str, str | None]] = []

    class Note(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            place = tracing.here()
            noted.append((record.levelname, place.trace_id if place else None))

    logger, handler = logging.getLogger("overworld.platform.eventlog.consumer"), Note()
    logger.addHandler(handler)
    try:
        with tracing.at(B):
            await rig.publish(Noted(n=1))
        sink = Sink(fail)
        consumer = rig.log.consumer("c", topics=[Noted.topic], handle=sink)
        rig.run(consumer)

        async def buried() -> bool:
            return bool(await rig.log.dead_letters("c"))

        await eventually(buried)
    finally:
        logger.removeHandler(handler)
    assert noted == [("WARNING", B.trace_id)] * 2 + [("ERROR", B.trace_id)]
    [letter] = await rig.log.dead_letters("c")
    assert place_of(letter.envelope) == B


async def test_without_a_recorder_events_stay_together(rig):
    sink = Sink()
    with tracing.at(A):
        await rig.publish(Noted(n=1), Noted(n=2))
    rig.run(rig.log.consumer("c", topics=[Noted.topic], handle=sink))
    await sink.until(2)
    assert sink.sizes == [2]
    assert apart([]) == [[]]
