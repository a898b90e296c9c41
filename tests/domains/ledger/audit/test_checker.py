"""The full check of the database finds whatever was done to rows, blocks or tiles behind the triggers' backs."""

from __future__ import annotations

from datetime import timedelta

import pytest

from overworld.domains.ledger import SCHEMA
from overworld.domains.ledger.audit.checker import Checker
from tests.domains.ledger.audit.vault import Vault, mint, move, promise, settle, wallet


@pytest.fixture
async def vault(open_database, clock):
    """Three blocks: mints; a promise and moves; a settlement of the month after."""
    async with open_database(SCHEMA) as database:
        opened = Vault(database, clock)
        await opened.sealer.prepare()
        await opened.post(*(mint(number, 100) for number in range(7)))
        await opened.seal_all()
        promised = promise(opened, wallet(0), wallet(1), 40)
        await opened.post(promised, *(move(wallet(2), wallet(3), 1 + number) for number in range(5)))
        await opened.seal_all()
        clock.advance(timedelta(days=33))
        await opened.sealer.turn_key()
        await opened.post(settle(promised, 30), mint(4, 5))
        await opened.seal_all()
        yield opened


async def check(vault):
    return await Checker(database=vault.database).run()


async def tamper(vault, *statements):
    """As one who may switch triggers off."""
    async with vault.database.transaction() as tx:
        await tx.execute("SET LOCAL session_replication_role = replica")
        for statement in statements:
            await tx.execute(statement)


async def test_a_sound_log_has_no_faults(vault):
    checked = await check(vault)

    assert (checked.blocks, checked.transfers, checked.faults) == (3, 15, [])


async def test_forgetting_players_makes_no_faults(vault):
    """Also when their promises run out: what was sealed under the key before is not held against the key after."""
    await vault.post(promise(vault, wallet(2), wallet(1), 5))
    await vault.seal_all()
    await vault.sealer.forget(wallet(2).owner_id)
    assert (await check(vault)).faults == []

    vault.clock.advance(timedelta(days=91))
    assert await vault.ledger.expire(at=vault.clock.now()) == 1
    await vault.post(mint(2, 3))
    assert await vault.seal_all() == 2

    assert (await check(vault)).faults == []


ROW = "UPDATE ledger.transfer SET {} WHERE id = (SELECT id FROM ledger.transfer WHERE {} ORDER BY stamp, id LIMIT 1)"


@pytest.mark.parametrize(
    ("change", "where", "said"),
    [
        ("amount = amount + 1", "amount = 100", "amount_minor"),
        ("amount = amount - 1", "kind = 2", "amount_minor"),
        ("reference = gen_random_uuid()", "amount = 3", "reference_hash"),
        ("code = 6", "amount = 2", "code"),
        ("credit_id = (SELECT credit_id FROM ledger.transfer WHERE kind = 1)", "amount = 2", "credit"),
        ("kind = 1", "amount = 4", "kind"),
    ],
)
async def test_a_row_that_was_changed_is_named(vault, change, where, said):
    await tamper(vault, ROW.format(change, where))

    faults = (await check(vault)).faults

    assert any(fault.startswith("transfer ") and said in fault for fault in faults)


async def test_rows_in_another_order_are_named_by_their_block(vault):
    last = "SELECT id FROM ledger.transfer WHERE amount < 6 AND kind = 0 AND code = 4 ORDER BY id DESC LIMIT 1"
    await tamper(vault, f"UPDATE ledger.transfer SET stamp = stamp - 1 WHERE id = ({last})")  # noqa: S608 - fixed words

    assert any(fault.startswith("block 1: its transfers lie in another order") for fault in (await check(vault)).faults)


async def test_a_row_of_another_id_is_one_gone_and_one_too_many(vault):
    await tamper(vault, ROW.format("id = gen_random_uuid()", "amount = 4"))

    faults = "\n".join((await check(vault)).faults)

    assert "is gone from ledger.transfer" in faults
    assert "came into ledger.transfer" in faults


async def test_a_row_that_was_deleted_or_slipped_in_is_named(vault):
    await tamper(vault, "DELETE FROM ledger.transfer WHERE amount = 3")
    assert any("is gone from ledger.transfer" in fault for fault in (await check(vault)).faults)

    slipped = """INSERT INTO ledger.transfer (stamp, id, reference, debit_id, credit_id, amount, at, code, kind)
    SELECT stamp, gen_random_uuid(), reference, debit_id, credit_id, 9, at, code, 0 FROM ledger.transfer
    WHERE amount = 2 RETURNING id"""
    await tamper(vault, slipped)
    assert any("came into ledger.transfer" in fault for fault in (await check(vault)).faults)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE ledger.block SET records = set_byte(records, 20, 7) WHERE number = 1", "block 1: its root"),
        ("UPDATE ledger.block SET signature = sha256(root) || sha256(root) WHERE number = 1", "block 1: is not signed"),
        ("UPDATE ledger.block SET root = sha256(root) WHERE number = 0", "block 1: does not name"),
        ("DELETE FROM ledger.block WHERE number = 1", "block 1: is missing"),
        ("UPDATE ledger.tile SET hashes = set_byte(hashes, 40, 7)", "tile (0, 0)"),
        ("DELETE FROM ledger.tile", "tile (0, 0)"),
        ("UPDATE ledger.sealed_balance SET credits_posted = credits_posted + 1", "account "),
    ],
)
async def test_a_block_or_a_tile_that_was_changed_is_named(vault, statement, said):
    await tamper(vault, statement)

    assert any(fault.startswith(said) for fault in (await check(vault)).faults)


async def test_balances_that_were_changed_wherever_they_are_kept_are_not_what_transfers_add_up_to(vault):
    """By one who gives here what they take there, and knows that the auditor starts at the sealed balances."""
    for table, id_ in (("account", "id"), ("sealed_balance", "account_id")):
        for number, change in ((2, 1), (3, -1)):
            await tamper(
                vault,
                f"UPDATE ledger.{table} SET credits_posted = credits_posted + {change} WHERE {id_} ="  # noqa: S608
                f" (SELECT id FROM ledger.account WHERE owner_id = '{wallet(number).owner_id}')",
            )

    faults = (await check(vault)).faults

    assert len(faults) == 2
    assert all(fault.startswith("sealed balance of account ") for fault in faults)
