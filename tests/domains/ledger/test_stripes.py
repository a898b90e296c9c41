"""Accounts of several rows: one balance, whichever row a batch goes through."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace

from overworld.domains.ledger import store
from overworld.kernel.money import AMOUNT_MINOR_MAX, HOUSE, AccountCode, AccountRef, TransferKind, TransferStatus
from tests.domains.ledger.bank import AT, ISSUANCE, A, B, Bank, mint, transfer, wallet

SPONSOR = AccountRef(UUID(int=50), "ore", AccountCode.BUDGET)
CREATED = TransferStatus.CREATED


async def held(bank, account=SPONSOR):
    [ore] = [one for one in await bank.ledger.balances(account.owner_id, code=account.code) if one.currency == "ore"]
    return ore.posted_minor, ore.pending_minor


def promise_of(amount_minor, credit):
    return replace(
        transfer(SPONSOR, credit, amount_minor), kind=TransferKind.PENDING, expires_at=AT + timedelta(hours=1)
    )


def settling(promise, kind, amount_minor):
    return replace(promise, id=uuid4(), kind=kind, pending_id=promise.id, expires_at=None, amount_minor=amount_minor)


@pytest.mark.parametrize(("kind", "moved", "free"), [("VOID_PENDING", 100, 100), ("POST_PENDING", 30, 70)])
async def test_what_a_promise_lets_go_is_spent_in_the_same_batch_on_another_stripe(bank, kind, moved, free):
    """The promise holds all on stripe 1; the batch goes through stripe 2, where nothing lies."""
    await bank.post(transfer(ISSUANCE, SPONSOR, 100), stripe=1)
    promise = promise_of(100, wallet(A))
    assert await bank.statuses(promise, stripe=1) == [CREATED]
    batch = [settling(promise, TransferKind[kind], moved), transfer(SPONSOR, wallet(B), free)]
    assert await bank.statuses(*batch, stripe=2) == [CREATED, CREATED]
    assert await held(bank) == (0, 0)


async def test_what_a_settled_promise_brings_is_spent_in_the_same_batch_on_another_stripe(bank):
    await bank.post(mint(A, 100))
    promise = replace(transfer(wallet(A), SPONSOR, 100), kind=TransferKind.PENDING, expires_at=AT + timedelta(hours=1))
    assert await bank.statuses(promise, stripe=1) == [CREATED]
    batch = [settling(promise, TransferKind.POST_PENDING, 100), transfer(SPONSOR, wallet(B), 100)]
    assert await bank.statuses(*batch, stripe=2) == [CREATED, CREATED]
    assert await held(bank) == (0, 0)


async def test_what_is_minted_on_one_stripe_and_burned_on_others_has_no_bound(bank):
    """Supply stays small, each stripe of issuance drifts: what one owes, another has."""
    for n in range(5):
        assert await bank.statuses(mint(A, AMOUNT_MINOR_MAX), stripe=0) == [CREATED], n
        assert await bank.statuses(transfer(wallet(A), ISSUANCE, AMOUNT_MINOR_MAX), stripe=1) == [CREATED], n
    assert await held(bank, ISSUANCE) == (0, 0)


async def test_a_wallet_is_never_over_the_maximum_on_the_way_either(bank):
    """The end of the batch would fit; judged in order, the first transfer does not."""
    await bank.post(mint(A, AMOUNT_MINOR_MAX), mint(B, 5))
    batch = [transfer(wallet(B), wallet(A), 5), transfer(wallet(A), wallet(B), 5)]
    assert await bank.statuses(*batch) == [TransferStatus.EXCEEDS_MAXIMUM, CREATED]


async def test_a_frozen_account_is_frozen_in_the_stripes_that_a_later_build_adds(bank, monkeypatch):
    await bank.post(mint(A, 100))
    await bank.ledger.freeze(HOUSE)
    monkeypatch.setattr(store, "STRIPES", {AccountCode.ISSUANCE: 16})
    later = Bank(bank.database)
    for _ in range(3):
        assert await later.statuses(mint(A, 1), stripe=12) == [TransferStatus.ACCOUNT_FROZEN]
    assert await later.held(A) == 100


async def test_more_stripes_spend_what_lies_in_the_first_ones(bank, monkeypatch):
    await bank.post(transfer(ISSUANCE, SPONSOR, 100), stripe=3)
    monkeypatch.setattr(store, "STRIPES", {AccountCode.ISSUANCE: 8, AccountCode.BUDGET: 16})
    later = Bank(bank.database)
    assert await later.statuses(transfer(SPONSOR, wallet(A), 60), stripe=12) == [CREATED]
    assert await bank.statuses(transfer(SPONSOR, wallet(A), 40), stripe=3) == [CREATED]
    assert await held(bank) == (0, 0)
