"""The queue: deliveries and the lines they wait in. Lock order: subscription, line by its key, delivery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from overworld.domains.webhooks.types import Delivery, Due, Queued, State
from overworld.kernel.ports import Tx

CHANNEL = "webhooks"

_WAITING = """
SELECT wanted.id, waiting.count
FROM unnest($1::uuid[]) AS wanted (id)
CROSS JOIN LATERAL (
    SELECT count(*) FROM (
        SELECT FROM webhooks.delivery WHERE subscription_id = wanted.id AND state = 'waiting' LIMIT $2
    ) AS counted
) AS waiting"""


async def waiting(tx: Tx, ids: Sequence[UUID], *, count_max: int) -> dict[UUID, int]:
    """How many deliveries wait for each subscription, counted up to a number. One round trip."""
    return {row["id"]: row["count"] for row in await tx.fetch(_WAITING, ids, count_max)}


_WAITING_IN_ALL = "SELECT count(*) FROM (SELECT FROM webhooks.delivery WHERE state = 'waiting' LIMIT $1) AS counted"


async def waiting_in_all(tx: Tx, *, count_max: int) -> int:
    """How many deliveries wait, counted up to a number. One round trip."""
    return int(await tx.fetchval(_WAITING_IN_ALL, count_max))


_ADD = """
INSERT INTO webhooks.delivery (id, subscription_id, topic, key, body, trace, made_at)
SELECT id, subscription_id, topic, key, body, trace, $7
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bytea[], $6::text[]) WITH ORDINALITY
    AS new (id, subscription_id, topic, key, body, trace, place)
ORDER BY place
ON CONFLICT (id) DO NOTHING"""
_OPEN_LINES = """
INSERT INTO webhooks.line (subscription_id, key, next_at)
SELECT DISTINCT subscription_id, key, $3::timestamptz FROM unnest($1::uuid[], $2::text[]) AS new (subscription_id, key)
ORDER BY subscription_id, key
ON CONFLICT (subscription_id, key) DO UPDATE SET next_at = line.next_at"""
_NOTIFY = f"SELECT pg_notify('{CHANNEL}', '')"


async def queue(tx: Tx, new: Sequence[Queued], at: datetime) -> None:
    """Puts deliveries at the ends of their lines, in the order given; senders hear of it at the commit.

    Those that are there already stay as they are. Three round trips.
    """
    await tx.execute(
        _ADD,
        [one.id for one in new],
        [one.subscription_id for one in new],
        [one.topic for one in new],
        [one.key for one in new],
        [one.body for one in new],
        [one.trace for one in new],
        at,
    )
    await tx.execute(_OPEN_LINES, [one.subscription_id for one in new], [one.key for one in new], at)
    await tx.execute(_NOTIFY)


_TAKE = """
WITH due AS (
    SELECT line.subscription_id, line.key
    FROM unnest($1::uuid[], $2::int[]) AS wanted (subscription_id, room)
    CROSS JOIN LATERAL (
        SELECT subscription_id, key FROM webhooks.line
        WHERE line.subscription_id = wanted.subscription_id AND next_at <= $3
            AND (leased_until IS NULL OR leased_until <= $3)
        ORDER BY next_at LIMIT wanted.room
        FOR UPDATE SKIP LOCKED
    ) AS line
), taken AS (
    UPDATE webhooks.line SET leased_until = $4 FROM due
    WHERE line.subscription_id = due.subscription_id AND line.key = due.key
    RETURNING line.subscription_id, line.key
)
SELECT first.* FROM taken CROSS JOIN LATERAL (
    SELECT id, subscription_id, topic, key, body, attempts, trace FROM webhooks.delivery
    WHERE subscription_id = taken.subscription_id AND key = taken.key AND state = 'waiting'
    ORDER BY number LIMIT 1
) AS first"""


async def take(tx: Tx, rooms: Mapping[UUID, int], *, at: datetime, leased_until: datetime) -> list[Due]:
    """The first deliveries of lines that are due, at most so many for each subscription; nobody else takes them until
    the lease is over. One round trip.
    """
    return [Due(**row) for row in await tx.fetch(_TAKE, list(rooms), list(rooms.values()), at, leased_until)]


_HOLD_LINE = "SELECT FROM webhooks.line WHERE subscription_id = $1 AND key = $2 FOR UPDATE"
_FINISH = """
UPDATE webhooks.delivery
SET state = $3::text, attempts = attempts + 1, tried_at = $4::timestamptz, status = $5, error = $6,
    finished_at = CASE WHEN $3::text = 'waiting' THEN NULL ELSE $4::timestamptz END
