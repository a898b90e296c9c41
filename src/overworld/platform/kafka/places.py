"""How far consumers have read Kafka, kept in PostgreSQL. Every function is one round trip."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from overworld.kernel.ports import Tx
from overworld.platform.kafka.client import KafkaLost
from overworld.platform.kafka.codec import NOWHERE, Place, place_of

Part = tuple[str, int]
"""A partition: its topic as Kafka names it, and its number."""


class Read(Struct, frozen=True):
    """How far a partition was read: the offset that comes next, and the place of the last event passed."""

    offset: int
    seen: Place


class Step(Struct, frozen=True):
    """A partition that was read on: from the offset `before` to what `after` says."""

    part: Part
    before: int
    after: Read


class Kept(Struct, frozen=True):
    """A partition as it stands in the table."""

    consumer: str
    part: Part
    offset: int
    moved_at: datetime


async def era(tx: Tx) -> int:
    """Which cluster this is that the log lives in, counted from 0."""
    number: int = await tx.fetchval("SELECT number FROM eventlog.era")
    return number


_OPEN = """
WITH asked AS (SELECT * FROM unnest($2::text[], $3::int[], $4::bigint[]) AS asked (topic, partition, first)),
opened AS (
    INSERT INTO eventlog.kafka_place (consumer, topic, partition, next_offset, seen, moved_at)
    SELECT $1, topic, partition, first, $5, $6 FROM asked ORDER BY topic, partition
    ON CONFLICT (consumer, topic, partition) DO NOTHING
    RETURNING topic, partition, next_offset, seen
)
SELECT * FROM opened
UNION ALL
SELECT topic, partition, next_offset, seen FROM eventlog.kafka_place JOIN asked USING (topic, partition)
WHERE consumer = $1"""


async def open_places(tx: Tx, consumer: str, firsts: dict[Part, int], *, at: datetime) -> dict[Part, Read]:
    """Where a consumer goes on in some partitions; one that is new begins with the first offset given for it."""
    topics, parts = [topic for topic, _ in firsts], [part for _, part in firsts]
    rows = await tx.fetch(_OPEN, consumer, topics, parts, list(firsts.values()), str(NOWHERE), at)
    return {(row["topic"], row["partition"]): Read(row["next_offset"], place_of(row["seen"])) for row in rows}


_MOVE = """
UPDATE eventlog.kafka_place AS place SET next_offset = step.after, seen = step.seen, moved_at = $7
FROM unnest($2::text[], $3::int[], $4::bigint[], $5::bigint[], $6::text[])
    AS step (topic, partition, before, after, seen)
WHERE consumer = $1 AND place.topic = step.topic AND place.partition = step.partition AND next_offset = step.before
RETURNING 1"""


async def move(tx: Tx, consumer: str, steps: Sequence[Step], *, at: datetime) -> None:
    """Moves a consumer on in some partitions. Raises: KafkaLost when somebody else has moved it in one of them."""
    moved = await tx.fetch(_MOVE, consumer, *_columns(steps), at)
    if len(moved) < len(steps):
        raise KafkaLost(f"somebody else reads {len(steps) - len(moved)} of the partitions of {consumer}")


_KEEP = """
UPDATE eventlog.kafka_place AS place SET next_offset = step.after, seen = step.seen, moved_at = $7
FROM unnest($2::text[], $3::int[], $4::bigint[], $5::bigint[], $6::text[])
    AS step (topic, partition, before, after, seen)
WHERE consumer = $1 AND place.topic = step.topic AND place.partition = step.partition
  AND next_offset >= step.before AND next_offset < step.after"""


async def keep(tx: Tx, consumer: str, steps: Sequence[Step], *, at: datetime) -> None:
    """Keeps how far a consumer has come with what is handled already; who is farther stays there."""
    await tx.execute(_KEEP, consumer, *_columns(steps), at)


def _columns(steps: Sequence[Step]) -> tuple[list[str], list[int], list[int], list[int], list[str]]:
    return (
        [step.part[0] for step in steps],
        [step.part[1] for step in steps],
        [step.before for step in steps],
        [step.after.offset for step in steps],
        [str(step.after.seen) for step in steps],
    )


_SET = """
UPDATE eventlog.kafka_place SET next_offset = $4, moved_at = $5
WHERE consumer = $1 AND topic = $2 AND partition = $3"""


async def put(tx: Tx, consumer: str, part: Part, *, offset: int, at: datetime) -> None:
    """Sets a consumer to another offset of a partition."""
    await tx.execute(_SET, consumer, *part, offset, at)


_KEPT = """
SELECT consumer, topic, partition, next_offset, moved_at FROM eventlog.kafka_place
ORDER BY consumer, topic, partition"""


async def kept(tx: Tx) -> list[Kept]:
    """How far every consumer has read every partition."""
    return [
        Kept(row["consumer"], (row["topic"], row["partition"]), row["next_offset"], row["moved_at"])
        for row in await tx.fetch(_KEPT)
    ]


_FORGET = """
DELETE FROM eventlog.kafka_place WHERE consumer = $1"""


async def forget(tx: Tx, consumer: str) -> bool:
    """Drops a consumer's places: it begins anew; gives whether there were any."""
    return str(await tx.execute(_FORGET, consumer)) != "DELETE 0"


_LETTERS = """
SELECT consumer, count(*) AS letters FROM eventlog.dead_letter GROUP BY consumer"""


async def dead_letters(tx: Tx) -> dict[str, int]:
    """How many dead letters each consumer has."""
    return {row["consumer"]: row["letters"] for row in await tx.fetch(_LETTERS)}
