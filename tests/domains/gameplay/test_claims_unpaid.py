"""Wins that nobody can pay: each is refused alone, and what it had stood in the way of goes to the next."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from msgspec.structs import replace

from overworld.domains.gameplay.messages import ClaimCollectible, CollectibleToPlace, PlaceCollectibles
from overworld.domains.gameplay.types import CollectibleType, GameplaySettings
from overworld.geo import cells
from overworld.kernel.money import (
    AMOUNT_MINOR_MAX,
    HOUSE,
    AccountCode,
    AccountRef,
    Transfer,
    TransferCode,
    TransferStatus,
)
from overworld.kernel.refusals import Refusal
from tests.domains.gameplay.field import HOME, RULES, SECRET, code_of

STAFF, CAMPAIGN, OTHER = (UUID(int=n) for n in (8, 9, 10))
LAT, LNG = cells.centre_deg(HOME)
TYPES = {**RULES.types, "token": CollectibleType(weight=0, value="7", currency="coin")}
PLAYERS = [UUID(int=100 + n) for n in range(40)]


@pytest.fixture
async def server(field):
    rules = replace(RULES, types=TYPES, daily_cap=3)
    return await field.parts(rules, settings=GameplaySettings(spawn_key=SECRET.decode(), lanes=1))


async def place(field, server, *payers, mode="shared"):
    items = [
        CollectibleToPlace(
            type="token", lat=LAT, lng=LNG, closes_at=field.clock.now() + timedelta(hours=1), payer_id=payer, mode=mode
        )
        for payer in payers
    ]
    answer = await server.placing.place(PlaceCollectibles(placed_by=STAFF, items=tuple(items), key=str(field.ids())))
    return [told.id for told in answer.value.items]


async def claimed(field, server, *wanted):
    """The codes of claims that come at once: they share a batch, after the first, which runs alone."""

    async def one(player_id, collectible_id):
        field.fixes.at[player_id] = (LAT, LNG, field.clock.now_us())
        command = ClaimCollectible(player_id=player_id, collectible_id=collectible_id, key=str(field.ids()))
        try:
            return code_of(await server.service.collect(command))
        except Refusal as refusal:
            return code_of(refusal)

    return await asyncio.gather(*(one(*each) for each in wanted))


async def move(field, debit, credit, amount_minor):
    transfer = Transfer(
        id=field.ids(),
        debit=debit,
        credit=credit,
        amount_minor=amount_minor,
        code=TransferCode.FUND,
        reference=UUID(int=9),
    )
    async with field.database.transaction() as tx:
        [result] = await field.ledger.post(tx, [transfer], at=field.clock.now())
    assert result.status is TransferStatus.CREATED


def budget_of(campaign):
    return AccountRef(campaign, "coin", AccountCode.BUDGET)


ISSUANCE = AccountRef(HOUSE, "coin", AccountCode.ISSUANCE)


async def test_of_many_who_want_one_thing_of_an_empty_budget_each_is_told_that_it_is_empty(field, server):
    """Every refused one makes the next the first: forty in a row, and none of them holds up the neighbour."""
    [empty, free] = await place(field, server, CAMPAIGN, None)
    wanted = [(PLAYERS[0], empty), *((player, empty) for player in PLAYERS), (PLAYERS[5], free)]
    codes = await claimed(field, server, *wanted)
    assert codes == ["out_of_stock"] * 41 + ["ok"]


async def test_what_cannot_be_paid_uses_up_neither_the_cap_nor_the_budget_of_others(field, server):
    """Ann may take three. Her twenty claims on an empty budget come first in the batch, then four that can be paid."""
    ann = PLAYERS[0]
    await move(field, ISSUANCE, budget_of(OTHER), 21)
    empty = await place(field, server, *[CAMPAIGN] * 20)
    payable = await place(field, server, *[OTHER] * 4)
    codes = await claimed(field, server, *((ann, each) for each in [*empty, *payable]))
    assert codes == ["out_of_stock"] * 20 + ["ok"] * 3 + ["cap_reached"]


async def test_a_budget_pays_in_the_order_of_the_batch(field, server):
    await move(field, ISSUANCE, budget_of(CAMPAIGN), 14)
    things = await place(field, server, *[CAMPAIGN] * 4)
    codes = await claimed(field, server, *zip(PLAYERS, things, strict=False))
    assert codes == ["ok", "ok", "out_of_stock", "out_of_stock"]


async def test_a_full_wallet_leaves_the_thing_to_the_next(field, server):
    ann, ben, cid = PLAYERS[:3]
    await move(field, ISSUANCE, AccountRef(ann, "coin"), AMOUNT_MINOR_MAX - 6)
    first, second = await place(field, server, None, None)
    codes = await claimed(field, server, (cid, first), (ann, second), (ben, second))
    assert codes == ["ok", "wallet_full", "ok"]
    assert await field.balance(ann) == AMOUNT_MINOR_MAX - 6


async def test_a_frozen_wallet_leaves_the_thing_to_the_next(field, server):
    ann, ben, cid = PLAYERS[:3]
    await move(field, ISSUANCE, AccountRef(ann, "coin"), 5)
    await field.ledger.freeze(ann)
    first, second = await place(field, server, None, None)
    assert await claimed(field, server, (cid, first), (ann, second), (ben, second)) == ["ok", "wallet_frozen", "ok"]
    assert await field.balance(ann) == 5
