"""What the books say and what the log says of them, in SQL. A store beside `store`, which keeps the log itself."""

from __future__ import annotations

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


_FORGET = """
WITH forgotten AS (
    UPDATE ledger.account SET owner_id = $2, frozen = true
    WHERE id IN (SELECT id FROM ledger.account WHERE owner_id = $1 ORDER BY id FOR UPDATE)
    RETURNING id
), destroyed AS (
    DELETE FROM ledger.account_secret WHERE account_id IN (SELECT id FROM forgotten)
), silenced AS (
    DELETE FROM ledger.note WHERE transfer_id IN (
        SELECT transfer.id FROM ledger.transfer JOIN forgotten ON debit_id = forgotten.id
        UNION ALL
        SELECT transfer.id FROM ledger.transfer JOIN forgotten ON credit_id = forgotten.id
    )
)
SELECT count(*) FROM forgotten"""


async def forget(tx: Tx, owner_id: UUID, *, stranger_id: UUID) -> int:
    """Destroys the keys of an owner's accounts, freezes them and gives them to a stranger; how many they were.

    What was written beside their transfers is deleted.
    """
    count: int = await tx.fetchval(_FORGET, owner_id, stranger_id)
    return count
