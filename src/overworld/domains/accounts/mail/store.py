"""The queue of mails and their tokens. Lock order: account, mail, token; the sender locks mails alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from overworld.domains.accounts import rules
from overworld.domains.accounts.mail.types import Kind, NewToken, Owner, Proof, Purpose, Waiting
from overworld.kernel.ports import Tx

CHANNEL = "accounts_mail"

_ADD = f"""
WITH added AS (
    INSERT INTO accounts.mail (id, kind, account_id, email, address, made_at, next_at)
    SELECT id, kind, account_id, email, $5, $6, $6
    FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[]) AS new (id, kind, account_id, email)
    WHERE (SELECT count(*) FROM (SELECT FROM accounts.mail LIMIT $7) AS waiting) < $7
    RETURNING id
)
SELECT count(*), pg_notify('{CHANNEL}', '') FROM added"""  # noqa: S608 - a constant


async def add(tx: Tx, mails: Sequence[Waiting], *, address: str, at: datetime, waiting_max: int) -> bool:
    """Queues mails that one caller asked for, or none when too many wait; senders hear of it at the commit.

    One round trip.
    """
    count = await tx.fetchval(
        _ADD,
        [one.id for one in mails],
        [one.kind.value for one in mails],
        [one.account_id for one in mails],
        [one.email for one in mails],
        address,
        at,
        waiting_max,
    )
    return bool(count)


async def count(tx: Tx, *, count_max: int) -> int:
    """How many mails wait, counted up to a number. One round trip."""
    return int(await tx.fetchval("SELECT count(*) FROM (SELECT FROM accounts.mail LIMIT $1) AS counted", count_max))


async def oldest_due(tx: Tx) -> datetime | None:
    """Since when the mail that waits longest is due, or will be."""
    at: datetime | None = await tx.fetchval("SELECT min(next_at) FROM accounts.mail")
    return at


_TAKE = """
WITH due AS (
    SELECT id FROM accounts.mail
    WHERE next_at <= $1 AND (leased_until IS NULL OR leased_until <= $1)
    ORDER BY next_at LIMIT $3
    FOR UPDATE SKIP LOCKED
)
UPDATE accounts.mail SET leased_until = $2 FROM due WHERE mail.id = due.id
RETURNING mail.id, kind, account_id, email, address, made_at, attempts"""


async def take(tx: Tx, *, at: datetime, leased_until: datetime, count_max: int) -> list[Waiting]:
    """Mails that are due, which nobody else takes until the lease is over. One round trip."""
    rows = await tx.fetch(_TAKE, at, leased_until, count_max)
    return [_waiting(row) for row in rows]


_OWNERS = "SELECT id, email, email_folded FROM accounts.account WHERE email_folded = ANY($1::text[])"


async def owners(tx: Tx, emails: Sequence[str]) -> list[Owner | None]:
    """Whose the addresses are, aligned with them, (n,). One round trip."""
    folded = [rules.folded(email) for email in emails]
    known = {row["email_folded"]: Owner(row["id"], row["email"]) for row in await tx.fetch(_OWNERS, folded)}
    return [known.get(each) for each in folded]


_ADD_TOKENS = """
WITH mails AS (SELECT id FROM accounts.mail WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE)
INSERT INTO accounts.mail_token (hash, purpose, account_id, email, ends_at)
SELECT new.hash, new.purpose, account.id, new.email, new.ends_at
FROM unnest($1::uuid[], $2::bytea[], $3::text[], $4::uuid[], $5::text[], $6::timestamptz[])
    AS new (mail_id, hash, purpose, account_id, email, ends_at)
