"""Messages by their partitions, and which of their events are news."""

from __future__ import annotations

from itertools import pairwise

import pytest
from confluent_kafka import Message
from hypothesis import given
from hypothesis import strategies as st

from overworld.platform.kafka.arriving import RUN_MAX, UNREAD, Beside, beyond, news, part_of, runs_of
from overworld.platform.kafka.codec import NOWHERE, PLACE, TRACE, Place
from tests.platform.avro.samples import CODEC, LEVEL

FRAME = CODEC.encode(LEVEL)


def message(offset, *, topic="a", partition=0, headers=None):
    return Message(topic=topic, partition=partition, offset=offset, headers=headers)


def arrived(beside, headers):
    return beside.arrived(CODEC.decode(FRAME), message(0, headers=headers))


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 1)), max_size=50))
def test_runs_are_the_messages_in_their_order_each_of_one_partition(parts):
    messages = [message(n, topic=topic, partition=number) for n, (topic, number) in enumerate(parts)]
    runs = runs_of(messages)
    assert [one for run in runs for one in run.messages] == messages
    assert all({part_of(one) for one in run.messages} == {run.part} for run in runs)
    assert all(one.part != other.part for one, other in pairwise(runs))


def test_a_long_run_is_cut():
    runs = runs_of(message(n) for n in range(2 * RUN_MAX + 1))
    assert [len(run.messages) for run in runs] == [RUN_MAX, RUN_MAX, 1]


def test_what_was_read_before_is_left_out():
    messages = [message(n) for n in (3, 5, 8)]
    assert [[one.offset() for one in beyond(messages, offset)] for offset in (0, 3, 4, 9)] == [
        [3, 5, 8], [3, 5, 8], [5, 8], [],
    ]  # fmt: skip


@given(st.lists(st.builds(Place, *[st.integers(0, 3)] * 4), max_size=20))
def test_places_are_read_as_they_were_written_whatever_stood_before(places):
    beside = Beside()
    found = [arrived(beside, [(PLACE, str(place).encode())])[1] for place in places]
    assert found == places


@pytest.mark.parametrize(
    "text", [b"5", b"1.2.3", b"1.2.3.x", b"x.2.3.4", b"1.2.3.4.5", b"...", b"\xff.1.2.3", b"1.2.3."]
)
@pytest.mark.parametrize("before", [None, b"1.2.3.4", b"1.2.9.4"])
def test_a_place_that_is_none_is_damage(text, before):
    beside = Beside()
    told = [(PLACE, before)] if before else []
    place = Place(*map(int, before.split(b"."))) if before else None
    arrived(beside, told)
    with pytest.raises(ValueError):
        arrived(beside, [(PLACE, text)])
    assert arrived(beside, told)[1] == place


def test_an_event_has_the_trace_that_stands_beside_it():
    event, place = arrived(Beside(), [(TRACE, b"00-1"), ("other", None), (PLACE, None)])
    assert event is not None
    assert (event.trace, place) == ("00-1", None)
    assert LEVEL.trace == ""


def test_news_lie_beyond_what_was_seen_or_have_no_place():
    places = [Place(0, 1, 1, 0), Place(0, 1, 1, 1), None, Place(0, 1, 1, 0), Place(1, 0, 0, 0)]
    events, seen = news([*((LEVEL, place) for place in places), UNREAD], seen=Place(0, 1, 1, 0))
    assert (len(events), seen) == (3, Place(1, 0, 0, 0))
    assert news([], seen=NOWHERE) == ([], NOWHERE)
