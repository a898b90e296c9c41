"""The topics of Kafka that events go to: made when they are first needed."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import Protocol

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec  # type: ignore[attr-defined]
from msgspec import Struct

from overworld.platform.eventlog.topics import Topics as Registry
from overworld.platform.kafka.client import KafkaUnavailable, common
from overworld.platform.kafka.settings import KafkaSettings
from overworld.platform.kafka.thread import Thread

_EARLIEST, _LATEST = OffsetSpec.earliest(), OffsetSpec.latest()  # type: ignore[no-untyped-call]
_log = logging.getLogger(__name__)


class Plan(Struct, frozen=True, kw_only=True):
    """What a topic is made with."""

    partitions: int
    replicas: int
    kept_h: int
    compression: str


class Plans(Protocol):
    """Says how each topic is kept."""

    def plan(self, topic: str) -> Plan:
        """The plan of a topic, named without the prefix."""
        ...


class Declared:
    """What `topics.toml` says, for one machine or a cluster of so many replicas; one not declared there is an event's.

    `kept_h`, unless 0, is how long all are kept instead.
    """

    def __init__(self, *, replicas: int, kept_h: int = 0) -> None:
        self._registry = Registry.read()
        self._replicas = replicas
        self._kept_h = kept_h

    def plan(self, topic: str) -> Plan:
        """The plan of a topic, named without the prefix."""
        group = self._registry.group_of(topic)
        return Plan(
            partitions=group.partitions if self._replicas > 1 else group.partitions_alone,
            replicas=min(group.replicas, self._replicas),
            kept_h=self._kept_h or group.kept_h,
            compression=group.compression,
        )


class Topics:
    """Names topics and makes those that are missing; what is there is left as it is."""

    def __init__(self, settings: KafkaSettings, *, plans: Plans) -> None:
        self._prefix = settings.prefix
        self._wait_s = settings.acknowledge_s
        self._plans = plans
        self._admin = AdminClient(common(settings))
        self._there: set[str] = set()
        self._thread = Thread("kafka-topics")

    def name_of(self, topic: str) -> str:
        """What a topic is called in Kafka."""
        return f"{self._prefix}{topic}"

    def forget(self) -> None:
        """What was there may be gone: look again."""
        self._there.clear()

    async def ensure(self, topics: Iterable[str]) -> None:
        """Makes the topics that are missing. Raises: KafkaUnavailable."""
        if missing := sorted(set(topics) - self._there):
            await self._thread.call(self._make, missing)
            self._there.update(missing)

    async def ends_of(self, names: AbstractSet[str]) -> dict[tuple[str, int], tuple[int, int]]:
        """By Kafka's name of a topic and partition, the first offset kept and the one after the last.

        Topics that are missing are left out. Raises: KafkaUnavailable.
        """
        return await self._thread.call(self._ends, names)

    def _make(self, missing: list[str]) -> None:
        wanted = [self._new(topic) for topic in missing]
        try:
            for name, made in self._admin.create_topics(wanted, request_timeout=self._wait_s).items():
                self._hear(name, made.exception(self._wait_s))
        except TimeoutError as error:
            raise KafkaUnavailable("Kafka made no topics in time") from error

    def _new(self, topic: str) -> NewTopic:
        plan = self._plans.plan(topic)
        return NewTopic(
            self.name_of(topic),
            num_partitions=plan.partitions,
            replication_factor=plan.replicas,
            config={
                "retention.ms": str(plan.kept_h * 3_600_000),
                "compression.type": "uncompressed" if plan.compression == "none" else plan.compression,
                "min.insync.replicas": str(max(1, plan.replicas - 1)),
            },
        )

    def _hear(self, name: str, error: BaseException | None) -> None:
        if error is None:
            _log.info("made the topic %s", name)
        elif not (isinstance(error, KafkaException) and error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS):
            raise KafkaUnavailable(f"the topic {name} cannot be made: {error}") from error

    def _ends(self, wanted: AbstractSet[str]) -> dict[tuple[str, int], tuple[int, int]]:
        try:
            known = self._admin.list_topics(timeout=self._wait_s).topics
            parts = [(name, part) for name in sorted(wanted & known.keys()) for part in known[name].partitions]
            if not parts:
                return {}
            first, last = (self._offsets(parts, spec) for spec in (_EARLIEST, _LATEST))
        except (KafkaException, TimeoutError) as error:
            raise KafkaUnavailable(f"Kafka does not tell its offsets: {error}") from error
        return {part: (first[part], last[part]) for part in parts}

    def _offsets(self, parts: list[tuple[str, int]], spec: OffsetSpec) -> dict[tuple[str, int], int]:
        asked = self._admin.list_offsets({TopicPartition(*part): spec for part in parts}, request_timeout=self._wait_s)
        return {(part.topic, part.partition): future.result(self._wait_s).offset for part, future in asked.items()}

    def close(self) -> None:
        """Ends its thread."""
        self._thread.close()
