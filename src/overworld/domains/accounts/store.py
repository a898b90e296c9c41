"""The tables of accounts. Lock order: account, session; refresh tokens change under their session's lock only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from overworld.domains.accounts import rules
from overworld.domains.accounts.types import (
    Account,
    Credentials,
    Membership,
    NewAccount,
    RefreshMove,
    RefreshToken,
    Revocation,
    Role,
    Session,
    TokenState,
    Way,
)
from overworld.kernel.ports import Tx

_ACCOUNT = """id, username, email, role, did, settings, security_version, created_at, suspended_at,
    email_verified_at IS NOT NULL AS email_verified,
    (SELECT subject FROM accounts.external WHERE account_id = account.id AND issuer = 'eip155') AS wallet_address,
    ARRAY(SELECT club FROM accounts.membership WHERE account_id = account.id ORDER BY club) AS clubs,
    ARRAY(SELECT ends_at FROM accounts.membership WHERE account_id = account.id ORDER BY club) AS club_ends,
    EXISTS(SELECT FROM accounts.totp WHERE account_id = account.id AND confirmed_at IS NOT NULL) AS has_totp"""

_INSERT_ACCOUNT = f"""
INSERT INTO accounts.account (id, username, username_folded, email, email_folded, password_hash, did, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT DO NOTHING
RETURNING {_ACCOUNT}"""  # noqa: S608 - constants


async def insert_account(tx: Tx, new: NewAccount) -> Account | None:
    """The account just made; None when its username or e-mail address is taken. One round trip."""
    row = await tx.fetchrow(
        _INSERT_ACCOUNT,
        new.id,
        new.username,
        rules.folded(new.username),
        new.email,
        None if new.email is None else rules.folded(new.email),
        new.password_hash,
        new.did,
        new.created_at,
    )
    return _account(row) if row else None


async def is_email_taken(tx: Tx, email: str) -> bool:
    """Whether an account has this e-mail address, in any case and width."""
    row = await tx.fetchrow("SELECT FROM accounts.account WHERE email_folded = $1", rules.folded(email))
    return row is not None


_CREDENTIALS = f"SELECT {_ACCOUNT}, password_hash FROM accounts.account WHERE email_folded = $1"  # noqa: S608 - constants


async def credentials(tx: Tx, email: str) -> Credentials | None:
    """The account with this e-mail address and what proves it."""
    row = await tx.fetchrow(_CREDENTIALS, rules.folded(email))
    return Credentials(_account(row), row["password_hash"]) if row else None


_CREDENTIALS_BY_ID = f"SELECT {_ACCOUNT}, password_hash FROM accounts.account WHERE id = $1"  # noqa: S608 - constants


async def credentials_of(tx: Tx, account_id: UUID, *, locked: bool = False) -> Credentials | None:
    """The account with this id and what proves it; `locked` keeps it as it is until the transaction ends."""
    row = await tx.fetchrow(_CREDENTIALS_BY_ID + (" FOR NO KEY UPDATE" if locked else ""), account_id)
    return Credentials(_account(row), row["password_hash"]) if row else None


_BY_ID = f"SELECT {_ACCOUNT} FROM accounts.account WHERE id = $1"  # noqa: S608 - constants


async def account(tx: Tx, account_id: UUID) -> Account | None:
    """The account with this id."""
    row = await tx.fetchrow(_BY_ID, account_id)
    return _account(row) if row else None


_NAMED = """
SELECT id, username_folded FROM accounts.account WHERE id = ANY($1::uuid[]) OR username_folded = ANY($2::text[])"""


async def named(tx: Tx, ids: Sequence[UUID], folded: Sequence[str]) -> dict[UUID | str, UUID]:
    """The accounts with some ids or folded usernames, each under both. One round trip."""
    rows = await tx.fetch(_NAMED, ids, folded)
    return {name: row["id"] for row in rows for name in (row["id"], row["username_folded"])}


_USERNAMES = "SELECT id, username FROM accounts.account WHERE id = ANY($1::uuid[])"


async def usernames(tx: Tx, ids: Sequence[UUID]) -> dict[UUID, str]:
    """What the accounts with some ids are called. One round trip."""
    return {row["id"]: row["username"] for row in await tx.fetch(_USERNAMES, ids)}


_OWNER_OF_DEVICE = "SELECT account_id FROM accounts.device WHERE hash = $1 FOR KEY SHARE"

_CLAIM_DEVICE = """
INSERT INTO accounts.device (hash, account_id, made_at)
VALUES ($1, $2, $3)
ON CONFLICT (hash) DO NOTHING
RETURNING account_id"""


async def claim_device(tx: Tx, *, device_hash: bytes, account_id: UUID, at: datetime) -> UUID:
    """Whose the device is: its owner's id, or `account_id` when it had none; then the caller makes that account.

    Waits for a twin that claims the same device, and keeps it from being let go of until the transaction ends. Up to
    three round trips.
    """
    owner_id: UUID | None = await tx.fetchval(_OWNER_OF_DEVICE, device_hash)
    if owner_id is None:
        owner_id = await tx.fetchval(_CLAIM_DEVICE, device_hash, account_id, at)
    if owner_id is None:
        owner_id = await tx.fetchval(_OWNER_OF_DEVICE, device_hash)
    if owner_id is None:
        raise LookupError("a device vanished while it was claimed")
    return owner_id


_MARK_SIGNED_IN = f"UPDATE accounts.account SET signed_in_at = $2 WHERE id = $1 RETURNING {_ACCOUNT}"  # noqa: S608


async def mark_signed_in(tx: Tx, account_id: UUID, *, at: datetime) -> Account:
    """The account, locked and as it is now, with its last sign-in noted. One round trip.

    Raises: LookupError when there is none.
    """
    row = await tx.fetchrow(_MARK_SIGNED_IN, account_id, at)
    if row is None:
        raise LookupError(f"there is no account {account_id}")
    return _account(row)


_RENEW_PASSWORD = "UPDATE accounts.account SET password_hash = $3 WHERE id = $1 AND password_hash = $2"  # noqa: S105


async def renew_password_hash(tx: Tx, account_id: UUID, *, old: str, new: str) -> None:
    """Puts a new hash of the same password in the place of the old one, unless that has changed. One round trip."""
    await tx.execute(_RENEW_PASSWORD, account_id, old, new)


_INSERT_SESSION = """
WITH made AS (
    INSERT INTO accounts.session (
        id, account_id, way, address, user_agent, created_at, used_at, ends_at, second_factor_at
    )
    VALUES ($1, $2, $3, $4, $5, $6, $6, $7, $9)
)
INSERT INTO accounts.refresh_token (hash, session_id, made_at) VALUES ($8, $1, $6)"""

_SURPLUS = """
UPDATE accounts.session
SET revoked_at = $2
WHERE id IN (
    SELECT id
    FROM accounts.session
    WHERE account_id = $1 AND revoked_at IS NULL AND ends_at > $2
    ORDER BY used_at DESC, id DESC
    OFFSET $3
)
RETURNING id"""


async def open_session(tx: Tx, session: Session, *, token_hash: bytes, sessions_max: int) -> list[UUID]:
    """Opens a session with its first refresh token; the caller holds the account's lock.

    Returns the sessions it ended to keep the account within `sessions_max`: those longest unused. Two round trips.
    """
    await tx.execute(
        _INSERT_SESSION,
        session.id,
        session.account_id,
        session.way,
        session.address,
        session.user_agent,
        session.created_at,
        session.ends_at,
        token_hash,
        session.second_factor_at,
    )
    rows = await tx.fetch(_SURPLUS, session.account_id, session.created_at, sessions_max)
    return [row["id"] for row in rows]


_LOCK_SESSION = """
SELECT id, account_id, way, address, user_agent, created_at, used_at, ends_at, revoked_at, second_factor_at
FROM accounts.session
WHERE id = (SELECT session_id FROM accounts.refresh_token WHERE hash = $1)
FOR NO KEY UPDATE"""


async def lock_session_of(tx: Tx, token_hash: bytes) -> Session | None:
    """The session a refresh token belongs to, locked; None for a token that was never ours. One round trip."""
    row = await tx.fetchrow(_LOCK_SESSION, token_hash)
    return _session(row) if row else None


_REFRESH_TOKEN = "SELECT state, made_at, rotated_at FROM accounts.refresh_token WHERE hash = $1"  # noqa: S105 - SQL


async def refresh_token(tx: Tx, token_hash: bytes) -> RefreshToken | None:
    """What is kept of a refresh token. Holds only while its session is locked, so lock that first. One round trip."""
    row = await tx.fetchrow(_REFRESH_TOKEN, token_hash)
    return RefreshToken(TokenState(row["state"]), row["made_at"], row["rotated_at"]) if row else None


_ROTATE = """
WITH rotated AS (
    UPDATE accounts.refresh_token SET state = $3, rotated_at = $4 WHERE hash = $1
), spent AS (
    UPDATE accounts.refresh_token SET state = 'spent'
    WHERE session_id = $2 AND hash <> $1 AND state <> 'spent' AND $3 = 'rotated'
), forgotten AS (
    DELETE FROM accounts.refresh_token
    WHERE session_id = $2 AND hash <> $1 AND state = 'spent' AND made_at < $6
), used AS (
    UPDATE accounts.session SET used_at = $4, ends_at = $5, address = $7, user_agent = $8 WHERE id = $2
)
INSERT INTO accounts.refresh_token (hash, session_id, made_at) VALUES ($9, $2, $4)"""


async def rotate(
    tx: Tx, session: Session, move: RefreshMove, *, token_hash: bytes, next_hash: bytes, life: timedelta
) -> None:
    """Puts a new refresh token in the place of the used one.

    `ROTATE` spends every other token of the session; `SIBLING` spends the used one and leaves the others. `session`
    carries what is new: `used_at`, `ends_at`, `address` and `user_agent`. The caller holds its lock. Tokens that are
    spent and past their life are dropped. One round trip.
    """
    await tx.execute(
        _ROTATE,
        token_hash,
        session.id,
        TokenState.ROTATED if move is RefreshMove.ROTATE else TokenState.SPENT,
        session.used_at,
        session.ends_at,
        session.used_at - life,
        session.address,
        session.user_agent,
        next_hash,
    )


_REVOKE = """
UPDATE accounts.session
SET revoked_at = $3
WHERE id = $2 AND account_id = $1 AND revoked_at IS NULL AND ends_at > $3
RETURNING id"""


async def revoke_session(tx: Tx, account_id: UUID, session_id: UUID, *, at: datetime) -> bool:
    """Ends a session; False when this account has no such session that still runs. One round trip."""
    return await tx.fetchval(_REVOKE, account_id, session_id, at) is not None


_RAISE_VERSION = """
UPDATE accounts.account
SET security_version = security_version + 1, security_version_at = $2
WHERE id = $1
RETURNING security_version"""

_REVOKE_ALL = "UPDATE accounts.session SET revoked_at = $2 WHERE account_id = $1 AND revoked_at IS NULL"


async def raise_version(tx: Tx, account_id: UUID, *, at: datetime) -> int | None:
    """Voids an account's access tokens and leaves its sessions; the new security version. One round trip.

    None when there is no such account.
    """
    version: int | None = await tx.fetchval(_RAISE_VERSION, account_id, at)
    return version


async def revoke_all(tx: Tx, account_id: UUID, *, at: datetime) -> int | None:
    """Ends every session of an account and voids its tokens; gives the new security version.

    None when there is no such account. Two round trips.
    """
    version = await raise_version(tx, account_id, at=at)
    await tx.execute(_REVOKE_ALL, account_id, at)
    return version


_REVOKE_WAY = """
UPDATE accounts.session
SET revoked_at = $4
WHERE account_id = $1 AND way = $2 AND id IS DISTINCT FROM $3 AND revoked_at IS NULL AND ends_at > $4
RETURNING id"""


async def revoke_way(tx: Tx, account_id: UUID, way: Way, *, but: UUID | None, at: datetime) -> list[UUID]:
    """Ends the sessions of an account that one way in opened, `but` one; gives the others. One round trip."""
    return [row["id"] for row in await tx.fetch(_REVOKE_WAY, account_id, way, but, at)]


_PROVED_AT = "SELECT second_factor_at FROM accounts.session WHERE id = $2 AND account_id = $1"


async def proved_at(tx: Tx, account_id: UUID, session_id: UUID) -> datetime | None:
    """When a second factor was last proved in a session of an account. One round trip."""
    at: datetime | None = await tx.fetchval(_PROVED_AT, account_id, session_id)
    return at


_RUNNING = """
SELECT id, account_id, way, address, user_agent, created_at, used_at, ends_at, revoked_at, second_factor_at
FROM accounts.session
WHERE account_id = $1 AND revoked_at IS NULL AND ends_at > $2
ORDER BY used_at DESC, id DESC"""


async def running_sessions(tx: Tx, account_id: UUID, *, at: datetime) -> list[Session]:
    """The sessions that have not ended, the last used first. One round trip."""
    return [_session(row) for row in await tx.fetch(_RUNNING, account_id, at)]


_FORGET_SESSIONS = """
DELETE FROM accounts.session WHERE id IN (
    SELECT id FROM accounts.session WHERE ends_at < $1 ORDER BY ends_at LIMIT $2 FOR UPDATE SKIP LOCKED
)"""


async def forget_sessions(tx: Tx, before: datetime, *, rows_max: int) -> int:
    """Drops sessions that ended before an instant, with their tokens, at most `rows_max`; gives how many.

    One in use is skipped, so this waits for nobody. One round trip.
    """
    return int((await tx.execute(_FORGET_SESSIONS, before, rows_max)).rpartition(" ")[2])


_REVOCATIONS = """
SELECT account_id, id AS session_id, 0 AS version, revoked_at AS at
FROM accounts.session WHERE revoked_at >= $1
UNION ALL
SELECT id, NULL, security_version, security_version_at
FROM accounts.account WHERE security_version_at >= $1
ORDER BY at"""


async def revocations_since(tx: Tx, since: datetime) -> list[Revocation]:
    """Every revocation since an instant, in order. One round trip."""
    rows = await tx.fetch(_REVOCATIONS, since)
    return [
        Revocation(account_id=row["account_id"], session_id=row["session_id"], version=row["version"], at=row["at"])
        for row in rows
    ]


def _account(row: Any) -> Account:
    return Account(
        id=row["id"],
        username=row["username"],
        email=row["email"],
        role=Role(row["role"]),
        did=row["did"],
        wallet_address=row["wallet_address"],
        settings=msgspec.json.decode(row["settings"]),
        security_version=row["security_version"],
        created_at=row["created_at"],
        suspended_at=row["suspended_at"],
        memberships=tuple(map(Membership, row["clubs"], row["club_ends"])),
        email_verified=row["email_verified"],
        has_second_factor=row["has_totp"],
    )


def _session(row: Any) -> Session:
    return Session(
        id=row["id"],
        account_id=row["account_id"],
        way=Way(row["way"]),
        address=row["address"],
        user_agent=row["user_agent"],
        created_at=row["created_at"],
        used_at=row["used_at"],
        ends_at=row["ends_at"],
        revoked_at=row["revoked_at"],
        second_factor_at=row["second_factor_at"],
    )
