"""The relay goes on where it was, whatever ends it: nothing is missing, and what comes twice is known by it."""

from __future__ import annotations

import asyncio
import random

from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
)

from msgspec.structs import replace

from overworld.platform.eventlog import SCHEMA
from overworld.platform.eventlog.types import Which
from overworld.platform.kafka import KafkaLog
from overworld.platform.kafka.codec import EVENT_ID
from overworld.platform.kafka.relay import NAME
from tests.platform.eventlog.conftest import FAST, Noted, eventually
from tests.platform.eventlog.contract.conftest import Moved, Steps, kafka_settings, opened

from .conftest import Lying

KEYS = "abcde"


async def walk(rig, count, *, first=0):
    for n in range(first, first + count):
        await rig.publish(*[Moved(whose=key, n=n) for key in KEYS])


async def back_to_the_beginning(rig):
    """As after a crash that lost the cursor's last moves: everything is sent again."""
    async with rig.database.transaction() as tx:
        await tx.execute("DELETE FROM eventlog.cursor WHERE consumer = $1", NAME)


async def test_a_relay_that_dies_again_and_again_leaves_nothing_out_and_no_disorder(rig, kafka):
    dice = random.Random(5)
    relays = [rig.run(rig.log.relay()) for _ in range(2)]
    for n in range(12):
        await walk(rig, 10, first=10 * n)
        if n % 3 == 0:
            await rig.cut_sessions()
        relays.pop(dice.randrange(2)).cancel()
        relays.append(rig.run(rig.log.relay()))
    await rig.settled()
    lying = Lying(kafka, Moved.topic)
    assert len({dict(message.headers())[EVENT_ID] for message in lying.messages}) == 120 * len(KEYS)
    for places in lying.places().values():
        assert list(dict.fromkeys(places)) == sorted(set(places))


async def test_what_the_relay_sends_twice_counts_once_in_a_fold_and_is_handled_once(rig, kafka):
    await rig.make_totals()
    await walk(rig, 10)
    await rig.settled()
    await rig.stop_relay()
    await back_to_the_beginning(rig)
    rig.run(rig.log.relay())
    await walk(rig, 10, first=10)
    await rig.settled()
    assert len(Lying(kafka, Moved.topic).messages) == 30 * len(KEYS)
    steps = Steps()
    rig.run(rig.log.consumer("c", topics=[Moved.topic], handle=steps))
    rig.run(rig.log.fold("f", topics=[Moved.topic], apply=rig.add))
    await steps.until(20 * len(KEYS))
    await rig.totalled(at_least=20 * len(KEYS))
    await eventually(lambda: rig.is_caught_up("f"))
    await eventually(lambda: rig.is_caught_up("c"))
    assert (await rig.counts()).total() == 20 * len(KEYS)
    assert steps.of == {key: list(range(20)) for key in KEYS}


async def test_a_log_restored_into_another_cluster_is_relayed_on_and_read_on(rig):
    """Places there begin low again; those of before must not hide them."""
    steps = Steps()
    rig.run(rig.log.consumer("c", topics=[Moved.topic], handle=steps))
    await walk(rig, 3)
    await steps.until(3 * len(KEYS))
    async with rig.database.transaction() as tx:
        await tx.execute("UPDATE eventlog.outbox SET stamp = (stamp::text::bigint + 1000000000)::text::xid8")
        await tx.execute("UPDATE eventlog.cursor SET stamp = (stamp::text::bigint + 1000000000)::text::xid8")
    await rig.source.maintain()
    await walk(rig, 3, first=3)
    await steps.until_all({key: set(range(6)) for key in KEYS})
    assert steps.of == {key: list(range(6)) for key in KEYS}


async def test_an_event_that_kafka_would_not_take_becomes_a_dead_letter_and_the_others_go_on(rig):
    steps = Steps()
    rig.run(rig.log.consumer("c", topics=[Moved.topic], handle=steps))
    await rig.publish(Moved(whose="a", n=0), Moved(whose="a" * 1_100_000, n=1), Moved(whose="a", n=2))
    await steps.until(2)
    assert steps.of == {"a": [0, 2]}
    [letter] = await rig.log.dead_letters(NAME)
    assert (letter.topic, "EventTooLarge" in letter.error) == (Moved.topic, True)


