"""One budget that everybody is paid from, on several servers at once, until nothing is left in it."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from contextlib import AsyncExitStack

import pytest
from msgspec.structs import replace

from overworld.domains.gameplay.messages import ClaimCollectible
from overworld.domains.gameplay.types import GameplaySettings
from overworld.kernel.money import HOUSE, AccountCode, AccountRef
from overworld.kernel.refusals import Refusal
from overworld.platform.postgres import Database
from tests.domains.gameplay.field import RULES, SECRET, code_of
from tests.domains.gameplay.test_claims_unpaid import (
    CAMPAIGN,
    LAT,
    LNG,
    TYPES,
    budget_of,
    move,
    place,
)

PAYABLE = 120
VALUE = 7


async def answer(server, claim):
    try:
        return await server.service.collect(claim)
    except Refusal as refusal:
        return refusal


def shown(outcome):
    if isinstance(outcome, Refusal):
        return outcome.code, outcome.public_fields()
    return outcome.value


@pytest.mark.slow
async def test_a_budget_on_three_servers_ends_at_nothing_and_every_answer_is_repeated(field, databases):
    """Each server has connections, caches and stripes of its own; batches are small, so that many meet."""
    chance = random.Random(4)
    async with AsyncExitStack() as stack:
        async with field.database.read() as tx:
            dsn = databases.dsn_of(await tx.fetchval("SELECT current_database()"))
        rules = replace(RULES, types=TYPES)
        settings = GameplaySettings(spawn_key=SECRET.decode(), lanes=3, batch_max=16)
        servers = []
        for _ in range(3):
            database = await Database.open(dsn)
            stack.push_async_callback(database.close)
            servers.append(await field.parts(rules, settings=settings, database=database))
        await move(field, AccountRef(HOUSE, "coin", AccountCode.ISSUANCE), budget_of(CAMPAIGN), PAYABLE * VALUE)
        things = await place(field, servers[0], *[CAMPAIGN] * 4, mode="personal")
        for server in servers[1:]:
            await server.placing.load()
        players = [field.ids() for _ in range(60)]
        for player in players:
            field.fixes.at[player] = (LAT, LNG, field.clock.now_us())
        claims = [
            ClaimCollectible(player_id=player, collectible_id=thing, key=str(field.ids()))
            for player in players
            for thing in things
        ]
        chance.shuffle(claims)
        first = await asyncio.gather(*(answer(servers[i % 3], claim) for i, claim in enumerate(claims)))
        assert Counter(map(code_of, first)) == {"ok": PAYABLE, "out_of_stock": len(claims) - PAYABLE}
        again = await asyncio.gather(*(answer(servers[(i + 1) % 3], claim) for i, claim in enumerate(claims)))
        assert list(map(shown, again)) == list(map(shown, first))
        assert {outcome.replayed for outcome in again} == {True}
        held = {
            one.currency: one.posted_minor for one in await field.ledger.balances(CAMPAIGN, code=AccountCode.BUDGET)
        }
        assert held["coin"] == 0
        assert sum([await field.balance(player) for player in players]) == PAYABLE * VALUE
        async with field.database.read() as tx:
            used = await tx.fetchval("SELECT count(DISTINCT debit_id) FROM ledger.transfer WHERE code = 1")
            assert await tx.fetchval("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == 0
        assert used > 1
