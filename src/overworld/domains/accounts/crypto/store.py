"""The tables of keys."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from overworld.domains.accounts.types import KeyState, SigningKey
from overworld.kernel.ports import Tx

_INSERT_KEY = """
INSERT INTO accounts.signing_key (kid, state, public_jwk, private_pem, made_at, signs_from, ends_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT DO NOTHING"""


async def insert_signing_key(tx: Tx, key: SigningKey) -> None:
    """Keeps a signing key, unless it is active and another one is; then nothing changes. Waits for a twin."""
    jwk = msgspec.json.encode(key.public_jwk).decode()
    await tx.execute(_INSERT_KEY, key.kid, key.state, jwk, key.private_pem, key.made_at, key.signs_from, key.ends_at)


_KEYS = """
SELECT kid, state, public_jwk, private_pem, made_at, signs_from, ends_at
FROM accounts.signing_key ORDER BY made_at, kid"""


async def signing_keys(tx: Tx) -> Sequence[SigningKey]:
    """Every signing key, the oldest first. One round trip."""
    return [
        SigningKey(
            kid=row["kid"],
            state=KeyState(row["state"]),
            public_jwk=msgspec.json.decode(row["public_jwk"]),
            private_pem=row["private_pem"],
            made_at=row["made_at"],
            signs_from=row["signs_from"],
            ends_at=row["ends_at"],
        )
        for row in await tx.fetch(_KEYS)
    ]


_RETIRE_KEY = "UPDATE accounts.signing_key SET state = 'retiring', ends_at = $1 WHERE state = 'active'"


async def retire_signing_key(tx: Tx, *, ends_at: datetime) -> None:
    """Makes room for another active key; the one there is signs until that one does. One round trip."""
    await tx.execute(_RETIRE_KEY, ends_at)


_END_KEYS = "UPDATE accounts.signing_key SET state = 'retiring', private_pem = NULL, ends_at = $1"


async def end_signing_keys(tx: Tx, at: datetime) -> None:
    """Ends every key, so that no token of theirs is good. One round trip."""
    await tx.execute(_END_KEYS, at)


_LOCK_KEYS = "LOCK TABLE accounts.signing_key IN SHARE ROW EXCLUSIVE MODE"


async def lock_signing_keys(tx: Tx) -> None:
    """Nobody else changes the signing keys before this transaction ends. One round trip."""
    await tx.execute(_LOCK_KEYS)


_TIDY_KEYS = """
WITH gone AS (
    DELETE FROM accounts.signing_key WHERE ends_at <= $1
)
UPDATE accounts.signing_key SET private_pem = NULL
WHERE state = 'retiring' AND private_pem IS NOT NULL AND ends_at > $1 AND EXISTS (
    SELECT FROM accounts.signing_key WHERE state = 'active' AND coalesce(signs_from, made_at) <= $1
)"""


async def tidy_signing_keys(tx: Tx, now: datetime) -> None:
    """Destroys the private halves of keys that sign no more, and keys that verify no more. One round trip."""
    await tx.execute(_TIDY_KEYS, now)


_CSRF_SECRET = "SELECT secret FROM accounts.csrf_key"  # noqa: S105 - SQL


async def csrf_secret(tx: Tx) -> bytes | None:
    """What CSRF tokens are made with; None before the first server. One round trip."""
    secret: bytes | None = await tx.fetchval(_CSRF_SECRET)
    return secret


_ADD_CSRF_SECRET = """
INSERT INTO accounts.csrf_key (secret) VALUES ($1)
ON CONFLICT (is_the_one) DO UPDATE SET secret = csrf_key.secret
RETURNING secret"""  # noqa: S105 - SQL


async def add_csrf_secret(tx: Tx, secret: bytes) -> bytes:
    """Keeps a secret, unless a twin was first; gives the one that is kept. Waits for a twin. One round trip."""
    kept: bytes = await tx.fetchval(_ADD_CSRF_SECRET, secret)
    return kept
