"""The ledger's tables: `ledger.account`, `.transfer` and `.pending`. Set-based; the functions are in `schema/`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from overworld.domains.ledger.rules import floored
from overworld.domains.ledger.types import (
    STRIPES,
    Balance,
    Books,
    Decision,
    Held,
    Holding,
    KnownGift,
    Movement,
    Row,
    SentToday,
)
from overworld.kernel.money import EXCLUSIVE_CODES, HOUSE, AccountCode, AccountRef, Transfer, TransferCode, TransferKind
from overworld.kernel.ports import Tx

_TAKE = """
SELECT * FROM ledger.take($1::uuid[], $2::text[], $3::text[], $4::smallint[], $5::bool[], $6::bool[], $7::uuid[],
    $8::uuid[], $9::uuid[])"""
_FOUND = (
    "ids",
    "debit_ids",
    "credit_ids",
    "amounts",
    "transfer_codes",
    "kinds",
    "transfer_refs",
    "memos",
    "pending_ids",
)


async def take(tx: Tx, accounts: Mapping[AccountRef, bool], transfers: Sequence[Transfer]) -> Books:
    """Locks accounts until the transaction ends, all their stripes, and reads what a batch is judged by.

    `accounts` says of each whether to open it when it is missing. One round trip; safe against any other batch.
    """
    refs = striped(accounts)
    row = await tx.fetchrow(
        _TAKE,
        [ref.owner_id for ref, _ in refs],
        [ref.currency for ref, _ in refs],
        [ref.code for ref, _ in refs],
        [stripe for _, stripe in refs],
        [accounts[ref] for ref, _ in refs],
        [floored(ref) for ref, _ in refs],
        list({transfer.id for transfer in transfers}),
        list({transfer.pending_id for transfer in transfers if transfer.pending_id is not None}),
        list({transfer.reference for transfer in transfers if transfer.code in EXCLUSIVE_CODES}),
    )
    found = [_row(*fields) for fields in zip(*(row[column] for column in _FOUND), strict=True)]
    return Books(
        account_ids=numbers_of(refs, row["account_ids"]),
        held={
            number: Held(int(posted), int(promised), frozen)
            for number, posted, promised, frozen in zip(
                row["locked"], row["posted"], row["promised"], row["frozen"], strict=True
            )
        },
        fresh=frozenset(row["fresh"]),
        existing={one.id: one for one in found},
        settled={one.pending_id: one for one in found if one.pending_id is not None},
        open_until=dict(zip(row["open_ids"], row["open_until"], strict=True)),
        taken=frozenset(row["taken"]),
    )


def striped(accounts: Iterable[AccountRef]) -> list[tuple[AccountRef, int]]:
    """Accounts and the stripes that each has, by number."""
    return [(ref, stripe) for ref in accounts for stripe in range(STRIPES.get(ref.code, 1))]


def numbers_of(refs: Sequence[tuple[AccountRef, int]], numbers: Sequence[int]) -> dict[AccountRef, tuple[int, ...]]:
    """Row numbers by account, given beside its stripes; 0 is none."""
    by_account: dict[AccountRef, tuple[int, ...]] = {}
    for (ref, _), number in zip(refs, numbers, strict=True):
        by_account[ref] = by_account.get(ref, ()) + ((number,) if number else ())
    return by_account


def _row(id: UUID, *fields: Any) -> Row:
    debit_id, credit_id, amount_minor, code, kind, *rest = fields
    return Row(id, debit_id, credit_id, amount_minor, TransferCode(code), TransferKind(kind), *rest)


_WRITE = """
SELECT ledger.write($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::smallint[], $6::smallint[], $7::uuid[],
    $8::bigint[], $9::bigint[], $10::uuid[], $11::bigint[], $12::timestamptz[], $13::timestamptz)"""


async def write(tx: Tx, decision: Decision, at: datetime) -> bool:
    """Writes transfers and moves their accounts' totals, which `take` has locked. One round trip.

    False, and nothing is written, when another transaction has committed one of the ids, promises or exclusive
    references since `take`.
    """
    rows, effects = decision.created, decision.effects
    written: bool = await tx.fetchval(
        _WRITE,
        [row.id for row in rows],
        [row.debit_id for row in rows],
        [row.credit_id for row in rows],
        [row.amount_minor for row in rows],
        [row.code for row in rows],
        [row.kind for row in rows],
        [row.reference for row in rows],
        [row.memo for row in rows],
        [effect.balance_minor for effect in effects],
        [row.pending_id for row in rows],
        [effect.released_minor for effect in effects],
        [effect.expires_at for effect in effects],
        at,
    )
    return written


_OPEN = "SELECT ledger.open($1::uuid[], $2::text[], $3::text[], $4::smallint[], $5::bool[], $6::bool[])"


async def open_accounts(tx: Tx, accounts: Sequence[AccountRef]) -> dict[AccountRef, tuple[int, ...]]:
    """The row numbers of accounts, all their stripes, opened where they are missing. One round trip."""
    refs = striped(accounts)
    numbers = await tx.fetchval(
        _OPEN,
        [ref.owner_id for ref, _ in refs],
        [ref.currency for ref, _ in refs],
        [ref.code for ref, _ in refs],
        [stripe for _, stripe in refs],
        [True] * len(refs),
        [floored(ref) for ref, _ in refs],
    )
    return numbers_of(refs, numbers)


_TAKEN = "SELECT ledger.taken($1::uuid[])"


async def taken(tx: Tx, references: Sequence[UUID]) -> set[UUID]:
    """Which references of exclusive transfers somebody has. One round trip, no lock."""
    return set(await tx.fetchval(_TAKEN, references))


async def id_secret(tx: Tx) -> bytes:
    """What ids made from keys follow from, beside the keys. One round trip."""
    secret: bytes = await tx.fetchval("SELECT value FROM ledger.id_secret")
    return secret


_FREEZE = """
UPDATE ledger.account SET frozen = $3 WHERE id IN (
    SELECT id FROM ledger.account WHERE owner_id = $1 AND ($2::text IS NULL OR currency = $2)
    ORDER BY id FOR NO KEY UPDATE)
