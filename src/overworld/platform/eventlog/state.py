"""The state of the log as an operator looks at it: how much lies there, what of, and who is behind."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

import msgspec
from msgspec import Struct

from overworld.kernel.ports import Tx
from overworld.platform.eventlog import store
from overworld.platform.eventlog.types import Lag

EVENTS_OPENED_MAX = 1_000
"""Unread batches of a consumer whose events are counted; beyond, the count says "at least"."""

COUNTED_BYTES_MAX = 64 * 2**20
"""A log up to this size is counted exactly; of a larger one PostgreSQL's own estimate is told."""

_DAY = timedelta(days=1)


class ConsumerState(Struct, frozen=True, kw_only=True):
    """How far a durable consumer is behind. With `at_least` there are more events than were counted."""

    lag: Lag
    events_behind: int
    at_least: bool


class LogState(Struct, frozen=True, kw_only=True):
    """The log at a time.

    `waiting` says that committed batches wait for an older transaction to end. A large log has its number of batches
    estimated, and `topics`, the events of the last day, is None: it would take long to open them all.
    """

    newest_at: datetime | None
    oldest_at: datetime | None
    waiting: bool
    stored_bytes: int
    stored_batches: int
    estimated: bool
    topics: dict[str, int] | None
    consumers: list[ConsumerState]
    lost_letters: dict[str, int]


class _Topic(Struct, frozen=True):
    topic: str


_topics_of = msgspec.json.Decoder(list[_Topic]).decode

_EXISTS = """
SELECT to_regclass('eventlog.outbox') IS NOT NULL"""

_STORED = """
SELECT sum(pg_total_relation_size(oid)) AS bytes, sum(greatest(reltuples, 0))::bigint AS batches
FROM pg_class
WHERE oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'eventlog.outbox'::regclass)"""

# Touches two index entries of each day.
_ENDS = """
SELECT (SELECT at FROM eventlog.outbox ORDER BY stamp, id LIMIT 1) AS oldest_at,
       (SELECT at FROM eventlog.outbox ORDER BY stamp DESC, id DESC LIMIT 1) AS newest_at"""

_COUNT = """
SELECT count(*) FROM eventlog.outbox"""

_SINCE = """
SELECT events FROM eventlog.outbox WHERE at > $1"""

_UNREAD = """
SELECT cursor.consumer, coalesce(sum(json_array_length(convert_from(unread.events, 'UTF8')::json)), 0) AS events
FROM eventlog.cursor
LEFT JOIN LATERAL (
    SELECT events FROM eventlog.outbox
    WHERE (outbox.stamp, outbox.id) > (cursor.stamp, cursor.id)
    ORDER BY outbox.stamp, outbox.id
    LIMIT $1
) AS unread ON true
GROUP BY cursor.consumer"""

_LOST_LETTERS = """
SELECT consumer, count(*) AS letters FROM eventlog.dead_letter
WHERE NOT EXISTS (SELECT FROM eventlog.cursor WHERE cursor.consumer = dead_letter.consumer)
  AND NOT EXISTS (SELECT FROM eventlog.kafka_place AS place WHERE place.consumer = dead_letter.consumer)
GROUP BY consumer ORDER BY consumer"""


async def exists(tx: Tx) -> bool:
    """Whether the database has a log: not before it was migrated."""
    return bool(await tx.fetchval(_EXISTS))


async def state(tx: Tx, *, at: datetime) -> LogState:
    """The state at a time, in seven round trips; locks nothing, and opens at most `COUNTED_BYTES_MAX` of events.

    `lost_letters` are the dead letters of consumers that are gone, by name.
    """
    stored = await tx.fetchrow(_STORED)
    ends = await tx.fetchrow(_ENDS)
    head = await store.head(tx)
    small = stored["bytes"] <= COUNTED_BYTES_MAX
    batches = await tx.fetchval(_COUNT) if small else stored["batches"]
    topics: Counter[str] = Counter()
    for row in await tx.fetch(_SINCE, at - _DAY) if small else ():
        topics.update(event.topic for event in _topics_of(row["events"]))
    unread = {row["consumer"]: int(row["events"]) for row in await tx.fetch(_UNREAD, EVENTS_OPENED_MAX)}
    lags = await store.lag(tx, at=at)
    letters = {row["consumer"]: row["letters"] for row in await tx.fetch(_LOST_LETTERS)}
    return LogState(
        newest_at=ends["newest_at"],
        oldest_at=ends["oldest_at"],
        waiting=head.pending,
        stored_bytes=int(stored["bytes"]),
        stored_batches=batches,
        estimated=not small,
        topics=dict(sorted(topics.items())) if small else None,
        consumers=[
            ConsumerState(
                lag=lag,
                events_behind=unread.get(lag.consumer, 0),
                at_least=lag.batches_behind > EVENTS_OPENED_MAX,
            )
            for lag in lags
        ],
        lost_letters=letters,
    )
