"""What was written last is read once for all readers, and each gets what it would have read for itself."""

from __future__ import annotations

import asyncio
from uuid import UUID

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from overworld.kernel.clock import from_us
from overworld.kernel.events import Envelope, enclose
from overworld.platform.eventlog import EventLog, EventLogSettings, recent, store
from overworld.platform.eventlog.recent import Recent, Written
from overworld.platform.eventlog.types import START, Position

from .conftest import FAST, Dropped, Noted, Sink

TOPICS = [Noted.topic, Dropped.topic]
_wishes = st.sampled_from([None, frozenset(), frozenset(TOPICS[:1]), frozenset(TOPICS[1:]), frozenset(TOPICS)])
# What comes at once: batches of events, how many of them a look takes, and what the readers want by then.
_looks = st.lists(
    st.tuples(
        st.lists(st.lists(st.sampled_from([Noted, Dropped]), max_size=3), max_size=4), st.integers(1, 4), _wishes
    ),
    max_size=8,
)


class Whole:
    """All batches that were ever written, as one who reads for itself finds them."""

    def __init__(self) -> None:
        self.batches: list[tuple[Position, list[Envelope], bytes]] = []

    def write(self, kinds) -> None:
        n = len(self.batches) + 1
        events = [enclose(kind(n=n), id=UUID(int=10 * n + k), at=from_us(n)) for k, kind in enumerate(kinds)]
        self.batches.append((Position(n // 2, n), events, msgspec.json.encode(events)))

    def found(self, after, topics, batches_max):
        later = [(position, events) for position, events, _ in self.batches if position > after]
        return [
            (position, [event.id for event in events if topics is None or event.topic in topics])
            for position, events in later[:batches_max]
        ]

    def written(self, after, wanted):
        """As the query gives them: without what nobody wants."""
        for position, events, encoded in self.batches:
            if position > after:
                topics = sorted({event.topic for event in events})
                is_wanted = wanted is None or not wanted.isdisjoint(topics)
                yield Written(position, topics, encoded if is_wanted else None)


@given(_looks, st.integers(0, 40), _wishes, st.integers(1, 5))
def test_a_reader_gets_what_it_would_have_read_or_is_told_to_read_for_itself(looks, n, topics, batches_max):
    whole, ours, head = Whole(), Recent(), START
    for batches, taken_max, wanted in looks:
        before = head
        for kinds in batches:
            whole.write(kinds)
        head = whole.batches[-1][0] if whole.batches else START
        if ours.until != before:
            ours.begin_anew(before)
        ours.extend(list(whole.written(before, wanted))[:taken_max] if before > START else [])
        place = whole.batches[n % len(whole.batches)][0] if whole.batches else START
        got = ours.after(place, topics=topics, batches_max=batches_max)
        if got is not None:
            found = whole.found(place, topics, batches_max)
            assert [(one.position, [event.id for event in one.events]) for one in got] == found[: len(got)]
            assert got
            assert len(got) == len(found) or ours.until < head
        elif before > START and before <= place < ours.until:
            assert wanted is not None
            assert topics is None or not topics <= wanted


def test_what_is_too_much_goes_from_its_old_end(monkeypatch):
    whole, ours = Whole(), Recent()
    for _ in range(20):
        whole.write([Noted])
    places = [position for position, _, _ in whole.batches]
    monkeypatch.setattr(recent, "_BYTES_MAX", 5 * len(whole.batches[-1][2]))
    ours.begin_anew(START)
    ours.extend(list(whole.written(START, None)))
    assert ours.after(places[13], topics=None, batches_max=64) is None
    assert ours.after(places[14], topics=None, batches_max=64) == ours.after(places[14], topics=None, batches_max=5)
    monkeypatch.setattr(recent, "_BATCHES_MAX", 3)
    ours.extend([])
    assert ours.after(places[15], topics=None, batches_max=64) is None
    assert ours.after(places[16], topics=None, batches_max=64) == ours.after(places[16], topics=None, batches_max=3)


async def test_nobody_reads_for_itself_what_was_read_for_all(rig, monkeypatch):
    sinks = [Sink(), Sink(), Sink()]
    rig.run(rig.log.consumer("one", topics=TOPICS, handle=sinks[0]))
    rig.run(rig.log.consumer("two", topics=TOPICS[:1], handle=sinks[1]))
    rig.run(await rig.log.tail(topics=TOPICS[1:], handle=sinks[2]))
    await rig.publish(Noted(n=1), Dropped(n=1))
    for sink in sinks:
        await sink.until(1)

    async def refuse(*_args, **_kwargs):
        raise AssertionError("it was read again")

    monkeypatch.setattr(store, "read", refuse)
    for n in range(2, 12):
        await rig.publish(Noted(n=n), Dropped(n=-n))
    assert (await sinks[0].until(22))[2:] == [k for n in range(2, 12) for k in (n, -n)]
    assert (await sinks[1].until(11))[1:] == list(range(2, 12))
    assert (await sinks[2].until(11))[1:] == [-n for n in range(2, 12)]


async def test_a_reader_that_begins_to_want_something_else_misses_nothing(rig):
    sink = Sink()
    consumer = rig.log.consumer("fickle", topics=TOPICS[:1], handle=sink)
    rig.run(consumer)
    await rig.publish(Noted(n=1))
    await sink.until(1)
    async with rig.database.transaction() as tx:  # nothing is read before this ends
        await tx.execute("SELECT pg_current_xact_id()")
        await rig.publish(Dropped(n=2))
        consumer.topics = frozenset(TOPICS)
    await rig.publish(Dropped(n=3))
    assert await sink.until(3) == [1, 2, 3]


async def test_of_more_at_once_than_a_look_takes_each_reads_the_rest_for_itself(rig, clock):
    log = EventLog(rig.database, clock=clock, settings=msgspec.structs.replace(FAST, batches_max=2))
    await log.start()
    sinks = [Sink(), Sink()]
    try:
        for sink in sinks:
            rig.run(await log.tail(topics=TOPICS, handle=sink))
        await rig.publish(Noted(n=0))
        for sink in sinks:
            await sink.until(1)
        async with rig.database.transaction() as tx:
            await tx.execute("SELECT pg_current_xact_id()")  # the batches of others wait for this one
            for n in range(1, 9):
                await rig.publish(Noted(n=n))
        for sink in sinks:
            assert await sink.until(9) == list(range(9))
    finally:
        await log.close()


async def test_the_first_after_a_quiet_while_waits_for_nothing_and_what_follows_is_taken_together(rig, clock):
    log = EventLog(rig.database, clock=clock, settings=EventLogSettings(poll_ms=60_000, rest_ms=10_000))
    await log.start()
    try:
        sink = Sink()
        rig.run(await log.tail(topics=TOPICS, handle=sink))
        await rig.publish(Noted(n=1))
        await sink.until(1)
        looks = log.looks
        for n in range(2, 40):
            await rig.publish(Noted(n=n))
        assert log.looks == looks
        assert sink.numbers == [1]
    finally:
        await log.close()


async def test_who_reads_no_more_is_not_read_for(rig):
    sink = Sink()
    task = rig.run(await rig.log.tail(topics=TOPICS, handle=sink))
    reading = rig.run(rig.log.consumer("brief", topics=TOPICS[:1], handle=sink))
    await rig.publish(Noted(n=1))
    await sink.until(2)
    assert rig.log.pulse.recent.wanted() == frozenset(TOPICS)
    task.cancel()
    await asyncio.wait([task])
    assert rig.log.pulse.recent.wanted() == frozenset(TOPICS[:1])
    reading.cancel()
    await asyncio.wait([reading])
    assert rig.log.pulse.recent.wanted() == frozenset()
