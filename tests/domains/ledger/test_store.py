"""The tables guard themselves, and the books can be proved."""

from __future__ import annotations

import asyncpg
import pytest

from overworld.domains.ledger import SCHEMA
from overworld.kernel.money import (
    TransferStatus,
)
from tests.domains.ledger.bank import A, Bank, mint

CREATED = TransferStatus.CREATED
EXISTS = TransferStatus.EXISTS
DIFFERS = TransferStatus.EXISTS_WITH_DIFFERENT_FIELDS


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE ledger.transfer SET amount = 1",
        "DELETE FROM ledger.transfer",
        "TRUNCATE ledger.transfer",
        "DELETE FROM ledger.account",
        "TRUNCATE ledger.account",
    ],
)
async def test_what_was_posted_can_be_neither_changed_nor_deleted(bank, change):
    await bank.post(mint(A, 5))
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="what was posted stays"):
        async with bank.database.transaction() as tx:
            await tx.execute(change)


async def test_the_database_itself_refuses_an_overdraft(bank):
    await bank.post(mint(A, 5))
    with pytest.raises(asyncpg.CheckViolationError, match="no_overdraft"):
        async with bank.database.transaction() as tx:
            await tx.execute("UPDATE ledger.account SET debits_posted = 6 WHERE owner_id = $1", A)


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        ("UPDATE ledger.account SET credits_posted = 9 WHERE code = 'wallet'", "currency ore: debits 5, credits 9"),
        (
            "UPDATE ledger.account SET credits_posted = 9 WHERE code = 'wallet'",
            "wallets hold 9, minted less burned is 5",
        ),
        ("UPDATE ledger.account SET debits_posted = 4 WHERE code = 'issuance'", "but its transfers sum to 5 and 0"),
        ("UPDATE ledger.account SET currency = 'gem' WHERE code = 'wallet'", "pays ore into gem"),
        (
            "INSERT INTO ledger.transfer (stamp, id, debit_id, credit_id, amount, at, code, kind, reference) "
            "SELECT stamp, gen_random_uuid(), debit_id, credit_id + 100, 5, at, code, kind, reference "
            "FROM ledger.transfer",
            "but its transfers sum to 0 and 5",
        ),
        (
            "ALTER TABLE ledger.account DROP CONSTRAINT no_overdraft; "
            "UPDATE ledger.account SET debits_posted = 6 WHERE code = 'wallet'",
            "may not be below zero and is at -1",
        ),
    ],
)
async def test_the_invariants_find_damage(open_database, damage, found):
    async with open_database(SCHEMA) as database:
        bank = Bank(database)
        await bank.post(mint(A, 5))
        assert await bank.broken() == []
        async with database.transaction() as tx:
            await tx.execute(damage)
        assert any(found in line for line in await bank.broken())
