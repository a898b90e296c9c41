"""The table of API keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from overworld.domains.accounts.apikeys.types import ApiKey, LiveKey
from overworld.domains.accounts.types import Role
from overworld.kernel.ports import Tx

_LOCK_KEY = 0x6F77_6B79  # "owky": keys are counted and made one at a time

_COLUMNS = "id, account_id, name, scopes, hint, life_s, made_at, ends_at, old_ends_at, used_at, revoked_at"

_LOCK_ROLE = "SELECT role FROM accounts.account WHERE id = $1 AND suspended_at IS NULL FOR SHARE"


async def lock_role(tx: Tx, account_id: UUID) -> str | None:
    """The role of an account, which nobody changes meanwhile; None when it is suspended or gone. One round trip."""
    role: str | None = await tx.fetchval(_LOCK_ROLE, account_id)
    return role


_COUNT = "SELECT count(*) FROM accounts.api_key WHERE revoked_at IS NULL AND ends_at > $1"


async def count_live(tx: Tx, at: datetime) -> int:
    """How many keys are good; nobody makes another one before this transaction ends. Two round trips."""
    await tx.execute("SELECT pg_advisory_xact_lock($1)", _LOCK_KEY)
    return int(await tx.fetchval(_COUNT, at))


_INSERT = """
INSERT INTO accounts.api_key (id, account_id, name, scopes, hint, life_s, made_at, ends_at, hash)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"""


async def insert(tx: Tx, key: ApiKey, *, key_hash: bytes) -> None:
    """Keeps a new key. One round trip."""
    await tx.execute(
        _INSERT,
        key.id,
        key.account_id,
        key.name,
        list(key.scopes),
        key.hint,
        key.life_s,
        key.made_at,
        key.ends_at,
        key_hash,
    )


_EVERY = f"""
SELECT {_COLUMNS} FROM accounts.api_key WHERE $1::uuid IS NULL OR id < $1 ORDER BY id DESC LIMIT $2"""  # noqa: S608


async def every(tx: Tx, *, before: UUID | None, limit: int) -> list[ApiKey]:
    """All keys that are kept, the newest first, from before one on. One round trip."""
    return [_key(row) for row in await tx.fetch(_EVERY, before, limit)]


_LOCK = f"SELECT {_COLUMNS} FROM accounts.api_key WHERE id = $1 AND revoked_at IS NULL FOR UPDATE"  # noqa: S608


async def lock(tx: Tx, key_id: UUID) -> ApiKey | None:
    """A key that is not revoked, locked. One round trip."""
    row = await tx.fetchrow(_LOCK, key_id)
    return _key(row) if row else None


_ROTATE = f"""
UPDATE accounts.api_key
SET old_hash = hash, old_ends_at = least(ends_at, $2), hash = $3, hint = $4, ends_at = $5
WHERE id = $1
RETURNING {_COLUMNS}"""  # noqa: S608 - constants


async def rotate(
    tx: Tx, key_id: UUID, *, old_ends_at: datetime, key_hash: bytes, hint: str, ends_at: datetime
) -> ApiKey:
    """Puts a new proof in the place of the one there is, which stays good until `old_ends_at`. One round trip."""
    return _key(await tx.fetchrow(_ROTATE, key_id, old_ends_at, key_hash, hint, ends_at))


_REVOKE = """
UPDATE accounts.api_key SET revoked_at = $2, old_hash = NULL, old_ends_at = NULL
WHERE id = $1 AND revoked_at IS NULL"""


async def revoke(tx: Tx, key_id: UUID, at: datetime) -> None:
    """Ends a key for good. One round trip."""
    await tx.execute(_REVOKE, key_id, at)


_REVOKE_BEYOND = """
UPDATE accounts.api_key SET revoked_at = $3, old_hash = NULL, old_ends_at = NULL
WHERE account_id = $1 AND revoked_at IS NULL AND NOT scopes <@ $2::text[] AND scopes <> '{telemetry.write}'
RETURNING id"""


async def revoke_beyond(tx: Tx, account_id: UUID, scopes: Sequence[str], at: datetime) -> list[UUID]:
    """Ends the keys of an account that may do more than these scopes; which. One round trip."""
    return [row["id"] for row in await tx.fetch(_REVOKE_BEYOND, account_id, scopes, at)]


_LIVE = """
SELECT key.id AS key_id, key.account_id, account.role, key.scopes, proof.hash, proof.ends_at
FROM accounts.api_key AS key
JOIN accounts.account ON account.id = key.account_id
CROSS JOIN LATERAL (VALUES (key.hash, key.ends_at), (key.old_hash, key.old_ends_at)) AS proof (hash, ends_at)
WHERE key.revoked_at IS NULL AND account.suspended_at IS NULL AND proof.ends_at > $1"""


async def live(tx: Tx, at: datetime) -> list[LiveKey]:
    """Everything that proves a key which is good, of accounts that are not suspended. One round trip."""
    return [
        LiveKey(
            hash=row["hash"],
            key_id=row["key_id"],
            account_id=row["account_id"],
            role=Role(row["role"]),
            scopes=tuple(row["scopes"]),
            ends_at=row["ends_at"],
        )
        for row in await tx.fetch(_LIVE, at)
    ]


_USED = """
WITH used AS (
    SELECT key.id, given.at
    FROM accounts.api_key AS key
    JOIN unnest($1::uuid[], $2::timestamptz[]) AS given (id, at) ON given.id = key.id
    WHERE key.used_at IS NULL OR key.used_at < given.at
    ORDER BY key.id
    FOR NO KEY UPDATE OF key
)
UPDATE accounts.api_key SET used_at = used.at FROM used WHERE api_key.id = used.id"""


async def mark_used(tx: Tx, used: Mapping[UUID, datetime]) -> None:
    """Notes when keys were last used; locked in id order, so that processes cannot deadlock. One round trip."""
    await tx.execute(_USED, list(used), list(used.values()))


_FORGET = """
DELETE FROM accounts.api_key WHERE id IN (
    SELECT id FROM accounts.api_key WHERE least(ends_at, revoked_at) < $1 LIMIT $2 FOR UPDATE SKIP LOCKED
)"""


async def forget(tx: Tx, before: datetime, *, rows_max: int) -> int:
    """Drops keys that ended before an instant, at most `rows_max`; gives how many. One round trip."""
    return int((await tx.execute(_FORGET, before, rows_max)).rpartition(" ")[2])


def _key(row: Any) -> ApiKey:
    return ApiKey(**{**dict(row), "scopes": tuple(row["scopes"])})
