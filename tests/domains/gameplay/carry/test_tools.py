"""Tools: one in hand, worn by claims, lifted by paid draws, and what claims are multiplied by follows at once."""

from __future__ import annotations

from uuid import UUID

from overworld.domains.gameplay.carry.errors import (
    CannotPay,
    LevelTooLow,
    NoSuchTool,
    NotWorn,
    ToolChanged,
    TopLevel,
)
from overworld.domains.gameplay.carry.messages import ToolUpgraded, UpgradeFailed
from overworld.domains.gameplay.errors import WalletFrozen
from overworld.domains.gameplay.rewards import Reward
from overworld.domains.gameplay.types import Worn
from overworld.kernel.refusals import Refusal
from tests.domains.gameplay.carry.camp import ANN, BEN, SCHEMAS, WOODEN, Camp

MINE = WOODEN[ANN]


async def rich(camp: Camp, player_id: UUID = ANN, coins: str = "1000") -> None:
    await camp.give(player_id, Reward(tokens={"coin": coins}))


async def golden(camp: Camp, player_id: UUID = ANN) -> UUID:
    """A second tool, for a player of level 2."""
    got = await camp.give(player_id, Reward(tools=("golden",), experience=50))
    tool_id: UUID = got.tools[0].id
    return tool_id


async def test_everybody_has_the_tool_of_the_beginning_in_hand_before_any_row_says_so(camp):
    [tool] = await camp.reading.tools(ANN)
    assert (tool.id, tool.type, tool.level, tool.equipped, tool.wear) == (MINE, "wooden", 1, True, 0)
    assert (tool.efficiency, tool.level_max, tool.durability, tool.repair) == ("1.00", 3, 100, None)
    assert (tool.upgrade.amount, tool.upgrade.currency, tool.upgrade.chance) == ("20", "coin", 1.0)
    assert await camp.worn(ANN) == Worn(worn_at=100)
    assert await camp.rows("SELECT * FROM gameplay.tool") == []


async def test_taking_another_tool_in_hand_puts_the_first_away_with_its_wear(camp):
    other = await golden(camp)
    await camp.wear(ANN, 30)
    [taken] = await camp.do(camp.equip(ANN, other))
    assert taken.tool.equipped and taken.tool.efficiency == "3.00"
    assert await camp.worn(ANN) == Worn(version=1, tool_bp=30_000)
    await camp.wear(ANN, 50)
    first, second = await camp.reading.tools(ANN)
    assert (first.id, first.wear, second.id, second.wear) == (other, 0, MINE, 30)
    await camp.do(camp.equip(ANN, MINE))
    await camp.wear(ANN, 5)
    assert await camp.worn(ANN) == Worn(version=2, worn_at=150)
    assert (await camp.reading.tools(ANN))[0].wear == 35
    assert [event.tool_id for event in await camp.events("events.tool.equipped")] == [other, MINE]


async def test_taking_in_hand_what_is_there_changes_nothing(camp):
    [same] = await camp.do(camp.equip(ANN, MINE))
    assert same.tool.equipped
    assert await camp.worn(ANN) == Worn(worn_at=100)
    assert await camp.events("events.tool.equipped") == []


async def test_an_upgrade_is_paid_and_multiplies_at_once(camp):
    await rich(camp, coins="25")
    [reply] = await camp.do(camp.upgrade(ANN, MINE))
    assert (reply.success, reply.tool.level, reply.tool.efficiency) == (True, 2, "1.20")
    assert (reply.paid.amount, reply.paid.currency, reply.paid.balance) == ("20", "coin", "5")
    assert await camp.balance(ANN) == 5
    assert await camp.worn(ANN) == Worn(version=1, tool_bp=12_000, worn_at=100)
    [refused] = await camp.do(camp.upgrade(ANN, MINE))
    assert isinstance(refused, CannotPay) and refused.public_fields() == {"currency": "coin", "cost": "50"}
    assert await camp.balance(ANN) == 5


async def test_an_upgrade_that_fails_is_paid_too_and_the_draws_follow_from_the_key(camp, open_database, clock, ids):
    tries = []
    async with open_database(*SCHEMAS) as other:
        for place in (camp, Camp(other, clock, ids)):
            for n in range(1, 9):
                player_id = UUID(int=n)
                await rich(place, player_id)
                tool_id = (await place.reading.tools(player_id))[0].id
                await place.do(*(place.upgrade(player_id, tool_id) for _ in range(8)))
            events = await place.events("events.tool.upgraded", "events.tool.upgrade_failed")
            tries.append([(type(event), event.player_id, event.attempt, event.level) for event in events])
            for n in range(1, 9):
                spent = sum(event.cost_minor for event in events if event.player_id == UUID(int=n))
                assert await place.balance(UUID(int=n)) == 1000 - spent
    assert tries[0] == tries[1]
    kinds = [kind for kind, *_ in tries[0]]
    assert kinds.count(ToolUpgraded) == 16 and kinds.count(UpgradeFailed) > 2


