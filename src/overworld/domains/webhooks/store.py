"""The tables of subscriptions and their secrets. Lock order: subscription, line, delivery."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from overworld.domains.webhooks.types import Keyring, Subscription
from overworld.kernel.ports import Tx

_COLUMNS = """
    id, url, topics, fence_ids, description, active, made_at, failing_since, paused_at, pause_reason, dropped"""
_ALL = f"SELECT {_COLUMNS} FROM webhooks.subscription WHERE deleted_at IS NULL ORDER BY made_at, id"  # noqa: S608
_LOCKED = f"""
SELECT {_COLUMNS} FROM webhooks.subscription WHERE id = $1 AND deleted_at IS NULL FOR NO KEY UPDATE"""  # noqa: S608
_ONE = f"SELECT {_COLUMNS} FROM webhooks.subscription WHERE id = $1 AND deleted_at IS NULL"  # noqa: S608
_INSERT = """
INSERT INTO webhooks.subscription (id, url, topics, fence_ids, description, active, made_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)"""
_CHANGE = """
UPDATE webhooks.subscription
SET url = $2, topics = $3, fence_ids = $4, description = $5, active = $6, failing_since = $7, paused_at = $8,
    pause_reason = $9
WHERE id = $1"""


async def every(tx: Tx) -> list[Subscription]:
    """All subscriptions, the oldest first. One round trip."""
    return [_subscription(row) for row in await tx.fetch(_ALL)]


async def one(tx: Tx, id: UUID) -> Subscription | None:
    """A subscription."""
    row = await tx.fetchrow(_ONE, id)
    return _subscription(row) if row else None


async def locked(tx: Tx, id: UUID) -> Subscription | None:
    """A subscription that nobody else changes until the transaction ends."""
    row = await tx.fetchrow(_LOCKED, id)
    return _subscription(row) if row else None


async def insert(tx: Tx, new: Subscription) -> None:
    """Keeps a new subscription."""
    texts = (new.url, list(new.topics), list(new.fence_ids), new.description)
    await tx.execute(_INSERT, new.id, *texts, new.active, new.made_at)


async def change(tx: Tx, new: Subscription) -> None:
    """Keeps what a locked subscription is now."""
    texts = (new.url, list(new.topics), list(new.fence_ids), new.description)
    await tx.execute(_CHANGE, new.id, *texts, new.active, new.failing_since, new.paused_at, new.pause_reason)


async def delete(tx: Tx, id: UUID, at: datetime) -> None:
    """Lets a locked subscription go, with its secrets and what waits for it; its deliveries are cleared away later."""
    await tx.execute("UPDATE webhooks.subscription SET deleted_at = $2 WHERE id = $1", id, at)
    await tx.execute("DELETE FROM webhooks.secret WHERE subscription_id = $1", id)


_SIGN_WITH = "INSERT INTO webhooks.secret (subscription_id, value, made_at) VALUES ($1, $2, $3)"


async def keep_secret(tx: Tx, id: UUID, secret: bytes, *, at: datetime, old_ends_at: datetime) -> None:
    """Signs with another secret from now on, and with the one before until it ends."""
    await tx.execute("DELETE FROM webhooks.secret WHERE subscription_id = $1 AND ends_at <= $2", id, at)
    await tx.execute(
        "UPDATE webhooks.secret SET ends_at = $2 WHERE subscription_id = $1 AND ends_at IS NULL", id, old_ends_at
    )
    await tx.execute(_SIGN_WITH, id, secret, at)


_KEYRINGS = """
SELECT subscription_id, array_agg(value ORDER BY ends_at DESC NULLS FIRST) AS secrets
FROM webhooks.secret WHERE ends_at IS NULL OR ends_at > $1 GROUP BY subscription_id"""


async def keyrings(tx: Tx, at: datetime) -> dict[UUID, Keyring]:
    """The secrets of every subscription that have not ended. One round trip."""
    return {row["subscription_id"]: Keyring(tuple(row["secrets"])) for row in await tx.fetch(_KEYRINGS, at)}


_FAILING = """
UPDATE webhooks.subscription SET failing_since = coalesce(failing_since, $2) WHERE id = $1 RETURNING failing_since"""
_WELL = """
WITH was AS (
    SELECT id, failing_since FROM webhooks.subscription WHERE id = $1 AND failing_since IS NOT NULL FOR NO KEY UPDATE
)
UPDATE webhooks.subscription SET failing_since = NULL FROM was WHERE subscription.id = was.id
RETURNING was.failing_since"""
_PAUSE = """
UPDATE webhooks.subscription SET paused_at = $2, pause_reason = $3
WHERE id = $1 AND paused_at IS NULL AND deleted_at IS NULL RETURNING id"""


async def failing(tx: Tx, id: UUID, at: datetime) -> datetime:
    """Keeps that a delivery failed; since when there was nothing else."""
    since: datetime = await tx.fetchval(_FAILING, id, at)
    return since


async def well(tx: Tx, id: UUID) -> datetime | None:
    """Keeps that a delivery succeeded; since when none had, None when the one before did. Then it locks nothing."""
    since: datetime | None = await tx.fetchval(_WELL, id)
    return since


async def pause(tx: Tx, id: UUID, *, at: datetime, reason: str) -> bool:
    """Sends nothing more; whether this call paused it."""
    return await tx.fetchval(_PAUSE, id, at, reason) is not None


_DROPPED = """
UPDATE webhooks.subscription SET dropped = dropped + count
FROM unnest($1::uuid[], $2::int[]) AS lost (id, count)
WHERE subscription.id = lost.id"""


async def count_dropped(tx: Tx, counts: dict[UUID, int]) -> None:
    """Keeps how many events were not queued. One round trip; none when there are none."""
    if counts:
        await tx.execute(_DROPPED, list(counts), list(counts.values()))


def _subscription(row: Any) -> Subscription:
    fields = dict(row)
    return Subscription(**fields | {"topics": tuple(row["topics"]), "fence_ids": tuple(row["fence_ids"])})
