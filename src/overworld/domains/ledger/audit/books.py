"""What the books say and what the log says of them, in SQL. A store beside `store`, which keeps the log itself."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from overworld.kernel.ports import Tx

_UNHURRIED = "SET LOCAL statement_timeout = '10min'"
"""With millions of accounts a look takes longer than any request may."""

_FAULTS = """
WITH mark AS (
    SELECT last_stamp, last_settles, last_id FROM ledger.block ORDER BY number DESC LIMIT 1
), fold AS (
    SELECT account_id, sum(debits_posted) AS debits_posted, sum(credits_posted) AS credits_posted,
        sum(debits_pending) AS debits_pending, sum(credits_pending) AS credits_pending
    FROM (
        SELECT * FROM ledger.sealed_balance
        UNION ALL
        SELECT * FROM ledger.changes(
            coalesce((SELECT last_stamp FROM mark), 0), coalesce((SELECT last_settles FROM mark), false),
            coalesce((SELECT last_id FROM mark), '00000000-0000-0000-0000-000000000000'),
            9223372036854775807, true, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    ) AS change GROUP BY account_id
), held AS (
    SELECT currency, sum(debits_posted) AS debits, sum(credits_posted) AS credits,
        sum(debits_pending) AS promised, sum(credits_pending) AS expected
    FROM ledger.account GROUP BY currency
)
SELECT format('currency %s: debits %s, credits %s; pending %s, %s', currency, debits, credits, promised, expected)
    AS fault
FROM held WHERE debits <> credits OR promised <> expected
UNION ALL
SELECT format('account %s: debits %s, credits %s, pending %s and %s; by the log %s, %s, %s and %s',
    coalesce(id, account_id), account.debits_posted, account.credits_posted, account.debits_pending,
    account.credits_pending, fold.debits_posted, fold.credits_posted, fold.debits_pending, fold.credits_pending)
FROM ledger.account FULL JOIN fold ON account_id = id
WHERE id IS NULL
    OR account.debits_posted <> coalesce(fold.debits_posted, 0)
    OR account.credits_posted <> coalesce(fold.credits_posted, 0)
    OR account.debits_pending <> coalesce(fold.debits_pending, 0)
    OR account.credits_pending <> coalesce(fold.credits_pending, 0)
UNION ALL
SELECT format('account %s: may not be below zero and is at %s', id, credits_posted - debits_posted - debits_pending)
FROM ledger.account WHERE debits_must_not_exceed_credits AND debits_posted + debits_pending > credits_posted
LIMIT 100"""


async def faults(tx: Tx) -> list[str]:
    """What does not add up, a line each, at most 100; see `Auditor.look`. One statement, so one snapshot."""
    await tx.execute(_UNHURRIED)
    return [row["fault"] for row in await tx.fetch(_FAULTS)]


_SEALED_FAULTS = """
WITH fold AS (
    SELECT change.* FROM (SELECT * FROM ledger.block ORDER BY number DESC LIMIT 1) AS mark
    CROSS JOIN LATERAL ledger.changes(
        0, false, '00000000-0000-0000-0000-000000000000', last_stamp, last_settles, last_id) AS change
)
SELECT format(
    'sealed balance of account %s: debits %s, credits %s, pending %s and %s; its transfers add up to %s, %s, %s and %s',
    account_id, sealed.debits_posted, sealed.credits_posted, sealed.debits_pending, sealed.credits_pending,
    fold.debits_posted, fold.credits_posted, fold.debits_pending, fold.credits_pending) AS fault
FROM ledger.sealed_balance AS sealed FULL JOIN fold USING (account_id)
WHERE (sealed.debits_posted, sealed.credits_posted, sealed.debits_pending, sealed.credits_pending)
    IS DISTINCT FROM (fold.debits_posted, fold.credits_posted, fold.debits_pending, fold.credits_pending)
LIMIT 100"""


async def sealed_faults(tx: Tx) -> list[str]:
    """Where the sealed balances are not what the sealed transfers add up to, a line each, at most 100.

    `faults` takes the sealed balances as they stand; this reads every transfer from the first one on.
    """
    await tx.execute(_UNHURRIED)
    return [row["fault"] for row in await tx.fetch(_SEALED_FAULTS)]


_TOTALS = """
SELECT currency, code, sum(sealed.debits_posted) AS debits_posted, sum(sealed.credits_posted) AS credits_posted,
    sum(sealed.debits_pending) AS debits_pending, sum(sealed.credits_pending) AS credits_pending
FROM ledger.sealed_balance AS sealed JOIN ledger.account ON id = account_id
GROUP BY currency, code"""


async def sealed_totals(tx: Tx) -> dict[tuple[str, str], list[int]]:
    """What the sealed balances add up to, by currency and account code: debits, credits, and then pending."""
    await tx.execute(_UNHURRIED)
    return {
        (row["currency"], row["code"]): [int(row[place]) for place in range(2, 6)] for row in await tx.fetch(_TOTALS)
    }


_HOLD = "SELECT id FROM ledger.account WHERE owner_id = $1 ORDER BY id FOR UPDATE"
_FORGET = """
WITH forgotten AS (
    UPDATE ledger.account SET owner_id = $2, frozen = true WHERE id = ANY ($1::bigint[]) RETURNING id
), destroyed AS (
    DELETE FROM ledger.account_secret WHERE account_id = ANY ($1::bigint[])
), moved AS (
    SELECT id FROM ledger.transfer WHERE debit_id = ANY ($1::bigint[]) AND code <> 1
    UNION
    SELECT id FROM ledger.transfer WHERE credit_id = ANY ($1::bigint[])
), silenced AS (
    DELETE FROM ledger.note WHERE transfer_id IN (SELECT id FROM moved)
), over AS (
    UPDATE ledger.pending SET expires_at = least(expires_at, $3) WHERE id IN (SELECT id FROM moved)
)
SELECT count(*) FROM forgotten"""


async def forget(tx: Tx, owner_id: UUID, *, stranger_id: UUID, at: datetime) -> int:
    """Destroys the keys of an owner's accounts, freezes them and gives them to a stranger; how many they were.

    What was written beside their transfers is deleted, and what was promised to them or by them is over. It is looked
    for once the accounts are locked, so what was being posted meanwhile is found too. Wallets pay for no collections,
    which the index on payers leaves out.
    """
    held = [row["id"] for row in await tx.fetch(_HOLD, owner_id)]
    if not held:
        return 0
    await tx.execute(_UNHURRIED)
    count: int = await tx.fetchval(_FORGET, held, stranger_id, at)
    return count