RETURNING id"""


async def freeze(tx: Tx, owner_id: UUID, currency: str | None, *, frozen: bool) -> int:
    """Freezes or thaws the accounts that the owner has in one currency, or in all; gives how many. One round trip."""
    return len(await tx.fetch(_FREEZE, owner_id, currency, frozen))


_BALANCES = """
SELECT currency, sum(credits_posted - debits_posted) AS posted, sum(credits_pending - debits_pending) AS pending
FROM ledger.account
WHERE owner_id = $1 AND currency = ANY ($2::text[]) AND code = $3
GROUP BY currency"""


async def balances(
    tx: Tx, owner_id: UUID, currencies: Sequence[str], code: AccountCode = AccountCode.WALLET
) -> list[Balance]:
    """What the owner's accounts of a code hold in these currencies, open ones alone, in no order. One trip, no lock."""
    rows = await tx.fetch(_BALANCES, owner_id, currencies, code)
    return [Balance(row["currency"], int(row["posted"]), int(row["pending"])) for row in rows]


_HOLDINGS = """
SELECT currency, code, sum(credits_posted - debits_posted) AS posted, sum(credits_pending - debits_pending) AS pending,
    bool_or(frozen) AS frozen
FROM ledger.account WHERE owner_id = $1
GROUP BY currency, code
ORDER BY currency COLLATE "C", code COLLATE "C" """


async def holdings(tx: Tx, owner_id: UUID) -> list[Holding]:
    """All that an owner has, whatever for, by currency. One round trip, no lock."""
    return [
        Holding(
            currency=row["currency"],
            code=AccountCode(row["code"]),
            posted_minor=int(row["posted"]),
            pending_minor=int(row["pending"]),
            frozen=row["frozen"],
        )
        for row in await tx.fetch(_HOLDINGS, owner_id)
    ]


_HISTORY = """
WITH seen AS (
    SELECT leg.*, wallet.currency FROM ledger.account AS wallet CROSS JOIN LATERAL (
        (SELECT id, amount, 'in' AS direction, code, reference, at, debit_id AS other_id FROM ledger.transfer
         WHERE credit_id = wallet.id AND at <= $4 AND (at, id) < ($4, $5) AND kind IN (0, 2)
         ORDER BY at DESC, id DESC LIMIT $6)
        UNION ALL
        (SELECT id, amount, 'out', code, reference, at, credit_id FROM ledger.transfer
         WHERE debit_id = wallet.id AND code <> 1 AND at <= $4 AND (at, id) < ($4, $5) AND kind IN (0, 2)
         ORDER BY at DESC, id DESC LIMIT $6)
    ) AS leg
    WHERE wallet.owner_id = $1 AND wallet.currency = ANY ($2::text[]) AND wallet.code = $3
    ORDER BY at DESC, id DESC
    LIMIT $6
)
SELECT seen.id, seen.currency, seen.amount AS amount_minor, seen.direction, seen.code, seen.reference, seen.at,
    other.owner_id AS counterparty_id, note.note
FROM seen
LEFT JOIN ledger.account AS other ON other.id = seen.other_id AND other.code = $3 AND seen.code = $7
LEFT JOIN ledger.note ON note.transfer_id = seen.id AND seen.code = $7
ORDER BY seen.at DESC, seen.id DESC"""


