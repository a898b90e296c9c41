"""Campaigns that pay for placed collectibles, for the tests of claims that may not be paid."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

from overworld.domains.gameplay.messages import ClaimCollectible, CollectibleToPlace, PlaceCollectibles
from overworld.domains.gameplay.types import CollectibleType
from overworld.geo import cells
from overworld.kernel.money import HOUSE, AccountCode, AccountRef, Transfer, TransferCode, TransferStatus
from overworld.kernel.refusals import Refusal
from tests.audited import staff
from tests.domains.gameplay.field import HOME, RULES, code_of

STAFF, CAMPAIGN, OTHER = (UUID(int=n) for n in (8, 9, 10))
LAT, LNG = cells.centre_deg(HOME)
TYPES = {**RULES.types, "token": CollectibleType(weight=0, value="7", currency="coin")}


async def place(field, server, *payers, mode="shared"):
    items = [
        CollectibleToPlace(
            type="token", lat=LAT, lng=LNG, closes_at=field.clock.now() + timedelta(hours=1), payer_id=payer, mode=mode
        )
        for payer in payers
    ]
    answer = await server.placing.place(
        PlaceCollectibles(placed_by=STAFF, staff=staff(STAFF), items=tuple(items), key=str(field.ids()))
    )
    return [told.id for told in answer.value.items]


async def claimed(field, server, *wanted):
    """The codes of claims that come at once; on a server with one lane they share a batch."""

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
