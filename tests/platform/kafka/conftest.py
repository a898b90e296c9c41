"""A rig on Kafka, and what lies in its topics."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition

from overworld.platform.eventlog import SCHEMA
from overworld.platform.kafka.codec import PLACE, headers_of, place_of
from tests.platform.eventlog.contract.conftest import kafka_settings, opened


@pytest.fixture
def kafka(broker):
    return kafka_settings(broker)


@pytest.fixture
async def rig(open_database, clock, ids, broker, kafka):
    async with open_database(SCHEMA) as database, opened(database, clock, ids, broker=broker, kafka=kafka) as rig:
        yield rig


class Lying:
    """All the messages of a topic, read without a group; none where there is no such topic."""

    def __init__(self, kafka: Any, topic: str, *, timeout_s: float = 1.0) -> None:
        self.messages: list[Any] = []
        name = f"{kafka.prefix}{topic}"
        reader = Consumer({"bootstrap.servers": kafka.servers, "group.id": "looker", "enable.auto.commit": False})
        parts = [TopicPartition(name, n, 0) for n in reader.list_topics(name, 10).topics[name].partitions]
        left = sum(reader.get_watermark_offsets(part, 10)[1] for part in parts)
        reader.assign(parts)
        while len(self.messages) < left:
            self.messages += reader.consume(left - len(self.messages), timeout_s)
        reader.close()

    def places(self) -> dict[int, list[Any]]:
        """The places in the log, by partition."""
        found: dict[int, list[Any]] = {}
        for message in self.messages:
            found.setdefault(message.partition(), []).append(place_of(headers_of(message)[PLACE]))
        return found