async def history(
    tx: Tx, owner_id: UUID, currencies: Sequence[str], *, before: tuple[datetime, UUID], limit: int
) -> list[Movement]:
    """What moved in and out of the owner's wallets before a place in time and id, newest first; promises are not shown
    until they are posted. One round trip, no lock.

    An owner has one wallet in a currency and both sides of a transfer share the currency, so an id comes once. A wallet
    never pays for a collection, which the index on payers leaves out.
    """
    rows = await tx.fetch(_HISTORY, owner_id, currencies, AccountCode.WALLET, *before, limit, TransferCode.GIFT)
    return [Movement(**row | {"code": TransferCode(row["code"])}) for row in map(dict, rows)]


_SENT = """
SELECT debit_id, count(*) AS count, sum(amount) AS amount FROM ledger.transfer
WHERE debit_id = ANY ($1::bigint[]) AND at >= $2 AND code <> 1 AND code = $3 AND kind = 0
GROUP BY debit_id"""


async def sent_since(tx: Tx, accounts: Sequence[int], since: datetime) -> dict[int, SentToday]:
    """How often and how much accounts gave away as gifts since an instant, by row number; who did not is left out.

    The caller holds their locks. One round trip.
    """
    rows = await tx.fetch(_SENT, accounts, since, TransferCode.GIFT)
    return {row["debit_id"]: SentToday(row["count"], int(row["amount"])) for row in rows}


_KNOWN_GIFTS = """
SELECT transfer.id, reference, transfer.code, owner_id AS to_id, currency, amount AS amount_minor,
    memo AS balance_minor, at
FROM ledger.transfer JOIN ledger.account ON account.id = credit_id
WHERE transfer.id = ANY ($1::uuid[])"""


async def known_gifts(tx: Tx, ids: Sequence[UUID]) -> dict[UUID, KnownGift]:
    """The transfers that were made under some ids before, whatever they are. One round trip."""
    rows = await tx.fetch(_KNOWN_GIFTS, ids)
    return {row["id"]: KnownGift(row["reference"], TransferCode(row["code"]), *tuple(row)[3:]) for row in rows}


_KEEP_NOTES = """
INSERT INTO ledger.note (transfer_id, note)
SELECT transfer_id, note FROM unnest($1::uuid[], $2::text[]) AS written (transfer_id, note) ORDER BY transfer_id"""


async def keep_notes(tx: Tx, notes: Mapping[UUID, str]) -> None:
    """Keeps what was written beside transfers, which this transaction has made. One round trip, none without notes."""
    if notes:
        await tx.execute(_KEEP_NOTES, list(notes), list(notes.values()))


_OPEN_PROMISES = "SELECT count(*) FROM ledger.pending"


async def open_promises(tx: Tx) -> int:
    """How many promises are open. Counts them all; one round trip."""
    count: int = await tx.fetchval(_OPEN_PROMISES)
    return count


_IN_HANDS = "SELECT coalesce(sum(credits_posted - debits_posted), 0)::float8 FROM ledger.account WHERE code = $1"


async def in_hands(tx: Tx) -> float:
    """What all wallets hold, in minor units of all currencies. Sums them all up; one round trip."""
    held: float = await tx.fetchval(_IN_HANDS, AccountCode.WALLET.value)
    return held


_WALLETS = """
SELECT uuid_send(owner_id) AS owner, (credits_posted - debits_posted)::float8 AS held FROM ledger.account
WHERE code = $1 AND currency = $2"""


async def wallets(tx: Tx, currency: str) -> list[tuple[bytes, float]]:
    """Whose wallets of a currency are open, 16 bytes each, and what they hold. All of them; one round trip."""
    return [(owner, held) for owner, held in await tx.fetch(_WALLETS, AccountCode.WALLET.value, currency)]


