"""The log's SQL. Every function is one round trip."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from uuid import UUID

import msgspec

from overworld.kernel.events import Enclosed, Envelope
from overworld.kernel.ports import Tx
from overworld.platform.eventlog.recent import Written
from overworld.platform.eventlog.types import BATCHES_COUNTED_MAX, START, Batch, DeadLetter, Head, Lag, Position
from overworld.platform.postgres.migrations import Schema

CHANNEL = "eventlog"
SCHEMA = Schema(name="eventlog", folder=Path(__file__).parent / "schema")

_encode = msgspec.json.Encoder().encode

_APPEND = "SELECT eventlog.append($1, $2, $3)"


async def append(tx: Tx, events: Sequence[Enclosed | Envelope], *, at: datetime) -> None:
    """Writes one batch, in the order given; readers get a hint when the transaction commits."""
    await tx.execute(_APPEND, at, sorted({event.topic for event in events}), _encode(events))


_HEAD = """
SELECT last.stamp, last.id,
       EXISTS (SELECT FROM eventlog.outbox WHERE stamp >= pg_snapshot_xmin(pg_current_snapshot())) AS pending
FROM (SELECT) AS always
LEFT JOIN LATERAL (
    SELECT stamp, id FROM eventlog.outbox
    WHERE stamp < pg_snapshot_xmin(pg_current_snapshot())
    ORDER BY stamp DESC, id DESC
    LIMIT 1
) AS last ON true"""


async def head(tx: Tx) -> Head:
    """The last batch that may be read now. Touches two index entries of each partition."""
    row = await tx.fetchrow(_HEAD)
    position = START if row["id"] is None else Position(row["stamp"], row["id"])
    return Head(position=position, pending=row["pending"])


_NOW = """
SELECT pg_snapshot_xmin(pg_current_snapshot())"""


async def now(tx: Tx) -> Position:
    """The place after which everything lies that commits from now on (and perhaps a little before)."""
    return Position(await tx.fetchval(_NOW) - 1, 2**63 - 1)


_WRITTEN = """
SELECT stamp, id, topics, CASE WHEN $4::text[] IS NULL OR topics && $4 THEN events END AS events
FROM eventlog.outbox
WHERE (stamp, id) > ($1, $2) AND stamp < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY stamp, id
LIMIT $3"""


async def written(tx: Tx, *, after: Position, topics: frozenset[str] | None, batches_max: int) -> list[Written]:
    """The next batches that no open transaction can still come before; empty when there is none.

    Batches without any of the topics come without events, so that a reader can move past them; their bytes stay in
    the database. With None the events of all topics come.
    """
    wanted = None if topics is None else sorted(topics)
    rows = await tx.fetch(_WRITTEN, after.stamp, after.id, batches_max, wanted)
    return [Written(Position(row["stamp"], row["id"]), row["topics"], row["events"]) for row in rows]


async def read(tx: Tx, *, after: Position, topics: frozenset[str] | None, batches_max: int) -> list[Batch[Position]]:
    """The same as a reader of these topics gets them."""
    return [one.of(topics) for one in await written(tx, after=after, topics=topics, batches_max=batches_max)]


_OPEN_CURSOR = """
WITH opened AS (
    INSERT INTO eventlog.cursor (consumer, stamp, id, moved_at) VALUES ($1, $2, $3, $4)
    ON CONFLICT (consumer) DO NOTHING
    RETURNING stamp, id
)
SELECT stamp, id FROM opened UNION ALL SELECT stamp, id FROM eventlog.cursor WHERE consumer = $1"""


async def open_cursor(tx: Tx, consumer: str, *, start: Position, at: datetime) -> Position:
    """Where a consumer goes on; one that is new begins after `start`."""
    return Position(*await tx.fetchrow(_OPEN_CURSOR, consumer, start.stamp, start.id, at))


_MOVE_CURSOR = """
UPDATE eventlog.cursor SET stamp = $2, id = $3, moved_at = $4 WHERE consumer = $1"""


async def move_cursor(tx: Tx, consumer: str, *, to: Position, at: datetime) -> None:
    """Remembers how far a consumer has come."""
    await tx.execute(_MOVE_CURSOR, consumer, to.stamp, to.id, at)


_HOLD_CURSOR = """
SELECT FROM eventlog.cursor WHERE consumer = $1 FOR UPDATE"""


async def hold_cursor(tx: Tx, consumer: str) -> None:
    """Locks a consumer's cursor until the transaction ends: whoever counts again what a fold has counted waits."""
    await tx.execute(_HOLD_CURSOR, consumer)


def lock_key(purpose: str) -> int:
    """The advisory lock that stands for a purpose."""
    return int.from_bytes(blake2b(purpose.encode(), digest_size=8).digest(), "big", signed=True)


