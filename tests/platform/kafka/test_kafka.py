"""What is Kafka's own: offsets that are gone, partitions that change hands, messages that nobody can read."""

from __future__ import annotations

import asyncio
import logging

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from overworld.kernel.events import enclose
from overworld.platform.eventlog import SCHEMA
from overworld.platform.kafka import KafkaSettings, membership
from overworld.platform.kafka.membership import Membership
from tests.platform.eventlog.conftest import Noted, Sink, eventually
from tests.platform.eventlog.contract.conftest import Moved, Steps, opened

KEYS = "abcde"
MOVES = [Moved.topic]


async def walk(rig, count, *, first=0):
    for n in range(first, first + count):
        await rig.publish(*[Moved(whose=key, n=n) for key in KEYS])


async def ended(rig, consumer, task):
    """Everything handled and kept, and the consumer gone."""
    await eventually(lambda: rig.is_caught_up(consumer.name))
    consumer.stop()
    await task


async def test_events_that_are_gone_before_they_were_read_are_told_loudly_and_the_rest_comes(rig, kafka, caplog):
    steps = Steps()
    consumer = rig.log.consumer("c", topics=MOVES, handle=steps)
    task = rig.run(consumer)
    await walk(rig, 2)
    await steps.until(2 * len(KEYS))
    await ended(rig, consumer, task)
    await walk(rig, 4, first=2)
    await rig.settled()
    ends = await rig.log._topics.ends_of({f"{kafka.prefix}{Moved.topic}"})
    admin = AdminClient({"bootstrap.servers": kafka.servers})
    gone = admin.delete_records([TopicPartition(topic, number, last) for (topic, number), (_, last) in ends.items()])
    for future in gone.values():
        await asyncio.to_thread(future.result, 10)
    await walk(rig, 1, first=6)
    rig.run(rig.log.consumer("c", topics=MOVES, handle=steps))
    await steps.until(3 * len(KEYS))
    assert steps.of == {key: [0, 1, 6] for key in KEYS}
    assert rig.log.lost == {"c": 4 * len(KEYS)}
    told = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert any("events are lost to it" in record.getMessage() for record in told)


async def test_a_topic_made_anew_is_read_from_its_beginning(rig, kafka):
    steps = Steps()
    consumer = rig.log.consumer("c", topics=MOVES, handle=steps)
    task = rig.run(consumer)
    await walk(rig, 2)
    await steps.until(2 * len(KEYS))
    await ended(rig, consumer, task)
    admin = AdminClient({"bootstrap.servers": kafka.servers})
    for future in admin.delete_topics([f"{kafka.prefix}{Moved.topic}"]).values():
        await asyncio.to_thread(future.result, 10)
    await rig.stop_relay()
    rig.log._topics.forget()
    rig.run(rig.log.relay())
    await walk(rig, 1, first=2)
    rig.run(rig.log.consumer("c", topics=MOVES, handle=steps))
    await steps.until(3 * len(KEYS))
    assert steps.of == {key: [0, 1, 2] for key in KEYS}


@pytest.mark.slow
async def test_a_consumer_that_does_not_let_go_of_its_partitions_commits_nothing_of_them(rig):
    """It hangs in its transaction while the group gives half of its partitions away; then it tries to commit."""
    await rig.make_totals()
    entered, leave = asyncio.Event(), asyncio.Event()

    async def hang(tx, events):
        await rig.add(tx, events)
        entered.set()
        await leave.wait()

    rig.run(rig.log.fold("f", topics=MOVES, apply=hang))
    await walk(rig, 5)
    async with asyncio.timeout(20):
        await entered.wait()
    rig.run(rig.log.fold("f", topics=MOVES, apply=rig.add))
    await rig.totalled(at_least=1)
    leave.set()
    assert await rig.totalled(at_least=5 * len(KEYS)) == 5 * len(KEYS)
    await eventually(lambda: rig.is_caught_up("f"))
    assert set((await rig.counts()).values()) == {1}


async def test_who_finishes_events_while_partitions_are_taken_away_stays_a_member(rig, monkeypatch, caplog):
    """Kafka's client takes one call at a time; the one that hands partitions over waits for the loop."""
    entered, taken, leave, done = (asyncio.Event() for _ in range(4))
    let_go, finish = Membership._let_go, Membership.done
    steps = Steps()

    async def let_go_once_done(member, parts, *, wait_s):
        taken.set()
        await done.wait()
        await let_go(member, parts, wait_s=wait_s)

    def finish_and_tell(member):
        finish(member)
        done.set()

    async def held(events):
        entered.set()
        await leave.wait()
        await steps(events)

    monkeypatch.setattr(Membership, "_let_go", let_go_once_done)
    monkeypatch.setattr(Membership, "done", finish_and_tell)
    rig.run(rig.log.consumer("c", topics=MOVES, handle=held))
    await walk(rig, 3)
    async with asyncio.timeout(20):
        await entered.wait()
        rig.run(rig.log.consumer("c", topics=MOVES, handle=steps))
        await taken.wait()
        leave.set()
        await done.wait()
    await walk(rig, 1, first=3)
    await steps.until(4 * len(KEYS))
    assert steps.of == {key: [0, 1, 2, 3] for key in KEYS}
    assert not any("lost its lease" in record.getMessage() for record in caplog.records)


