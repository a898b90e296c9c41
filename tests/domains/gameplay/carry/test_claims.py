"""Claims pay by what is in hand, from the commit of each change on, whoever knew something older."""

from __future__ import annotations

from datetime import timedelta

from overworld.domains.gameplay.carry.reading import Reading
from overworld.domains.gameplay.rewards import Reward
from overworld.kernel.identity import Answer
from tests.domains.gameplay.carry.camp import ANN, WOODEN, Camp, kit
from tests.domains.gameplay.field import opened_field


async def test_claims_pay_by_tools_and_boosts_and_wear_the_tool(open_database, clock, ids):
    """A coin is worth 3: 1.2 times that, then 1.2 * 1.5, then 3.0 with another tool; each wears it by one."""
    async with opened_field(open_database, clock, ids) as field:
        camp = Camp(field.database, clock, ids)
        claims = field.claims(gear=Reading(database=field.database, clock=clock, kit=kit()))
        coins = iter(field.shared())

        async def paid() -> str:
            [outcome] = await claims.run([field.claim(ANN, next(coins))])
            assert isinstance(outcome, Answer)
            return outcome.value.amount

        assert await paid() == "3"
        got = await camp.give(ANN, Reward(tokens={"coin": "50"}, items={"potion": 1}, tools=("golden",)))
        await camp.do(camp.upgrade(ANN, WOODEN[ANN]))
        assert await paid() == "3", "3.6, parts dropped"
        await camp.do(camp.use(ANN, "potion"))
        assert await paid() == "5", "5.4"
        clock.advance(timedelta(seconds=61))
        assert await paid() == "3"
        await camp.do(camp.equip(ANN, got.tools[0].id))
        assert await paid() == "9"
        await camp.do(camp.equip(ANN, WOODEN[ANN]))
        assert (await camp.reading.tools(ANN))[0].wear == 4, "the claims that were won with it"
        await camp.do(camp.repair(ANN, WOODEN[ANN]))
        assert (await camp.reading.tools(ANN))[0].wear == 0
