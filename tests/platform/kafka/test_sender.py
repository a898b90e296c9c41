"""The producing half: nothing is left behind or comes twice, however much is handed over and whoever ends it."""

from __future__ import annotations

import asyncio

import pytest

from overworld.kernel.ids import IdSource
from overworld.platform.kafka import KafkaSettings
from overworld.platform.kafka.client import KafkaUnavailable
from overworld.platform.kafka.codec import id_texts
from overworld.platform.kafka.sender import Outgoing, Sender
from overworld.platform.kafka.topics import Declared, Topics
from tests.platform.eventlog.conftest import Noted

from .conftest import Lying

MORE_THAN_FITS = 110_000
"""The client holds 100,000 messages."""


def numbered(topic, count):
    return Outgoing(
        topics=[topic] * count, keys=[b"a"] * count, values=[b"%d" % n for n in range(count)], headers=[{}] * count
    )


@pytest.mark.slow
async def test_more_than_the_producer_holds_goes_out_once_and_in_order(kafka):
    topics = Topics(kafka, plans=Declared(replicas=1))
    await topics.ensure([Noted.topic])
    sender = Sender(kafka)
    messages = numbered(topics.name_of(Noted.topic), MORE_THAN_FITS)
    await sender.send(messages)
    lying = await asyncio.to_thread(Lying, kafka, Noted.topic)
    assert [message.value() for message in lying.messages] == messages.values
    await sender.close()
    topics.close()


async def test_who_waits_for_a_producer_that_another_drops_is_told_to_try_again():
    sender = Sender(KafkaSettings(servers="127.0.0.1:9"))
    sending = asyncio.create_task(sender.send(numbered("nowhere", 3)))
    await asyncio.sleep(0)
    await sender.renew()
    with pytest.raises(KafkaUnavailable, match="dropped"):
        await sending
    await sender.close()


@pytest.mark.parametrize("count", [0, 1, 40])
def test_ids_stand_beside_messages_as_python_writes_them(count):
    ids = IdSource(lambda: 1_700_000_000_000_000).many(count)
    assert id_texts(ids) == [str(one).encode() for one in ids]