JOIN mails ON mails.id = new.mail_id
JOIN accounts.account ON account.id = new.account_id
RETURNING hash"""


async def add_tokens(tx: Tx, tokens: Sequence[NewToken]) -> set[bytes]:
    """Keeps tokens that are about to be sent; the hashes of those whose mail was not taken back. One round trip.

    It locks the mails, so that `withdraw` either keeps a token from being made or finds it.
    """
    rows = await tx.fetch(
        _ADD_TOKENS,
        [one.mail_id for one in tokens],
        [one.hash for one in tokens],
        [one.purpose.value for one in tokens],
        [one.account_id for one in tokens],
        [one.email for one in tokens],
        [one.ends_at for one in tokens],
    )
    return {row["hash"] for row in rows}


async def remove(tx: Tx, ids: Sequence[UUID]) -> None:
    """Takes mails out of the queue. One round trip."""
    await tx.execute("DELETE FROM accounts.mail WHERE id = ANY($1::uuid[])", ids)


_POSTPONE = """
UPDATE accounts.mail SET next_at = later.next_at, leased_until = NULL, attempts = attempts + 1
FROM unnest($1::uuid[], $2::timestamptz[]) AS later (id, next_at)
WHERE mail.id = later.id"""


async def postpone(tx: Tx, ids: Sequence[UUID], next_at: Sequence[datetime]) -> None:
    """Gives mails back to the queue until their next try, aligned, (n,). One round trip."""
    await tx.execute(_POSTPONE, ids, next_at)


_PROOF = "SELECT account_id, email FROM accounts.mail_token WHERE hash = $1 AND purpose = $2 AND ends_at > $3"


async def proof(tx: Tx, token_hash: bytes, purpose: Purpose, *, at: datetime) -> Proof | None:
    """What a token proves; None when it is not good. Before it counts, lock the account and `spend` it."""
    row = await tx.fetchrow(_PROOF, token_hash, purpose.value, at)
    return Proof(row["account_id"], row["email"]) if row else None


async def spend(tx: Tx, token_hash: bytes) -> bool:
    """Uses a token up: False when it was used meanwhile. The caller holds the account's lock. One round trip."""
    tag = await tx.execute("DELETE FROM accounts.mail_token WHERE hash = $1", token_hash)
    return tag == "DELETE 1"


_TAKE_BACK = "DELETE FROM accounts.mail WHERE account_id = $1 AND kind = ANY($2::text[])"
_VOID = "DELETE FROM accounts.mail_token WHERE account_id = $1"


async def withdraw(tx: Tx, account_id: UUID) -> None:
    """Voids every token of an account, and takes back mails that wait with one.

    The caller holds the account's lock and has not changed its address yet. Two round trips: the tokens are looked for
    after the sender has let go of the mails.
    """
    await tx.execute(_TAKE_BACK, account_id, [purpose.value for purpose in Purpose])
    await tx.execute(_VOID, account_id)


_SET_PASSWORD = """
UPDATE accounts.account SET password_hash = $2, email_verified_at = coalesce(email_verified_at, $3)
WHERE id = $1"""  # noqa: S105 - SQL


async def set_password(tx: Tx, account_id: UUID, password_hash: str, *, verified_at: datetime | None) -> None:
    """Sets the password of an account, and that its address is confirmed, if it was. One round trip."""
    await tx.execute(_SET_PASSWORD, account_id, password_hash, verified_at)


_SET_EMAIL = "UPDATE accounts.account SET email = $2, email_folded = $3, email_verified_at = $4 WHERE id = $1"


async def set_email(tx: Tx, account_id: UUID, email: str, *, verified_at: datetime) -> None:
    """Gives an account a confirmed e-mail address. One round trip. Raises: UniqueViolation when it is another's."""
    await tx.execute(_SET_EMAIL, account_id, email, rules.folded(email), verified_at)


_FORGET_TOKENS = """
DELETE FROM accounts.mail_token WHERE hash IN (
    SELECT hash FROM accounts.mail_token WHERE ends_at < $1 ORDER BY ends_at LIMIT $2 FOR UPDATE SKIP LOCKED
)"""


async def forget_tokens(tx: Tx, before: datetime, *, rows_max: int) -> int:
    """Drops tokens that are over, at most `rows_max`; gives how many. One round trip."""
    return int((await tx.execute(_FORGET_TOKENS, before, rows_max)).rpartition(" ")[2])


def _waiting(row: Any) -> Waiting:
    return Waiting(**dict(row) | {"kind": Kind(row["kind"])})