_FORGET = """
DELETE FROM eventlog.cursor WHERE consumer = $1"""


async def forget(tx: Tx, consumer: str) -> bool:
    """Drops a consumer's cursor, so that it no longer holds back retention; gives whether there was one."""
    return bool(await tx.execute(_FORGET, consumer) == "DELETE 1")


_BURY = """
INSERT INTO eventlog.dead_letter (consumer, event_id, topic, envelope, error, attempts, failed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (consumer, event_id) DO UPDATE
SET error = excluded.error, attempts = dead_letter.attempts + excluded.attempts, failed_at = excluded.failed_at,
    replay_wanted_at = NULL"""


async def bury(tx: Tx, letter: DeadLetter) -> None:
    """Keeps an event that could not be handled; one that fails again adds its attempts and waits for staff again."""
    await tx.execute(
        _BURY,
        letter.consumer,
        letter.event_id,
        letter.topic,
        _encode(letter.envelope),
        letter.error,
        letter.attempts,
        letter.failed_at,
    )


_DIG_UP = """
DELETE FROM eventlog.dead_letter WHERE consumer = $1 AND event_id = ANY($2::uuid[])"""


async def dig_up(tx: Tx, consumer: str, event_ids: Sequence[UUID]) -> None:
    """Removes dead letters, because they were handled after all or given up."""
    await tx.execute(_DIG_UP, consumer, event_ids)


_FIRST_TIME = """
INSERT INTO eventlog.handled (event_id, consumer)
SELECT event_id, $1 FROM unnest($2::uuid[]) AS wanted (event_id) ORDER BY event_id
ON CONFLICT (event_id, consumer) DO NOTHING
RETURNING event_id"""


async def first_time(tx: Tx, consumer: str, event_ids: Sequence[UUID]) -> set[UUID]:
    """Marks events as handled in the handler's own transaction; gives those that had not been.

    A handler whose effect is not idempotent by itself acts on these only. Marks are kept as long as events are.
    """
    return {row["event_id"] for row in await tx.fetch(_FIRST_TIME, consumer, event_ids)}


_HAS_PASSED = """
SELECT EXISTS (SELECT FROM eventlog.cursor WHERE consumer = $1) AND NOT EXISTS (
    SELECT FROM eventlog.outbox
    WHERE at < $3 AND topics && $2
      AND (stamp, id) > (SELECT stamp, id FROM eventlog.cursor WHERE consumer = $1)
)"""


async def has_passed(tx: Tx, consumer: str, *, topics: frozenset[str], before: datetime) -> bool:
    """Whether a consumer has read all that is committed of some topics and happened before a time."""
    passed: bool = await tx.fetchval(_HAS_PASSED, consumer, sorted(topics), before)
    return passed


_UNREAD_SINCE = """
SELECT outbox.at FROM eventlog.cursor
LEFT JOIN LATERAL (
    SELECT at FROM eventlog.outbox
    WHERE topics && $2 AND (outbox.stamp, outbox.id) > (cursor.stamp, cursor.id)
    ORDER BY outbox.stamp, outbox.id LIMIT 1
) AS outbox ON true
WHERE consumer = $1"""


async def read_until(tx: Tx, consumer: str, *, topics: frozenset[str], now: datetime) -> datetime | None:
    """Until when a consumer has read all that is committed of some topics; None before it has begun."""
    row = await tx.fetchrow(_UNREAD_SINCE, consumer, sorted(topics))
    return None if row is None else row["at"] or now


_LAG = """
SELECT cursor.consumer, cursor.moved_at, unread.batches_behind, unread.oldest_at,
       (SELECT count(*) FROM eventlog.dead_letter WHERE dead_letter.consumer = cursor.consumer) AS dead_letters
FROM eventlog.cursor
CROSS JOIN LATERAL (
    SELECT count(*) AS batches_behind, min(at) AS oldest_at
    FROM (
        SELECT at FROM eventlog.outbox
        WHERE (outbox.stamp, outbox.id) > (cursor.stamp, cursor.id)
        ORDER BY outbox.stamp, outbox.id
        LIMIT $1
    ) AS counted
) AS unread
ORDER BY cursor.consumer"""


async def lag(tx: Tx, *, at: datetime) -> list[Lag]:
    """How far each consumer is behind at a time, by name."""
    return [
        Lag(
            consumer=row["consumer"],
            batches_behind=row["batches_behind"],
            behind_s=max(0.0, (at - row["oldest_at"]).total_seconds()) if row["oldest_at"] else 0.0,
            dead_letters=row["dead_letters"],
            moved_at=row["moved_at"],
        )
        for row in await tx.fetch(_LAG, BATCHES_COUNTED_MAX)
    ]