_DUE = """
SELECT promise.id, promise.amount, promise.code, promise.reference,
    payer.owner_id AS payer_id, payer.code AS payer_code, payer.currency, payee.owner_id AS payee_id,
    payee.code AS payee_code
FROM (SELECT id FROM ledger.pending WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2) AS due
JOIN ledger.transfer AS promise USING (id)
JOIN ledger.account AS payer ON payer.id = promise.debit_id
JOIN ledger.account AS payee ON payee.id = promise.credit_id"""


async def due(tx: Tx, at: datetime, *, limit: int) -> list[tuple[Row, AccountRef, AccountRef]]:
    """Promises whose time is over, the oldest first, with both sides. One round trip, no lock."""
    return [
        (
            Row(row["id"], 0, 0, row["amount"], TransferCode(row["code"]), TransferKind.PENDING, row["reference"]),
            AccountRef(row["payer_id"], row["currency"], AccountCode(row["payer_code"])),
            AccountRef(row["payee_id"], row["currency"], AccountCode(row["payee_code"])),
        )
        for row in await tx.fetch(_DUE, at, limit)
    ]


_BROKEN = """
WITH leg AS (
    SELECT t.debit_id, t.credit_id, CASE WHEN t.kind IN (0, 2) THEN t.amount ELSE 0 END AS now,
        CASE WHEN t.kind = 1 THEN t.amount ELSE 0 END - coalesce(promise.amount, 0) AS later
    FROM ledger.transfer AS t LEFT JOIN ledger.transfer AS promise ON promise.id = t.pending_id
), fold AS (
    SELECT account_id, sum(debit) AS debits, sum(debit_later) AS debits_later, sum(credit) AS credits,
        sum(credit_later) AS credits_later
    FROM leg CROSS JOIN LATERAL (VALUES (debit_id, now, later, 0, 0), (credit_id, 0, 0, now, later))
        AS side (account_id, debit, debit_later, credit, credit_later)
    GROUP BY account_id
), minted AS (
    SELECT payer.currency, sum(
        CASE WHEN payer.code = $1 THEN now ELSE 0 END - CASE WHEN payee.code = $1 THEN now ELSE 0 END
    ) AS supply
    FROM leg
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
SELECT format('account %s: pending %s and %s, but its promises sum to %s and %s', id, debits_pending, credits_pending,
    debits_later, credits_later)
FROM ledger.account LEFT JOIN fold ON account_id = id
WHERE debits_pending <> coalesce(debits_later, 0) OR credits_pending <> coalesce(credits_later, 0)
UNION ALL
SELECT format('account %s: may not be below zero and is at %s', id, credits_posted - debits_posted - debits_pending)
FROM ledger.account WHERE debits_must_not_exceed_credits AND debits_posted + debits_pending > credits_posted
UNION ALL
SELECT format('transfer %s: pays %s into %s', transfer.id, payer.currency, payee.currency)
FROM ledger.transfer JOIN ledger.account AS payer ON payer.id = debit_id
JOIN ledger.account AS payee ON payee.id = credit_id
WHERE payer.currency <> payee.currency
UNION ALL
SELECT format('promise %s: open in one place and settled in the other', coalesce(promise.id, pending.id))
FROM (
    SELECT id FROM ledger.transfer AS made WHERE kind = 1
        AND NOT EXISTS (SELECT FROM ledger.transfer AS settling WHERE settling.pending_id = made.id)
) AS promise FULL JOIN ledger.pending ON pending.id = promise.id
WHERE promise.id IS NULL OR pending.id IS NULL
LIMIT 100"""


async def broken_invariants(tx: Tx) -> list[str]:
    """What does not add up, a line each, at most 100; see `Ledger.invariants`. One statement, so one snapshot."""
    return [row["broken"] for row in await tx.fetch(_BROKEN, AccountCode.ISSUANCE)]


_HOLDERS = """
SELECT currency, count(DISTINCT owner_id) AS holders FROM ledger.account
WHERE currency = ANY($1::text[]) AND owner_id <> $2
    AND (credits_posted <> debits_posted OR credits_pending <> 0 OR debits_pending <> 0)
GROUP BY currency"""


async def holders(tx: Tx, currencies: Sequence[str]) -> dict[str, int]:
    """How many owners beside the house have something of some currencies, those alone of which any has. One trip."""
    return {row["currency"]: row["holders"] for row in await tx.fetch(_HOLDERS, list(currencies), HOUSE)}
