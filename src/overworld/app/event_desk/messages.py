"""What staff send and get about the event log."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from msgspec import Meta, Raw, Struct

from overworld.kernel.clock import rfc3339
from overworld.platform.eventlog.topics import REPLICAS_ALONE, Topic
from overworld.platform.eventlog.types import DeadLetter, Lag, Replay

EVENT_IDS_MAX = 200

Name = Annotated[str, Meta(min_length=1, max_length=249, pattern=r"^[a-z][a-z0-9_.-]*$")]


class TopicSeen(Struct, frozen=True, kw_only=True):
    """A topic. `partitions` and `replicas` are those of a cluster, the others those of one machine.

    `schema_version` is that of the newest Avro schema; null: it has none. `also` are other names it is known by.
    """

    name: str
    also: tuple[str, ...]
    key: str
    partitions: int
    replicas: int
    partitions_alone: int
    replicas_alone: int
    kept_h: int
    compression: str
    schema_version: int | None
    dead_letters: int


class ConsumerLag(Struct, frozen=True, kw_only=True):
    """How far a consumer is behind: batches it has not read (10,000: or more), and the age of the oldest of them."""

    consumer: str
    batches_behind: int
    behind_s: float
    dead_letters: int
    moved_at: str


class DeadLetterSeen(Struct, frozen=True, kw_only=True):
    """An event that a consumer gave up on. `data` are the event's fields; `error` is the last one it failed with.

    `replay_wanted_at` is null while nobody wants it handled again, or when it failed again.
    """

    consumer: str
    event_id: UUID
    topic: str
    key: str
    at: str
    data: Raw
    error: str
    attempts: int
    failed_at: str
    replay_wanted_at: str | None


class ReplayBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which dead letters are to be handled again: those of this topic, and of what else is given.

    The topic `dlq.failed.events` stands for all of them.
    """

    topic: Name
    consumer: Name | None = None
    event_ids: Annotated[list[UUID], Meta(min_length=1, max_length=EVENT_IDS_MAX)] | None = None


class ReplayOfConsumer(Struct, frozen=True, kw_only=True):
    """How many dead letters a consumer was asked to handle again; none will be where `reads` is false: it is gone."""

    consumer: str
    letters: int
    reads: bool


class ReplayAsked(Struct, frozen=True, kw_only=True):
    """What was asked: how many dead letters, and of whom."""

    letters: int
    consumers: list[ReplayOfConsumer]


def topic_seen(topic: Topic, *, schema_version: int | None, dead_letters: int) -> TopicSeen:
    """A topic as staff read it."""
    group = topic.group
    return TopicSeen(
        name=topic.name,
        also=topic.also,
        key=topic.key,
        partitions=group.partitions,
        replicas=group.replicas,
        partitions_alone=group.partitions_alone,
        replicas_alone=REPLICAS_ALONE,
        kept_h=group.kept_h,
        compression=group.compression,
        schema_version=schema_version,
        dead_letters=dead_letters,
    )


def lag_seen(lag: Lag) -> ConsumerLag:
    """A consumer as staff read it."""
    return ConsumerLag(
        consumer=lag.consumer,
        batches_behind=lag.batches_behind,
        behind_s=round(lag.behind_s, 3),
        dead_letters=lag.dead_letters,
        moved_at=rfc3339(lag.moved_at),
    )


def letter_seen(letter: DeadLetter) -> DeadLetterSeen:
    """A dead letter as staff read it."""
    wanted_at = letter.replay_wanted_at
    return DeadLetterSeen(
        consumer=letter.consumer,
        event_id=letter.event_id,
        topic=letter.topic,
        key=letter.envelope.key,
        at=rfc3339(letter.envelope.at),
        data=letter.envelope.data,
        error=letter.error,
        attempts=letter.attempts,
        failed_at=rfc3339(letter.failed_at),
        replay_wanted_at=None if wanted_at is None else rfc3339(wanted_at),
    )


def asked(replays: list[Replay]) -> ReplayAsked:
    """What was asked of consumers, as staff read it."""
    consumers = [ReplayOfConsumer(consumer=one.consumer, letters=one.letters, reads=one.reads) for one in replays]
    return ReplayAsked(letters=sum(one.letters for one in replays), consumers=consumers)
