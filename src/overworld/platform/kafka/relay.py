"""The relay: one more cursor on the log in PostgreSQL, which sends every event on to Kafka."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import asyncpg
import msgspec

from overworld.kernel.clock import Clock
from overworld.kernel.events import Envelope
from overworld.platform.eventlog import letters
from overworld.platform.eventlog.consumer import Consumer
from overworld.platform.eventlog.log import EventLog
from overworld.platform.eventlog.settings import EventLogSettings
from overworld.platform.eventlog.types import Batch
from overworld.platform.kafka.client import EventTooLarge
from overworld.platform.kafka.codec import EVENT_ID, PLACE, TRACE, Codec, Place, id_texts
from overworld.platform.kafka.places import era
from overworld.platform.kafka.sender import Headers, Outgoing, Sender
from overworld.platform.kafka.settings import KafkaSettings
from overworld.platform.kafka.topics import Topics

NAME = "kafka-relay"
BATCHES_MAX = 1_000
EVENTS_MAX = 2_000
_HEAD_BYTES = 1_000
_LETTERS_AT_ONCE = 20


class Relay(Consumer):
    """Sends each event to the topic of its name, under its key; the cursor follows when all replicas have it.

    After a crash it goes on at the cursor, so events may come twice, each with the same id and the same place in the
    header. One process relays at a time. What Kafka refuses or does not acknowledge is tried until it does; only an
    event that cannot be encoded, or is too long for Kafka, becomes a dead letter. One that staff want sent after all
    goes back into the log.
    """

    def __init__(
        self,
        log: EventLog,
        *,
        sender: Sender,
        topics: Topics,
        codec: Codec,
        clock: Clock,
        kafka: KafkaSettings,
        settings: EventLogSettings,
    ) -> None:
        settings = msgspec.structs.replace(
            settings,
            batches_max=max(settings.batches_max, BATCHES_MAX),
            events_max=max(settings.events_max, EVENTS_MAX),
            handle_timeout_s=settings.handle_timeout_s + kafka.acknowledge_s,
        )
        source = log.source(NAME, settings=settings)
        super().__init__(
            NAME, topics=None, handle=self._relay, source=source, pulse=log.pulse, clock=clock, settings=settings
        )
        self._sender = sender
        self._topics = topics
        self._codec = codec
        self._event_bytes_max = kafka.message_max_bytes - _HEAD_BYTES
        self._in_hand: Sequence[Batch[Any]] = ()
        self._places: dict[int, bytes] = {}  # of the events in hand, by their identity in memory

    async def _consume(self, session: asyncpg.Connection) -> None:
        """Begins with a producer that holds nothing of an earlier lease."""
        await self._sender.renew()
        await super()._consume(session)

    async def _replay(self, session: asyncpg.Connection) -> None:
        """An event that comes after others needs a place beyond theirs, and the same one however often it is sent."""
        while await letters.put_back(session, self.name, count_max=_LETTERS_AT_ONCE, at=self._clock.now()):
            if self._stop.is_set():
                return

    async def _deliver(self, session: asyncpg.Connection, batches: Sequence[Batch[Any]]) -> None:
        now = await era(session)
        self._in_hand = batches
        self._places = {
            id(event): f"{before}{number}".encode()
            for batch in batches
            for before in (str(Place(now, batch.position.stamp, batch.position.id, 0))[:-1],)
            for number, event in enumerate(batch.events)
        }
        await super()._deliver(session, batches)

    async def _relay(self, events: Sequence[Envelope]) -> None:
        await self._codec.prepare()
        values = self._codec.encode_many(events)
        longest = max(map(len, values), default=0)
        if longest > self._event_bytes_max:
            raise EventTooLarge(f"{longest} bytes, at most {self._event_bytes_max}")
        await self._topics.ensure({event.topic for event in events})
        places = [self._places[id(event)] for event in events]
        try:
            await self._sender.send(outgoing(events, values, places=places, name_of=self._topics.name_of))
        except Exception:
            self._topics.forget()
            raise


def outgoing(
    events: Sequence[Envelope], values: Sequence[bytes], *, places: Sequence[bytes], name_of: Callable[[str], str]
) -> Outgoing:
    """Events as messages, each under its key, with its place in the log and its id beside it; all are aligned, (n,).

    An event of nobody's goes under its id, so that it comes to the same partition whenever it is sent.
    """
    names = {topic: name_of(topic) for topic in {event.topic for event in events}}
    ids = id_texts([event.id for event in events])
    headers: list[Headers] = [{PLACE: place, EVENT_ID: event_id} for place, event_id in zip(places, ids, strict=True)]
    for event, beside in zip(events, headers, strict=True):
        if event.trace:
            beside[TRACE] = event.trace.encode()
    return Outgoing(
        topics=[names[event.topic] for event in events],
        keys=[event.key.encode() if event.key else event.id.bytes for event in events],
        values=values,
        headers=headers,
    )
