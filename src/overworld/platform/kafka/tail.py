"""Ephemeral readers of Kafka: what comes from now on, in every process that asks, with nothing kept."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from uuid import uuid4

import msgspec
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from overworld.kernel.events import Envelope
from overworld.platform.eventlog.traced import apart, delivery, delivery_place
from overworld.platform.eventlog.types import Handle
from overworld.platform.kafka.client import consuming
from overworld.platform.kafka.codec import Codec, event_and_place
from overworld.platform.kafka.places import Part
from overworld.platform.kafka.settings import KafkaSettings
from overworld.platform.kafka.thread import Thread

_POLL_S = 0.1
_FETCH_MAX = 1_000

_log = logging.getLogger(__name__)


class KafkaTail:
    """Hands the events of some topics to a handler, from the offsets given on.

    The place is in memory only. Events that the handler fails are logged and passed over, as are those that cannot be
    read; while Kafka is away it waits and then goes on where it was.
    """

    def __init__(
        self,
        name: str,
        *,
        topics: Sequence[str],
        handle: Handle,
        starts: dict[Part, int],
        codec: Codec,
        settings: KafkaSettings,
    ) -> None:
        self.name = name
        self.topics = frozenset(topics)
        self.failed = 0
        self._handle = handle
        self._starts = starts
        self._codec = codec
        self._settings = settings

    async def run(self) -> None:
        """Reads until cancelled."""
        config = consuming(self._settings, group=f"{self._settings.prefix}overworld.tail.{uuid4().hex}")
        consumer = Consumer(config | {"auto.offset.reset": "latest"})
        consumer.assign([TopicPartition(*part, offset) for part, offset in self._starts.items()])
        thread = Thread("kafka-tail")
        try:
            while True:
                messages = await thread.call(_fetch, consumer)
                if events := [event for message in messages for event in self._read(message)]:
                    for part in apart(events):
                        await self._hand_over(part)
        finally:
            await thread.call(consumer.close)
            thread.close()

    def _read(self, message: Message) -> list[Envelope]:
        if (error := message.error()) is not None:
            _log.warning("a reader of %s hears from Kafka: %s", sorted(self.topics), error)
            return []
        try:
            return [event_and_place(message, self._codec)[0]]
        except (ValueError, LookupError, msgspec.MsgspecError) as error:
            self.failed += 1
            _log.warning("a message of %s cannot be read: %s", message.topic(), error)
            return []

    async def _hand_over(self, events: Sequence[Envelope]) -> None:
        try:
            with delivery(self.name, events):
                await self._handle(events)
        except Exception:
            self.failed += len(events)
            with delivery_place(events):
                _log.exception(
                    "a reader of %s failed with %d events, which are passed over", sorted(self.topics), len(events)
                )


def _fetch(consumer: Consumer) -> list[Message]:
    """Everything that is there, after a short wait for the first; one call for many would wait for as many."""
    try:
        first = consumer.consume(1, _POLL_S)
        return first + consumer.consume(_FETCH_MAX, 0) if first else []
    except KafkaException as error:
        _log.warning("cannot read Kafka: %s", error)
        return []
