"""Wins that nobody can pay: each is refused alone, and what it had stood in the way of goes to the next."""

from __future__ import annotations

from uuid import UUID

import pytest
from msgspec.structs import replace

from overworld.domains.gameplay.types import GameplaySettings
from overworld.kernel.money import AMOUNT_MINOR_MAX, AccountRef
from tests.domains.gameplay.campaign import CAMPAIGN, ISSUANCE, OTHER, TYPES, budget_of, claimed, move, place
from tests.domains.gameplay.field import RULES, SECRET

PLAYERS = [UUID(int=100 + n) for n in range(40)]


@pytest.fixture
async def server(field):
    rules = replace(RULES, types=TYPES, daily_cap=3)
    return await field.parts(rules, settings=GameplaySettings(spawn_key=SECRET.decode(), lanes=1))


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
