"""Posting on a real PostgreSQL: exact, in the order given, once, and in two round trips."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from msgspec import structs

from overworld.domains.ledger import TRANSFERS_MAX
from overworld.kernel.money import (
    AMOUNT_MINOR_MAX,
    AccountCode,
    AccountRef,
    TransferResult,
    TransferStatus,
)
from tests.domains.ledger.bank import AT, ISSUANCE, A, B, Bank, C, mint, transfer, wallet

CREATED = TransferStatus.CREATED
EXISTS = TransferStatus.EXISTS
DIFFERS = TransferStatus.EXISTS_WITH_DIFFERENT_FIELDS


async def supply(bank: Bank) -> int:
    owed = "SELECT sum(debits_posted - credits_posted) FROM ledger.account WHERE code = 'issuance'"
    async with bank.database.read() as tx:
        return int(await tx.fetchval(owed))


async def test_minting_opens_the_wallet_and_the_supply_is_what_issuance_owes(bank):
    assert await bank.post(mint(A, 150)) == [TransferResult(CREATED, 150)]
    assert await bank.held(A) == 150
    assert await supply(bank) == 150


async def test_burning_takes_from_the_supply(bank):
    await bank.post(mint(A, 150), transfer(wallet(A), ISSUANCE, 50))
    assert await supply(bank) == 100


async def test_a_batch_is_judged_in_the_order_given_and_item_by_item(bank):
    results = await bank.post(
        transfer(wallet(A), wallet(B), 10),
        mint(A, 100),
        transfer(wallet(A), wallet(B), 60),
        transfer(wallet(A), wallet(B), 60),
        transfer(wallet(A), wallet(B), 40),
        transfer(wallet(B), wallet(C), 100),
    )
    assert [(result.status, result.credit_balance_minor) for result in results] == [
        (TransferStatus.EXCEEDS_CREDITS, 0),
        (CREATED, 100),
        (CREATED, 60),
        (TransferStatus.EXCEEDS_CREDITS, 60),
        (CREATED, 100),
        (CREATED, 100),
    ]
    assert [await bank.held(owner) for owner in (A, B, C)] == [0, 0, 100]


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        (transfer(ISSUANCE, wallet(A), 0), TransferStatus.AMOUNT_NOT_POSITIVE),
        (transfer(ISSUANCE, wallet(A), -5), TransferStatus.AMOUNT_NOT_POSITIVE),
        (transfer(wallet(A), wallet(A), 5), TransferStatus.ACCOUNTS_SAME),
        (transfer(ISSUANCE, wallet(A, "gem"), 5), TransferStatus.CURRENCY_MISMATCH),
        (transfer(wallet(A), wallet(B), 101), TransferStatus.EXCEEDS_CREDITS),
        (transfer(ISSUANCE, wallet(A), AMOUNT_MINOR_MAX), TransferStatus.EXCEEDS_MAXIMUM),
        (transfer(ISSUANCE, ISSUANCE, 0), TransferStatus.AMOUNT_NOT_POSITIVE),
    ],
)
async def test_a_wrong_transfer_says_what_is_wrong_and_fails_no_neighbour(bank, wrong, status):
    assert await bank.statuses(mint(A, 100), wrong, mint(A, 1)) == [CREATED, status, CREATED]
    assert await bank.held(A) == 101


async def test_amounts_and_balances_go_to_the_maximum_and_totals_beyond_it(bank):
    for _ in range(3):
        assert await bank.post(mint(A, AMOUNT_MINOR_MAX)) == [TransferResult(CREATED, AMOUNT_MINOR_MAX)]
        assert await bank.statuses(transfer(wallet(A), ISSUANCE, AMOUNT_MINOR_MAX)) == [CREATED]
    assert await bank.held(A) == 0


async def test_the_same_transfer_again_exists_and_moves_nothing(bank):
    once = mint(A, 100)
    assert await bank.statuses(once) == [CREATED]
    assert await bank.post(once, mint(A, 1)) == [TransferResult(EXISTS, 100), TransferResult(CREATED, 101)]


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize(
    "changed",
    [
        {"debit": AccountRef(B, "ore", AccountCode.ISSUANCE)},
        {"credit": wallet(B)},
        {"credit": wallet(UUID(int=99), "gem")},
        {"amount_minor": 101},
        {"amount_minor": 0},
        {"reference": UUID(int=99)},
        {"memo": 1},
    ],
)
async def test_one_id_for_two_things_is_told_apart(bank, changed, together):
    first = mint(A, 100)
    second = structs.replace(first, **changed)
    if together:
        assert await bank.statuses(first, second, first) == [CREATED, DIFFERS, EXISTS]
    else:
        assert await bank.statuses(first) == [CREATED]
        assert await bank.statuses(second, first) == [DIFFERS, EXISTS]
    assert await bank.held(A) == 100


async def test_a_refused_id_may_be_used_again(bank):
    poor = transfer(wallet(A), wallet(B), 10)
    assert await bank.statuses(poor) == [TransferStatus.EXCEEDS_CREDITS]
    assert await bank.statuses(poor, mint(A, 10), poor) == [TransferStatus.EXCEEDS_CREDITS, CREATED, CREATED]


async def test_posting_between_known_accounts_takes_one_round_trip_whatever_the_size(bank):
    """Known are those that somebody posted to and committed before this server looked at them."""
    owners = [uuid4() for _ in range(300)]
    for _ in range(2):
        await bank.post(*(mint(owner, 5) for owner in owners))
        assert bank.round_trips == 2
    for size in (1, 300):
        await bank.post(*(mint(owner, 5) for owner in owners[:size]))
        assert bank.round_trips == 1


async def test_a_batch_that_something_speaks_against_takes_two_more_round_trips(bank):
    for _ in range(2):
        await bank.post(mint(A, 2), mint(B, 2))
    poor = transfer(wallet(A), wallet(B), 6)
    assert await bank.statuses(poor, mint(A, 1)) == [TransferStatus.EXCEEDS_CREDITS, CREATED]
    assert bank.round_trips == 3


async def known_and(bank, *others):
    """Posts to three wallets that are known here and to others; gives the results of the others and the round trips."""
    owners = [UUID(int=100 + n) for n in range(3)]
    while bank.round_trips != 1:
        await bank.post(*(mint(owner, 5) for owner in owners))
    results = await bank.post(*(mint(owner, 5) for owner in owners), *others)
    return results[3:], bank.round_trips


async def test_where_most_accounts_are_known_here_the_others_are_looked_up_first(bank):
    for elsewhere in (A, B):
        await Bank(bank.database).post(mint(elsewhere, 5))
    [first], round_trips = await known_and(bank, mint(A, 7))
    assert (first.credit_balance_minor, round_trips) == (12, 2)
    [second], round_trips = await known_and(bank, transfer(wallet(A), wallet(B), 7))
    assert (second.credit_balance_minor, round_trips) == (12, 2)
    assert await bank.statuses(transfer(wallet(B), wallet(A), 12)) == [CREATED]
    assert (await bank.held(A), bank.round_trips, await bank.broken()) == (17, 1, [])


async def test_an_account_that_is_nowhere_yet_is_opened_by_who_looked_for_it(bank):
    [new], round_trips = await known_and(bank, mint(A, 7))
    assert (new.credit_balance_minor, round_trips) == (7, 3)


@pytest.mark.parametrize("around", [("SELECT 1", "SELECT 2"), ("SAVEPOINT one", "RELEASE SAVEPOINT one")])
async def test_the_number_of_an_account_is_not_kept_before_it_is_committed(bank, around):
    """What a transaction opened and then posts to again is looked up in the same transaction."""
    await known_and(bank)
    owners = [UUID(int=100 + n) for n in range(3)]
    with pytest.raises(ZeroDivisionError):
        async with bank.database.transaction() as tx:
            await tx.execute(around[0])
            await bank.ledger.post(tx, [mint(A, 7)], at=AT)
            await tx.execute(around[1])
            await bank.ledger.post(tx, [*(mint(owner, 5) for owner in owners), mint(A, 7)], at=AT)
            raise ZeroDivisionError
    [[number]] = await bank.ledger.open([wallet(A)])
    async with bank.database.read() as tx:
        assert await tx.fetchval("SELECT owner_id FROM ledger.account WHERE id = $1", number) == A


async def test_posting_nothing_new_takes_at_most_two_round_trips_and_nothing_at_all_none(bank):
    once = mint(A, 5)
    await bank.post(once)
    for round_trips in (1, 2):  # a new account is not known to the first
        await bank.post(once)
        assert bank.round_trips == round_trips
    assert await bank.post() == []
    assert bank.round_trips == 0


async def test_a_batch_has_a_bound(bank):
    with pytest.raises(ValueError, match="at most 4096"):
        await bank.post(*[mint(A, 1)] * (TRANSFERS_MAX + 1))


async def test_what_the_caller_rolls_back_never_happened(bank):
    with pytest.raises(ZeroDivisionError):
        await bank.post_and_fail(mint(A, 5))
    async with bank.database.read() as tx:
        assert await tx.fetchval("SELECT count(*) FROM ledger.account") == 0


async def test_an_empty_wallet_is_not_opened_by_trying_to_pay(bank):
    assert await bank.statuses(transfer(wallet(A), wallet(B), 5)) == [TransferStatus.EXCEEDS_CREDITS]
    async with bank.database.read() as tx:
        assert await tx.fetchval("SELECT count(*) FROM ledger.account WHERE owner_id = $1", A) == 0
