"""The SQL of dead letters, as staff look at them and have them handled again. Every function is one round trip."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from overworld.kernel.events import Envelope
from overworld.kernel.ports import Tx
from overworld.platform.eventlog import store
from overworld.platform.eventlog.types import DeadLetter, Replay, Which

CHANNEL = "eventlog"
REPLAY = "replay"
"""What a notice says when letters wait to be handled again."""

_decode = msgspec.json.Decoder(Envelope).decode

_FIELDS = "consumer, event_id, topic, envelope, error, attempts, failed_at, replay_wanted_at"
_CHOSEN = """
($1::text IS NULL OR consumer = $1) AND ($2::text IS NULL OR topic = $2)
AND ($3::uuid[] IS NULL OR event_id = ANY($3))"""

_FOUND = f"""
SELECT {_FIELDS} FROM eventlog.dead_letter
WHERE {_CHOSEN} AND ($4::uuid IS NULL OR (event_id, consumer) < ($4, $5))
ORDER BY event_id DESC, consumer DESC
LIMIT $6"""  # noqa: S608 - constants of this file


async def found(tx: Tx, which: Which, *, before: tuple[UUID, str] | None, limit: int) -> list[DeadLetter]:
    """Dead letters, the newest event first, from before an (event id, consumer) on."""
    event_id, consumer = before or (None, None)
    rows = await tx.fetch(_FOUND, which.consumer, which.topic, which.event_ids, event_id, consumer, limit)
    return [letter_of(row) for row in rows]


_COUNTED = """
SELECT topic, count(*) AS letters FROM eventlog.dead_letter GROUP BY topic"""


async def counted(tx: Tx) -> dict[str, int]:
    """How many dead letters there are, by topic."""
    return {row["topic"]: row["letters"] for row in await tx.fetch(_COUNTED)}


_WANT = f"""
WITH chosen AS (
    SELECT consumer, event_id FROM eventlog.dead_letter WHERE {_CHOSEN} ORDER BY consumer, event_id FOR UPDATE
), wanted AS (
    UPDATE eventlog.dead_letter SET replay_wanted_at = $4 FROM chosen
    WHERE dead_letter.consumer = chosen.consumer AND dead_letter.event_id = chosen.event_id
    RETURNING dead_letter.consumer
), told AS (
    SELECT pg_notify('{CHANNEL}', '{REPLAY}') FROM (SELECT FROM wanted LIMIT 1) AS one
)
SELECT consumer, count(*) AS letters, (SELECT count(*) FROM told) AS notices,
       EXISTS (SELECT FROM eventlog.cursor WHERE cursor.consumer = wanted.consumer)
       OR EXISTS (SELECT FROM eventlog.kafka_place AS place WHERE place.consumer = wanted.consumer) AS reads
FROM wanted GROUP BY consumer ORDER BY consumer"""  # noqa: S608 - constants of this file


async def want_replay(tx: Tx, which: Which, *, at: datetime) -> list[Replay]:
    """Asks that dead letters be handled again by their consumers, who hear of it at the commit.

    Rows are locked in the order of their key, so that two who ask at once do not wait for each other.
    """
    rows = await tx.fetch(_WANT, which.consumer, which.topic, which.event_ids, at)
    return [Replay(consumer=row["consumer"], letters=row["letters"], reads=row["reads"]) for row in rows]


_WANTED = f"""
SELECT {_FIELDS} FROM eventlog.dead_letter
WHERE consumer = $1 AND replay_wanted_at IS NOT NULL
ORDER BY event_id
LIMIT $2"""  # noqa: S608 - constants of this file


async def wanted(tx: Tx, consumer: str, *, count_max: int) -> list[DeadLetter]:
    """What a consumer should handle again, the oldest event first."""
    return [letter_of(row) for row in await tx.fetch(_WANTED, consumer, count_max)]


_PUT_BACK = """
WITH gone AS (
    DELETE FROM eventlog.dead_letter
    WHERE consumer = $1 AND event_id IN (
        SELECT event_id FROM eventlog.dead_letter
        WHERE consumer = $1 AND replay_wanted_at IS NOT NULL
        ORDER BY event_id
        LIMIT $2
    )
    RETURNING event_id, envelope
)
SELECT count(*) AS letters, eventlog.append(
    $3, ARRAY['@' || $1], convert_to('[' || string_agg(convert_from(envelope, 'UTF8'), ',' ORDER BY event_id) || ']', 'UTF8'))
FROM gone
HAVING count(*) > 0"""


async def put_back(tx: Tx, consumer: str, *, count_max: int, at: datetime) -> int:
    """Makes dead letters that are wanted a new batch of the log, the oldest event first; how many.

    Its only topic is the consumer's name after an @: of the log's readers only those of all topics come across it.
    """
    row = await tx.fetchrow(_PUT_BACK, consumer, count_max, at)
    return 0 if row is None else int(row["letters"])


@asynccontextmanager
async def turn(session: asyncpg.Connection, consumer: str) -> AsyncIterator[bool]:
    """Whether it is this session's turn to handle a consumer's letters: where many read at once, one does so.

    What is asked for just as another ends its turn is found when letters are looked for the next time.
    """
    key = store.lock_key(f"eventlog.replay {consumer}")
    is_ours = bool(await session.fetchval("SELECT pg_try_advisory_lock($1)", key))
    try:
        yield is_ours
    finally:
        if is_ours and not session.is_closed():
            await session.fetchval("SELECT pg_advisory_unlock($1)", key)


_FORGET = """
DELETE FROM eventlog.dead_letter WHERE failed_at < $1 AND replay_wanted_at IS NULL"""


async def forget(tx: Tx, *, before: datetime) -> int:
    """Drops what failed before a time and nobody wants handled again; how many."""
    return int((await tx.execute(_FORGET, before)).rpartition(" ")[2])


def letter_of(row: Any) -> DeadLetter:
    """A dead letter of its row."""
    return DeadLetter(**(dict(row) | {"envelope": _decode(row["envelope"])}))
