"""The tables of second factors. Lock order: account, factor, session; recovery codes change under their factor's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from overworld.domains.accounts.second_factor.types import Factor
from overworld.kernel.ports import Tx

_SET_UP = """
INSERT INTO accounts.totp (account_id, secret, made_at)
VALUES ($1, $2, $3)
ON CONFLICT (account_id) DO UPDATE SET secret = EXCLUDED.secret, made_at = EXCLUDED.made_at
WHERE totp.confirmed_at IS NULL
RETURNING account_id"""


async def set_up(tx: Tx, account_id: UUID, secret: bytes, *, at: datetime) -> bool:
    """Keeps a secret in the place of one that nobody confirmed; False when the account has a factor. One round trip."""
    return await tx.fetchval(_SET_UP, account_id, secret, at) is not None


_LOCK = """
SELECT account_id, secret, made_at, confirmed_at, last_step FROM accounts.totp WHERE account_id = $1
FOR NO KEY UPDATE"""


async def lock(tx: Tx, account_id: UUID) -> Factor | None:
    """The factor of an account, locked; None when it has none. One round trip."""
    row = await tx.fetchrow(_LOCK, account_id)
    if row is None:
        return None
    return Factor(
        account_id=row["account_id"],
        secret=row["secret"],
        made_at=row["made_at"],
        confirmed_at=row["confirmed_at"],
        last_step=row["last_step"],
    )


_TAKE_STEP = """
UPDATE accounts.totp SET last_step = $2, confirmed_at = coalesce(confirmed_at, $3) WHERE account_id = $1"""


async def take_step(tx: Tx, account_id: UUID, step: int, *, at: datetime) -> None:
    """Confirms the factor, if it is not yet, by the code of a step, which is over then. One round trip."""
    await tx.execute(_TAKE_STEP, account_id, step, at)


_TAKE_RECOVERY = "DELETE FROM accounts.recovery_code WHERE account_id = $1 AND hash = $2 RETURNING hash"


async def take_recovery(tx: Tx, account_id: UUID, code_hash: bytes) -> bool:
    """Whether this was a recovery code of the account; it is none any more. One round trip."""
    return await tx.fetchval(_TAKE_RECOVERY, account_id, code_hash) is not None


_RENEW = """
WITH old AS (
    DELETE FROM accounts.recovery_code WHERE account_id = $1 AND hash <> ALL ($2::bytea[])
)
INSERT INTO accounts.recovery_code (account_id, hash)
SELECT $1, hash FROM unnest($2::bytea[]) AS new (hash)"""


async def renew_recovery(tx: Tx, account_id: UUID, hashes: Sequence[bytes]) -> None:
    """Puts new recovery codes in the place of all others; the caller holds the factor's lock. One round trip."""
    await tx.execute(_RENEW, account_id, hashes)


_LEFT = "SELECT count(*) FROM accounts.recovery_code WHERE account_id = $1"


async def recovery_left(tx: Tx, account_id: UUID) -> int:
    """How many recovery codes are left. One round trip."""
    return int(await tx.fetchval(_LEFT, account_id))


_PROVED = """
UPDATE accounts.session SET second_factor_at = $3
WHERE id = $2 AND account_id = $1 AND revoked_at IS NULL AND ends_at > $3
RETURNING id"""


async def mark_proved(tx: Tx, account_id: UUID, session_id: UUID, *, at: datetime) -> bool:
    """Notes that a session proved its factor; False when it does not run any more. One round trip."""
    return await tx.fetchval(_PROVED, account_id, session_id, at) is not None


_LOCK_ACCOUNT = "SELECT FROM accounts.account WHERE id = $1 FOR NO KEY UPDATE"

_REMOVE = "DELETE FROM accounts.totp WHERE account_id = $1"

_FORGET_PROOFS = """
UPDATE accounts.session SET second_factor_at = NULL WHERE account_id = $1 AND second_factor_at IS NOT NULL"""


async def lock_account(tx: Tx, account_id: UUID) -> None:
    """Locks an account, so that nobody else changes several of its sessions. One round trip."""
    await tx.execute(_LOCK_ACCOUNT, account_id)


async def remove(tx: Tx, account_id: UUID) -> None:
    """Forgets a factor with its recovery codes, and that sessions proved it; the caller holds the account's lock.

    Two round trips.
    """
    await tx.execute(_REMOVE, account_id)
    await tx.execute(_FORGET_PROOFS, account_id)