async def test_a_charm_doubles_the_chance(camp):
    """Of one in two it makes always."""
    for n in range(1, 9):
        player_id = UUID(int=n)
        await rich(camp, player_id)
        await camp.give(player_id, Reward(items={"charm": 1}))
        tool_id = (await camp.reading.tools(player_id))[0].id
        replies = await camp.do(
            camp.use(player_id, "charm"), camp.upgrade(player_id, tool_id), camp.upgrade(player_id, tool_id)
        )
        assert [reply.success for reply in replies[1:]] == [True, True]
    assert (await camp.worn(ANN)).boost_bp == 10_000, "claims have nothing of it"


async def test_who_names_a_level_pays_for_that_level_alone(camp):
    await rich(camp)
    outcomes = await camp.do(*(camp.upgrade(ANN, MINE, level=2) for _ in range(3)))
    assert [type(one) is ToolChanged for one in outcomes] == [False, True, True]
    assert outcomes[1].public_fields() == {"tool_id": str(MINE), "level": 2}
    assert await camp.balance(ANN) == 980


async def test_the_highest_level_is_the_end(camp):
    await rich(camp)
    await camp.give(ANN, Reward(items={"charm": 1}))
    outcomes = await camp.do(camp.use(ANN, "charm"), *(camp.upgrade(ANN, MINE) for _ in range(3)))
    assert isinstance(outcomes[-1], TopLevel)
    [tool] = await camp.reading.tools(ANN)
    assert (tool.level, tool.upgrade) == (3, None)


async def test_a_repair_costs_in_proportion_and_makes_it_whole(camp):
    await rich(camp, coins="20")
    [refused] = await camp.do(camp.repair(ANN, MINE))
    assert isinstance(refused, NotWorn)
    await camp.wear(ANN, 41)
    assert (await camp.reading.tools(ANN))[0].repair.amount == "5"
    [mended] = await camp.do(camp.repair(ANN, MINE))
    assert (mended.tool.wear, mended.paid.amount, mended.paid.balance) == (0, "5", "15")
    assert await camp.worn(ANN) == Worn(version=1, worn_at=141)
    await camp.wear(ANN, 200)
    assert await camp.worn(ANN) == Worn(version=1), "what is worn out multiplies by 1.00"
    [mended] = await camp.do(camp.repair(ANN, MINE))
    assert mended.paid.amount == "10"
    assert [event.wear for event in await camp.events("events.tool.repaired")] == [41, 100]


async def test_nobody_touches_what_they_do_not_have_or_may_not_use_yet(camp):
    await rich(camp)
    got = await camp.give(ANN, Reward(tools=("golden",)))
    outcomes = await camp.do(
        camp.equip(ANN, WOODEN[BEN]),
        camp.upgrade(BEN, MINE),
        camp.repair(ANN, UUID(int=7)),
        camp.equip(ANN, got.tools[0].id),
        camp.equip(BEN, got.tools[0].id),
    )
    assert [type(one) for one in outcomes] == [NoSuchTool, NoSuchTool, NoSuchTool, LevelTooLow, NoSuchTool]


async def test_a_frozen_wallet_pays_for_nothing(camp):
    await rich(camp)
    await camp.ledger.freeze(ANN)
    [refused] = await camp.do(camp.upgrade(ANN, MINE))
    assert isinstance(refused, WalletFrozen)
    assert (await camp.reading.tools(ANN))[0].level == 1


async def test_changes_of_a_batch_see_each_other_and_leave_as_one_row(camp):
    await camp.give(ANN, Reward(items={"box": 40}))
    before = await camp.rows("SELECT count(*) FROM eventlog.outbox")
    outcomes = await camp.do(*(camp.use(ANN, "box") for _ in range(40)), camp.upgrade(ANN, MINE), camp.use(BEN, "x"))
    assert [isinstance(one, Refusal) for one in outcomes[-2:]] == [False, True], "the coins of the boxes pay for it"
    assert (await camp.rows("SELECT count(*) FROM eventlog.outbox"))[0][0] == before[0][0] + 1