async def test_a_topic_that_does_not_tell_its_offsets_yet_is_asked_again(rig, monkeypatch):
    """As while its leader is being chosen. The client's own error, let pass by a callback, ends the polling thread."""
    asked = []

    class Blind(Consumer):
        def get_watermark_offsets(self, partition, timeout=10.0, cached=False):
            asked.append(partition)
            wanted = TopicPartition(partition.topic, 99) if len(asked) == 1 else partition
            return super().get_watermark_offsets(wanted, timeout, cached)

    monkeypatch.setattr(membership, "Consumer", Blind)
    steps = Steps()
    rig.run(rig.log.consumer("c", topics=MOVES, handle=steps))
    await walk(rig, 1)
    await steps.until(len(KEYS))
    assert len(asked) > 1


async def test_a_slow_handler_pauses_its_partitions_and_keeps_them(rig, caplog):
    caplog.set_level(logging.INFO)
    gate = asyncio.Event()
    steps = Steps()

    async def slow(events):
        await gate.wait()
        await steps(events)

    consumer = rig.log.consumer("c", topics=MOVES, handle=slow)
    rig.run(consumer)
    await rig.publish(*[Moved(whose=key, n=n) for n in range(700) for key in KEYS])
    await eventually(lambda: has_paused(caplog))
    gate.set()
    await steps.until(700 * len(KEYS))
    assert steps.of == {key: list(range(700)) for key in KEYS}
    assert consumer.retried == 0


async def has_paused(caplog):
    return any("pauses" in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("sent_ms", [0, -1], ids=["now", "never"])
async def test_bytes_that_are_no_event_become_a_dead_letter_and_the_others_go_on(rig, kafka, sent_ms):
    await rig.publish(Noted(n=1))
    await rig.settled()
    stranger = Producer({"bootstrap.servers": kafka.servers})
    stranger.produce(f"{kafka.prefix}{Noted.topic}", value=b"\xff no event", timestamp=sent_ms)
    stranger.flush(10)
    await rig.publish(Noted(n=2))
    sink = Sink()
    rig.run(rig.log.consumer("c", topics=[Noted.topic], handle=sink))
    await sink.until(2)
    assert sorted(sink.numbers) == [1, 2]
    await eventually(lambda: rig.log.dead_letters("c"))
    [letter] = await rig.log.dead_letters("c")
    assert (letter.topic, bytes(letter.envelope.data)) == (f"{kafka.prefix}{Noted.topic}", b'"/yBubyBldmVudA=="')


async def test_an_event_that_another_sends_without_a_place_is_handled_too(rig, kafka, ids, clock):
    sink = Sink()
    rig.run(rig.log.consumer("c", topics=[Noted.topic], handle=sink))
    await rig.publish(Noted(n=1))
    await sink.until(1)
    stranger = Producer({"bootstrap.servers": kafka.servers})
    stranger.produce(
        f"{kafka.prefix}{Noted.topic}",
        value=rig.log._codec.encode_many([enclose(Noted(n=2), id=ids(), at=clock.now())])[0],
    )
    stranger.flush(10)
    assert await sink.until(2) == [1, 2]


async def test_two_installations_on_one_kafka_do_not_hear_each_other(open_database, clock, ids, broker):
    async with (
        open_database(SCHEMA) as one, open_database(SCHEMA) as other,
        opened(one, clock, ids, broker=broker) as here, opened(other, clock, ids, broker=broker) as there,
    ):  # fmt: skip
        sinks = [Sink(), Sink()]
        for rig, sink in zip((here, there), sinks, strict=True):
            rig.run(rig.log.consumer("c", topics=[Noted.topic], handle=sink))
        await here.publish(Noted(n=1))
        await there.publish(Noted(n=2))
        assert [await sink.until(1) for sink in sinks] == [[1], [2]]


@pytest.mark.parametrize(
    "wrong",
    [
        {"security": "scram"},
        {"security": "scram_tls", "username": "overworld"},
        {"tls_certificate": "/own.pem"},
        {"hand_over_s": 600, "session_s": 10},
    ],
    ids=["no name", "no password", "no key", "holds on for too long"],
)
def test_settings_that_cannot_be_meant_are_refused(wrong):
    with pytest.raises(ValueError, match=r"kafka\."):
        KafkaSettings(servers="127.0.0.1:9092", **wrong)


def test_settings_show_no_password():
    assert "secret" not in repr(KafkaSettings(security="scram", username="overworld", password="secret"))
