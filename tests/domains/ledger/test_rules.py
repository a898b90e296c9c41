"""Decisions on hand-made books: what no sequence of ordinary batches would reach."""

from __future__ import annotations

import pytest

from overworld.domains.ledger.rules import accounts_named, decide
from overworld.domains.ledger.types import Books, Held
from overworld.kernel.money import AMOUNT_MINOR_MAX, AccountCode, AccountRef, TransferStatus
from tests.domains.ledger.bank import AT, ISSUANCE, A, B, mint, transfer, wallet

OTHER_ISSUANCE = AccountRef(A, "ore", AccountCode.ISSUANCE)


@pytest.mark.parametrize(
    ("amount_minor", "status"),
    [(AMOUNT_MINOR_MAX, TransferStatus.CREATED), (AMOUNT_MINOR_MAX + 1, TransferStatus.EXCEEDS_MAXIMUM)],
)
def test_an_amount_above_the_maximum_is_refused_even_where_the_balance_has_room(amount_minor, status):
    books = Books(account_ids={ISSUANCE: (1,), OTHER_ISSUANCE: (2,)}, held={1: Held(0), 2: Held(-AMOUNT_MINOR_MAX)})
    decision = decide([transfer(ISSUANCE, OTHER_ISSUANCE, amount_minor)], books, at=AT)
    assert [result.status for result in decision.results] == [status]


def test_the_books_given_are_not_changed():
    books = Books(account_ids={ISSUANCE: (1,), wallet(A): (2,)}, held={1: Held(0), 2: Held(0)})
    decide([mint(A, 5)], books, at=AT)
    assert (books.held, books.existing) == ({1: Held(0), 2: Held(0)}, {})


def test_receivers_and_issuance_are_opened_and_payers_are_not():
    assert accounts_named([mint(A, 5), transfer(wallet(B), wallet(A), 5)]) == {
        ISSUANCE: True,
        wallet(A): True,
        wallet(B): False,
    }


def test_a_payer_that_also_receives_is_opened():
    assert accounts_named([transfer(wallet(A), wallet(B), 5), mint(A, 5)])[wallet(A)]


@pytest.mark.parametrize(
    "unsound",
    [transfer(ISSUANCE, wallet(A), 0), transfer(wallet(A), wallet(A), 5), transfer(ISSUANCE, wallet(A, "gem"), 5)],
)
def test_an_unsound_transfer_opens_nothing(unsound):
    assert not any(accounts_named([unsound]).values())
