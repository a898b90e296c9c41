"""What a player holds and how it came: balances and history in pages."""

from __future__ import annotations

import random
from uuid import UUID, uuid4

import pytest

from overworld.domains.ledger.errors import UnknownCurrency
from overworld.kernel.money import (
    TransferCode,
    TransferStatus,
)
from tests.domains.ledger.bank import AT, REFERENCE, A, B, mint, transfer, wallet

CREATED = TransferStatus.CREATED
EXISTS = TransferStatus.EXISTS
DIFFERS = TransferStatus.EXISTS_WITH_DIFFERENT_FIELDS


async def test_balances_name_every_currency_of_the_game_in_its_order(bank):
    await bank.post(mint(A, 5, currency="gem"))
    held = await bank.ledger.balances(A)
    assert [(of.currency, of.posted_minor, of.pending_minor) for of in held] == [("ore", 0, 0), ("gem", 5, 0)]


async def test_pages_of_history_hold_every_transfer_once_newest_first(bank):
    chance = random.Random(3)
    ids = sorted(UUID(int=chance.getrandbits(128)) for _ in range(40))
    moves = [mint(A, 1_000, id=ids[0]), mint(A, 1_000, id=ids[1], currency="gem")]
    for transfer_id in ids[2:]:
        currency = chance.choice(["ore", "gem"])
        debit, credit = (wallet(owner, currency) for owner in chance.sample([A, B], 2))
        moves.append(transfer(debit, credit, chance.randrange(1, 10), id=transfer_id))
    await bank.post(mint(B, 1_000), mint(B, 1_000, currency="gem"), *moves)

    for limit in (1, 7, 40, 200):
        seen, before = [], None
        while page := await bank.ledger.history(A, before=before, limit=limit):
            seen += page
            before = (page[-1].at, page[-1].id)
        assert [movement.id for movement in seen] == ids[::-1]
    sums = {"ore": 0, "gem": 0}
    for movement in seen:
        sums[movement.currency] += movement.amount_minor if movement.direction == "in" else -movement.amount_minor
    assert sums == {"ore": await bank.held(A), "gem": await bank.held(A, "gem")}


async def test_history_can_be_of_one_currency(bank):
    await bank.post(mint(A, 1), mint(A, 2, currency="gem"))
    (movement,) = await bank.ledger.history(A, currency="gem")
    assert (movement.currency, movement.amount_minor, movement.direction) == ("gem", 2, "in")
    assert (movement.code, movement.reference, movement.at) == (TransferCode.GIFT, REFERENCE, AT)


async def test_history_of_an_unknown_currency_is_refused(bank):
    with pytest.raises(UnknownCurrency):
        await bank.ledger.history(A, currency="doubloon")


async def test_new_transfers_do_not_shift_the_next_page(bank):
    ids = sorted(uuid4() for _ in range(4))
    await bank.post(*(mint(A, 1, id=early) for early in ids[:3]))
    (first,) = await bank.ledger.history(A, limit=1)
    await bank.post(mint(A, 1, id=ids[3]))
    assert [movement.id for movement in await bank.ledger.history(A, before=(first.at, first.id))] == [ids[1], ids[0]]
