"""The tables of passkeys. Lock order: account, passkey; ceremonies are taken first, and waited for by nobody."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from overworld.domains.accounts.passkeys.types import Ceremony, Passkey, Signed
from overworld.kernel.ports import Tx

_FORGOTTEN_AT_ONCE = 8

_BEGIN = """
WITH over AS (
    SELECT hash FROM accounts.passkey_ceremony WHERE ends_at <= $6 ORDER BY ends_at LIMIT $7 FOR UPDATE SKIP LOCKED
), forgotten AS (
    DELETE FROM accounts.passkey_ceremony WHERE hash IN (SELECT hash FROM over)
)
INSERT INTO accounts.passkey_ceremony (hash, challenge, account_id, session_id, ends_at) VALUES ($1, $2, $3, $4, $5)"""


async def begin(tx: Tx, ceremony_hash: bytes, ceremony: Ceremony, *, now: datetime) -> None:
    """Keeps what was asked, and drops some that are over, so that they never pile up. One round trip."""
    await tx.execute(
        _BEGIN,
        ceremony_hash,
        ceremony.challenge,
        ceremony.account_id,
        ceremony.session_id,
        ceremony.ends_at,
        now,
        _FORGOTTEN_AT_ONCE,
    )


_TAKE = """
DELETE FROM accounts.passkey_ceremony WHERE hash = $1
RETURNING challenge, account_id, session_id, ends_at"""


async def take(tx: Tx, ceremony_hash: bytes) -> Ceremony | None:
    """What was asked, which nobody gets a second time once `tx` commits; a twin waits and gets None. One round trip."""
    row = await tx.fetchrow(_TAKE, ceremony_hash)
    if row is None:
        return None
    return Ceremony(
        challenge=row["challenge"],
        ends_at=row["ends_at"],
        account_id=row["account_id"],
        session_id=row["session_id"],
    )


_COLUMNS = """passkey.id, account_id, credential_id, public_key, sign_count, name, transports, is_synced, made_at,
    used_at"""

_OF_ACCOUNT = f"SELECT {_COLUMNS} FROM accounts.passkey WHERE account_id = $1 ORDER BY id"  # noqa: S608 - constants


async def of_account(tx: Tx, account_id: UUID) -> list[Passkey]:
    """The passkeys of an account, the oldest first. One round trip."""
    return [_passkey(row) for row in await tx.fetch(_OF_ACCOUNT, account_id)]


_LOCK_ACCOUNT = "SELECT id FROM accounts.account WHERE id = $1 FOR NO KEY UPDATE"

_LOCK_OWNER = """
SELECT id FROM accounts.account
WHERE id = (SELECT account_id FROM accounts.passkey WHERE credential_id = $1)
FOR NO KEY UPDATE"""

_BY_CREDENTIAL = f"""
SELECT {_COLUMNS} FROM accounts.passkey WHERE credential_id = $1 AND account_id = $2 FOR NO KEY UPDATE"""  # noqa: S608


async def lock_account(tx: Tx, account_id: UUID) -> bool:
    """Locks an account; False when there is none. One round trip."""
    return await tx.fetchval(_LOCK_ACCOUNT, account_id) is not None


async def lock(tx: Tx, credential_id: bytes) -> Passkey | None:
    """The passkey with this credential, locked with its account; None when there is none. Two round trips at most."""
    account_id = await tx.fetchval(_LOCK_OWNER, credential_id)
    row = None if account_id is None else await tx.fetchrow(_BY_CREDENTIAL, credential_id, account_id)
    return _passkey(row) if row else None


_INSERT = """
INSERT INTO accounts.passkey (
    id, account_id, credential_id, public_key, sign_count, name, transports, is_synced, made_at
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (credential_id) DO NOTHING
RETURNING id"""


async def insert(tx: Tx, passkey: Passkey) -> bool:
    """Keeps a new passkey; False when its credential is registered, whoever's it is. One round trip."""
    made = await tx.fetchval(
        _INSERT,
        passkey.id,
        passkey.account_id,
        passkey.credential_id,
        passkey.public_key,
        passkey.sign_count,
        passkey.name,
        passkey.transports,
        passkey.is_synced,
        passkey.made_at,
    )
    return made is not None


_USED = "UPDATE accounts.passkey SET sign_count = $2, is_synced = $3, used_at = $4 WHERE id = $1"


async def mark_used(tx: Tx, signed: Signed, *, at: datetime) -> None:
    """Notes a use of a passkey; the caller holds its lock. One round trip."""
    await tx.execute(_USED, signed.passkey_id, signed.sign_count, signed.is_synced, at)


_DELETE = "DELETE FROM accounts.passkey WHERE id = $2 AND account_id = $1 RETURNING id"


async def delete(tx: Tx, account_id: UUID, passkey_id: UUID) -> bool:
    """Forgets a passkey; False when the account has no such. One round trip."""
    return await tx.fetchval(_DELETE, account_id, passkey_id) is not None


_HAS_WAY = """
SELECT EXISTS (SELECT FROM accounts.account WHERE id = $1 AND password_hash IS NOT NULL AND email IS NOT NULL)
    OR EXISTS (SELECT FROM accounts.device WHERE account_id = $1)
    OR EXISTS (SELECT FROM accounts.external WHERE account_id = $1)
    OR EXISTS (SELECT FROM accounts.passkey WHERE account_id = $1)"""


async def count(tx: Tx, account_id: UUID) -> int:
    """How many passkeys an account has. One round trip."""
    return int(await tx.fetchval("SELECT count(*) FROM accounts.passkey WHERE account_id = $1", account_id))


async def forget_all(tx: Tx, account_id: UUID) -> None:
    """Forgets every passkey of an account; the caller holds its lock. One round trip."""
    await tx.execute("DELETE FROM accounts.passkey WHERE account_id = $1", account_id)


async def has_way_in(tx: Tx, account_id: UUID) -> bool:
    """Whether an account can still be signed in to; the caller holds its lock. One round trip."""
    return bool(await tx.fetchval(_HAS_WAY, account_id))


def _passkey(row: Any) -> Passkey:
    names: Sequence[str] = row["transports"]
    return Passkey(
        id=row["id"],
        account_id=row["account_id"],
        credential_id=row["credential_id"],
        public_key=row["public_key"],
        sign_count=row["sign_count"],
        name=row["name"],
        transports=tuple(names),
        is_synced=row["is_synced"],
        made_at=row["made_at"],
        used_at=row["used_at"],
    )
