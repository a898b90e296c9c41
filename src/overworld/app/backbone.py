"""Where the event log lies for who reads it elsewhere: in PostgreSQL alone, or carried on to Kafka."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NoReturn

from msgspec import Struct

from overworld.app.event_desk.schemas import registry_of
from overworld.app.log_watch import EVERY_S
from overworld.app.loops import Loops
from overworld.app.settings import Settings
from overworld.kernel.clock import Clock
from overworld.platform.avro import Released
from overworld.platform.eventlog import EventLog, Lag, Log
from overworld.platform.observability import Metrics
from overworld.platform.postgres import Database

if TYPE_CHECKING:
    from overworld.platform.kafka.log import KafkaLog
    from overworld.platform.kafka.relay import Relay


class Backbone(Struct, frozen=True, kw_only=True):
    """The log of this server as reactions read it.

    What writes into our own database, or hears of everything at once, reads the log there; what calls a service and
    may run in several processes at once reads `log`, which is Kafka's where there is one.
    """

    log: Log
    kafka: KafkaLog | None = None
    relay: Relay | None = None
    lags: list[Lag] = []

    def run(self, loops: Loops) -> None:
        """Starts the relay, and the look at who is behind, where there is a Kafka."""
        if self.relay is not None:
            loops.run("kafka-relay", self.relay.run)
            loops.run("kafka-watch", self._watch)

    async def _watch(self) -> NoReturn:
        while self.kafka is not None:
            self.lags[:] = await self.kafka.lag()
            await asyncio.sleep(EVERY_S)
        raise AssertionError("there is no Kafka to look at")

    async def close(self) -> None:
        """Lets go of Kafka, after the loops have ended."""
        if self.kafka is not None:
            await self.kafka.close()

    def watch(self, metrics: Metrics) -> None:
        """Adds what there is to be seen of Kafka; without one the figures stay at 0."""
        relay, kafka = self.relay, self.kafka
        lag = "How far a consumer of Kafka is behind, in "
        metrics.gauges(
            "overworld_kafka_consumer_lag_events",
            lag + "events of its partitions.",
            lambda: {one.consumer: float(one.batches_behind) for one in self.lags},
            label="consumer",
        )
        metrics.gauges(
            "overworld_kafka_consumer_lag_seconds",
            lag + "seconds since it last moved.",
            lambda: {one.consumer: one.behind_s for one in self.lags},
            label="consumer",
        )
        metrics.gauge(
            "overworld_kafka_relaying",
            "1 while this process is the one that relays.",
            lambda: bool(relay and relay.active),
        )
        metrics.count(
            "overworld_kafka_relayed", "Events that this process has sent on.", lambda: relay.handled if relay else 0
        )
        metrics.count(
            "overworld_kafka_relay_failures",
            "Tries to send that failed: Kafka did not acknowledge, or refused.",
            lambda: relay.retried if relay else 0,
        )
        metrics.count(
            "overworld_kafka_lost",
            "Events gone from Kafka before a consumer of this process had read them.",
            lambda: kafka.lost.total() if kafka else 0,
        )


def build(settings: Settings, log: EventLog, *, database: Database, clock: Clock, released: Released) -> Backbone:
    """The backbone that the settings ask for, with what it needs of kernels compiled."""
    if settings.events.log == "postgres":
        return Backbone(log=log)
    # Its client takes a while to import, which a server without Kafka need not spend.
    from overworld.platform.avro import warm  # noqa: PLC0415
    from overworld.platform.kafka import AvroCodec, KafkaLog  # noqa: PLC0415

    warm(released)
    codec = AvroCodec(released, registry_of(settings.events))
    kafka = KafkaLog(log, database=database, clock=clock, kafka=settings.kafka, settings=settings.events, codec=codec)
    return Backbone(log=kafka, kafka=kafka, relay=kafka.relay())