WHERE id = $1 AND state = 'waiting' AND attempts = $2 RETURNING id"""
_LATER = "UPDATE webhooks.line SET next_at = $3, leased_until = NULL WHERE subscription_id = $1 AND key = $2"
_CLOSE = """
DELETE FROM webhooks.line WHERE subscription_id = $1 AND key = $2 AND NOT EXISTS (
    SELECT FROM webhooks.delivery WHERE subscription_id = $1 AND key = $2 AND state = 'waiting')"""


async def settle(
    tx: Tx, due: Due, *, state: State, status: int | None, error: str | None, at: datetime, next_at: datetime
) -> bool:
    """Keeps what came of a try, and when the line goes on: False when another server kept something meanwhile.

    A line in which nothing waits any more is closed.
    """
    await tx.execute(_HOLD_LINE, due.subscription_id, due.key)
    if await tx.fetchval(_FINISH, due.id, due.attempts, state.value, at, status, error) is None:
        return False
    if state is not State.WAITING:
        await tx.execute(_CLOSE, due.subscription_id, due.key)
    await tx.execute(_LATER, due.subscription_id, due.key, next_at)
    return True


_RELEASE = """
UPDATE webhooks.line SET leased_until = NULL
FROM unnest($1::uuid[], $2::text[]) AS given_back (subscription_id, key)
WHERE line.subscription_id = given_back.subscription_id AND line.key = given_back.key"""


async def release(tx: Tx, taken: Sequence[Due]) -> None:
    """Gives back what this server took and did not come to send, or to keep."""
    await tx.execute(_RELEASE, [due.subscription_id for due in taken], [due.key for due in taken])


_HURRY = """
WITH held AS (
    SELECT key FROM webhooks.line WHERE subscription_id = $1 AND next_at > $2 ORDER BY key FOR UPDATE
)
UPDATE webhooks.line SET next_at = $2 FROM held WHERE line.subscription_id = $1 AND line.key = held.key"""


async def hurry(tx: Tx, subscription_id: UUID, at: datetime) -> None:
    """Makes every line of a subscription due now; what is under way stays so. One round trip."""
    await tx.execute(_HURRY, subscription_id, at)
    await tx.execute(_NOTIFY)


_AGAIN = """
UPDATE webhooks.delivery SET state = 'waiting', attempts = 0, finished_at = NULL
WHERE id = $2 AND subscription_id = $1 AND state <> 'waiting' RETURNING id"""
_KEY_OF = "SELECT key FROM webhooks.delivery WHERE id = $2 AND subscription_id = $1"
_LINE_NOW = """
INSERT INTO webhooks.line (subscription_id, key, next_at) VALUES ($1, $2, $3)
ON CONFLICT (subscription_id, key) DO UPDATE SET next_at = least(line.next_at, excluded.next_at)"""


async def again(tx: Tx, subscription_id: UUID, id: UUID, at: datetime) -> bool:
    """Puts a delivery back where it stood in its line, which is due now; False when there is no such delivery."""
    key = await tx.fetchval(_KEY_OF, subscription_id, id)
    if key is None:
        return False
    await tx.execute(_LINE_NOW, subscription_id, key, at)
    await tx.execute(_AGAIN, subscription_id, id)
    await tx.execute(_NOTIFY)
    return True


_SHOWN = """
SELECT delivery.id, number, topic, delivery.key, state, attempts, made_at, tried_at, status, error, finished_at,
    CASE WHEN state = 'waiting' THEN line.next_at END AS next_at
FROM webhooks.delivery
LEFT JOIN webhooks.line ON line.subscription_id = delivery.subscription_id AND line.key = delivery.key
WHERE delivery.subscription_id = $1 AND ($2::text IS NULL OR state = $2) AND number < $3
ORDER BY number DESC LIMIT $4"""


async def shown(tx: Tx, subscription_id: UUID, *, state: State | None, before: int, limit: int) -> list[Delivery]:
    """Deliveries of a subscription, the newest first, from before a number on."""
    rows = await tx.fetch(_SHOWN, subscription_id, None if state is None else state.value, before, limit)
    return [_delivery(row) for row in rows]


_FORGET_OLD = """
DELETE FROM webhooks.delivery WHERE id IN (
    SELECT id FROM webhooks.delivery WHERE finished_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)"""
_FORGET_ORPHANS = """
DELETE FROM webhooks.delivery WHERE id IN (
    SELECT delivery.id FROM webhooks.subscription JOIN webhooks.delivery ON subscription_id = subscription.id
    WHERE deleted_at IS NOT NULL LIMIT $1 FOR UPDATE OF delivery SKIP LOCKED)"""
_FORGET_EMPTY = """
DELETE FROM webhooks.subscription WHERE deleted_at IS NOT NULL
    AND NOT EXISTS (SELECT FROM webhooks.delivery WHERE subscription_id = subscription.id)"""


async def forget(tx: Tx, *, finished_before: datetime, rows_max: int) -> int:
    """Clears away old deliveries, and those of subscriptions that are gone; how many."""
    old = _count(await tx.execute(_FORGET_OLD, finished_before, rows_max))
    orphans = _count(await tx.execute(_FORGET_ORPHANS, rows_max - old))
    if not orphans:
        await tx.execute(_FORGET_EMPTY)
    return old + orphans


_BEHIND = "SELECT min(next_at) FROM webhooks.line JOIN unnest($1::uuid[]) AS sends (id) ON id = subscription_id"


async def oldest_due(tx: Tx, ids: Sequence[UUID]) -> datetime | None:
    """Since when the longest waiting line of some subscriptions is due, or will be."""
    at: datetime | None = await tx.fetchval(_BEHIND, ids)
    return at


def _count(tag: str) -> int:
    return int(tag.rpartition(" ")[2])


def _delivery(row: Any) -> Delivery:
    return Delivery(**dict(row) | {"state": State(row["state"])})
