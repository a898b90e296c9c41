"""Kafka as the app builds it: the relay that fills it, and the readers that hang on it."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence

from overworld.kernel.clock import Clock
from overworld.platform.eventlog.consumer import Consumer
from overworld.platform.eventlog.fold import Fold
from overworld.platform.eventlog.log import EventLog
from overworld.platform.eventlog.settings import EventLogSettings
from overworld.platform.eventlog.types import Apply, DeadLetter, Handle, Lag
from overworld.platform.kafka import places
from overworld.platform.kafka.codec import Codec, JsonCodec
from overworld.platform.kafka.desk import KafkaDesk
from overworld.platform.kafka.places import Part
from overworld.platform.kafka.relay import Relay
from overworld.platform.kafka.sender import Sender
from overworld.platform.kafka.settings import KafkaSettings
from overworld.platform.kafka.source import KafkaSource
from overworld.platform.kafka.topics import Declared, Plans, Topics
from overworld.platform.postgres import Database

_log = logging.getLogger(__name__)


class KafkaLog:
    """The log as it lies in Kafka: what `EventLog` offers durable readers, on topics that the relay fills from it.

    Order is kept for each key within a topic, not between topics. Places and dead letters are kept in PostgreSQL.
    """

    def __init__(
        self,
        log: EventLog,
        *,
        database: Database,
        clock: Clock,
        kafka: KafkaSettings,
        settings: EventLogSettings | None = None,
        codec: Codec | None = None,
        plans: Plans | None = None,
    ) -> None:
        self.lost: Counter[str] = Counter()
        self._leaving: set[asyncio.Task[None]] = set()
        self._log = log
        self._database = database
        self._clock = clock
        self._kafka = kafka
        self._settings = settings or EventLogSettings()
        self._codec = codec or JsonCodec()
        kept_h = 24 * self._settings.retention_days
        self._topics = Topics(kafka, plans=plans or Declared(replicas=kafka.replicas, kept_h=kept_h))
        self._sender = Sender(kafka)
        self.desk = KafkaDesk(database, clock=clock, topics=self._topics)

    async def close(self) -> None:
        """Ends what its readers and its relay share, once those that ended before have left their groups."""
        if self._leaving:
            await asyncio.wait(self._leaving)
        await self._sender.close()
        self._topics.close()

    def relay(self) -> Relay:
        """The reader of the log in PostgreSQL that sends everything on. One runs, the others stand by."""
        made = Relay(
            self._log,
            sender=self._sender,
            topics=self._topics,
            codec=self._codec,
            clock=self._clock,
            kafka=self._kafka,
            settings=self._settings,
        )
        self._log.consumers.append(made)
        return made

    def consumer(self, name: str, *, topics: Sequence[str], handle: Handle) -> Consumer:
        """A durable consumer; its name is its identity for ever. A new one begins with the oldest event kept.

        All processes that run one of this name share the partitions.
        """
        made = Consumer(
            name,
            topics=topics,
            handle=handle,
            source=self._source(name),
            pulse=self._log.pulse,
            clock=self._clock,
            settings=self._settings,
        )
        self._log.consumers.append(made)
        return made

    def fold(self, name: str, *, topics: Sequence[str], apply: Apply) -> Fold:
        """As `consumer`, for a handler that writes in the transaction which moves the place: exactly once."""
        made = Fold(
            name,
            topics=topics,
            apply=apply,
            source=self._source(name),
            pulse=self._log.pulse,
            clock=self._clock,
            settings=self._settings,
        )
        self._log.consumers.append(made)
        return made

    async def lag(self) -> list[Lag]:
        """How far each consumer is behind, by name: a batch is one event here.

        `behind_s` is the time since it last moved, while it is behind. Raises: KafkaUnavailable.
        """
        return await self.desk.lag_on_kafka()

    async def dead_letters(self, consumer: str, *, count_max: int = 100) -> list[DeadLetter]:
        """What a consumer could not handle, newest event first."""
        return await self._log.dead_letters(consumer, count_max=count_max)

    async def forget(self, consumer: str) -> bool:
        """Drops the places of a consumer that is gone for good, or is to read everything again."""
        async with self._database.read() as tx:
            return await places.forget(tx, consumer)

    def _source(self, name: str) -> KafkaSource:
        return KafkaSource(
            name,
            kafka=self._kafka,
            topics=self._topics,
            codec=self._codec,
            database=self._database,
            clock=self._clock,
            settings=self._settings,
            lost=self._hear_lost,
            leaving=self._leaving,
        )

    def _hear_lost(self, consumer: str, part: Part, wanted: int, first: int, last: int) -> None:
        """Events that a consumer never read are gone, or the topic is another one: nobody may miss that."""
        self.lost[consumer] += max(0, first - wanted)
        _log.error(
            "consumer %s wanted offset %d of %s/%d, where there is only %d to %d: it goes on at the first, %s",
            consumer,
            wanted,
            *part,
            first,
            last,
            f"and {first - wanted} events are lost to it" if first > wanted else "as in a topic made anew",
        )