async def test_a_dead_letter_that_is_sent_after_all_counts_once_though_the_relay_sends_it_twice(
    open_database, clock, ids, broker
):
    narrow = kafka_settings(broker, message_max_bytes=20_000)
    async with open_database(SCHEMA) as database, opened(database, clock, ids, broker=broker, kafka=narrow) as rig:
        await rig.make_totals()
        rig.run(rig.log.fold("f", topics=[Moved.topic], apply=rig.add))
        long = "a" * 120_000
        await rig.publish(Moved(whose="b", n=0), Moved(whose=long, n=1), Moved(whose="b", n=2))
        await rig.totalled(at_least=2)
        [letter] = await rig.log.dead_letters(NAME)
        await rig.stop_relay()

        wide = KafkaLog(
            rig.source, database=database, clock=clock, kafka=replace(narrow, message_max_bytes=1_000_000), settings=FAST
        )
        async with database.transaction() as tx:
            [asked] = await rig.log.desk.replay(tx, Which(event_ids=(letter.event_id,)), at=clock.now())
        assert (asked.consumer, asked.letters, asked.reads) == (NAME, 1, True)
        rig.relaying = rig.run(wide.relay())
        assert await rig.totalled(at_least=3) == 3
        assert await rig.log.dead_letters(NAME) == []

        await rig.stop_relay()
        await back_to_the_beginning(rig)
        rig.run(wide.relay())
        await rig.publish(Moved(whose=long, n=3))
        await rig.totalled(at_least=4)
        assert await rig.counts() == {("b", 0): 1, (long, 1): 1, ("b", 2): 1, (long, 3): 1}
        await rig.close()
        await wide.close()


async def test_a_kafka_that_is_away_is_waited_for_and_nothing_is_given_up(open_database, clock, ids, broker):
    nowhere = kafka_settings(broker, servers="127.0.0.1:9", acknowledge_s=0.3)
    async with open_database(SCHEMA) as database, opened(database, clock, ids, broker=broker, kafka=nowhere) as rig:
        await rig.publish(Noted(n=1))
        await eventually(lambda: has_retried(rig.relay))
        assert rig.relay.buried == 0


async def test_what_a_topic_does_not_take_yet_is_tried_until_it_does_and_nothing_is_given_up(rig, kafka):
    """The broker refuses one message for good, which ends the producer; nothing may be sent in its place."""
    await rig.publish(Moved(whose="a", n=0))
    await rig.settled()
    admin = AdminClient({"bootstrap.servers": kafka.servers})
    await asyncio.to_thread(limit, admin, f"{kafka.prefix}{Moved.topic}", 10_000)
    await rig.publish(Moved(whose=random.Random(1).randbytes(30_000).hex(), n=1))
    await walk(rig, 2)
    await eventually(lambda: has_retried(rig.relay))
    await asyncio.to_thread(limit, admin, f"{kafka.prefix}{Moved.topic}", 1_000_000)
    await rig.settled()
    assert rig.relay.buried == 0
    for places in Lying(kafka, Moved.topic).places().values():
        assert list(dict.fromkeys(places)) == sorted(set(places))
    assert sum(len(set(places)) for places in Lying(kafka, Moved.topic).places().values()) == 2 + 2 * len(KEYS)


def limit(admin, topic, size):
    entry = ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[entry])
    for future in admin.incremental_alter_configs([resource]).values():
        future.result(10)


async def has_retried(relay):
    return relay.retried > 1


async def test_events_of_nobody_come_to_the_same_partition_whenever_they_are_sent(rig, kafka):
    await rig.publish(*[Noted(n=n) for n in range(20)])
    await rig.settled()
    first = {message.value(): message.partition() for message in Lying(kafka, Noted.topic).messages}
    await rig.stop_relay()
    await back_to_the_beginning(rig)
    rig.run(rig.log.relay())
    await rig.publish(Noted(n=20))
    await rig.settled()
    again = Lying(kafka, Noted.topic).messages
    assert len(again) == 41
    assert {message.value(): message.partition() for message in again}.items() >= first.items()
    assert len(set(first.values())) == 2
