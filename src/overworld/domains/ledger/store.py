"""The ledger's tables: `ledger.account` and `ledger.transfer`. Set-based; the functions are in `schema/`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from overworld.domains.ledger.rules import floored
from overworld.domains.ledger.types import Balance, Books, Movement, Posted
from overworld.kernel.money import AccountCode, AccountRef
from overworld.kernel.ports import Tx

_TAKE = """
SELECT * FROM ledger.take($1::uuid[], $2::text[], $3::text[], $4::bool[], $5::bool[], $6::uuid[])"""
_EXISTING = ("ids", "debit_ids", "credit_ids", "amounts", "transfer_codes", "transfer_references")


async def take(tx: Tx, accounts: Mapping[AccountRef, bool], transfer_ids: Sequence[UUID]) -> Books:
    """Locks accounts until the transaction ends, and reads what a batch is judged by.

    `accounts` says of each whether to open it when it is missing. One round trip; safe against any other batch.
    """
    refs = list(accounts)
    row = await tx.fetchrow(
        _TAKE,
        [ref.owner_id for ref in refs],
        [ref.currency for ref in refs],
        [ref.code for ref in refs],
        list(accounts.values()),
        [floored(ref) for ref in refs],
        transfer_ids,
    )
    existing = zip(*(row[column] for column in _EXISTING), strict=True)
    return Books(
        account_ids=dict(zip(refs, row["account_ids"], strict=True)),
        balances_minor=dict(zip(row["locked_ids"], map(int, row["balances"]), strict=True)),
        existing={fields[0]: Posted(*fields) for fields in existing},
    )


_WRITE = """
SELECT ledger.write($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::timestamptz)"""


async def write(tx: Tx, rows: Sequence[Posted], at: datetime) -> bool:
    """Writes transfers and moves their accounts' balances, which `take` has locked. One round trip.

    False, and nothing is written, when another transaction has committed one of the ids since `take`.
    """
    written: bool = await tx.fetchval(
        _WRITE,
        [row.id for row in rows],
        [row.debit_id for row in rows],
        [row.credit_id for row in rows],
        [row.amount_minor for row in rows],
        [row.code for row in rows],
        [row.reference for row in rows],
        at,
    )
    return written


_BALANCES = """
SELECT currency, credits_posted - debits_posted AS posted, credits_pending - debits_pending AS pending
FROM ledger.account
WHERE owner_id = $1 AND currency = ANY ($2::text[]) AND code = $3"""


async def balances(tx: Tx, owner_id: UUID, currencies: Sequence[str]) -> list[Balance]:
    """The owner's open wallets in these currencies, in no order. One round trip, no lock."""
    rows = await tx.fetch(_BALANCES, owner_id, currencies, AccountCode.WALLET)
    return [Balance(row["currency"], int(row["posted"]), int(row["pending"])) for row in rows]


_HISTORY = """
SELECT seen.id, wallet.currency, seen.amount, seen.direction, seen.code, seen.reference, seen.at
FROM ledger.account AS wallet CROSS JOIN LATERAL (
    (SELECT id, amount, 'in' AS direction, code, reference, at FROM ledger.transfer
     WHERE credit_id = wallet.id AND id < $4 ORDER BY id DESC LIMIT $5)
    UNION ALL
    (SELECT id, amount, 'out', code, reference, at FROM ledger.transfer
     WHERE debit_id = wallet.id AND id < $4 ORDER BY id DESC LIMIT $5)
) AS seen
WHERE wallet.owner_id = $1 AND wallet.currency = ANY ($2::text[]) AND wallet.code = $3
ORDER BY seen.id DESC
LIMIT $5"""


async def history(tx: Tx, owner_id: UUID, currencies: Sequence[str], *, before: UUID, limit: int) -> list[Movement]:
    """The newest transfers of the owner's wallets with ids below `before`, newest first. One round trip, no lock.

    An owner has one wallet in a currency and both sides of a transfer share the currency, so an id comes once.
    """
    rows = await tx.fetch(_HISTORY, owner_id, currencies, AccountCode.WALLET, before, limit)
    return [Movement(*row) for row in rows]


_BROKEN = """
WITH leg AS (
    SELECT debit_id AS account_id, amount AS debit, 0 AS credit FROM ledger.transfer
    UNION ALL
    SELECT credit_id, 0, amount FROM ledger.transfer
), fold AS (
    SELECT account_id, sum(debit) AS debits, sum(credit) AS credits FROM leg GROUP BY account_id
), minted AS (
    SELECT payer.currency, sum(
        CASE WHEN payer.code = $1 THEN amount ELSE 0 END - CASE WHEN payee.code = $1 THEN amount ELSE 0 END
    ) AS supply
    FROM ledger.transfer
    JOIN ledger.account AS payer ON payer.id = debit_id
    JOIN ledger.account AS payee ON payee.id = credit_id
    GROUP BY payer.currency
), held AS (
    SELECT currency, sum(debits_posted) AS debits, sum(credits_posted) AS credits,
        sum(credits_posted - debits_posted) FILTER (WHERE code <> $1) AS supply
    FROM ledger.account GROUP BY currency
)
SELECT format('currency %s: debits %s, credits %s', currency, debits, credits) AS broken
FROM held WHERE debits <> credits
UNION ALL
SELECT format('currency %s: wallets hold %s, minted less burned is %s', currency, held.supply, minted.supply)
FROM held FULL JOIN minted USING (currency) WHERE coalesce(held.supply, 0) <> coalesce(minted.supply, 0)
UNION ALL
SELECT format('account %s: debits %s, credits %s, but its transfers sum to %s and %s', coalesce(id, account_id),
    debits_posted, credits_posted, debits, credits)
FROM ledger.account FULL JOIN fold ON account_id = id
WHERE id IS NULL OR debits_posted <> coalesce(debits, 0) OR credits_posted <> coalesce(credits, 0)
UNION ALL
SELECT format('account %s: may not be below zero and is at %s', id, credits_posted - debits_posted - debits_pending)
FROM ledger.account WHERE debits_must_not_exceed_credits AND debits_posted + debits_pending > credits_posted
UNION ALL
SELECT format('transfer %s: pays %s into %s', transfer.id, payer.currency, payee.currency)
FROM ledger.transfer JOIN ledger.account AS payer ON payer.id = debit_id
JOIN ledger.account AS payee ON payee.id = credit_id
WHERE payer.currency <> payee.currency
LIMIT 100"""


async def broken_invariants(tx: Tx) -> list[str]:
    """What does not add up, a line each, at most 100; see `Ledger.invariants`. One statement, so one snapshot."""
    return [row["broken"] for row in await tx.fetch(_BROKEN, AccountCode.ISSUANCE)]
