"""Using items: each effect happens once, with what the item was, or not at all."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest

from overworld.domains.gameplay.carry.errors import LevelTooLow, NoSuchItem, NotUsable, NotWorn, SoldOut, StackFull
from overworld.domains.gameplay.carry.messages import ItemUsed
from overworld.domains.gameplay.errors import LowTrust
from overworld.domains.gameplay.rewards import Reward
from overworld.domains.gameplay.types import Worn
from overworld.kernel.refusals import Refusal
from overworld.kernel.standing import Gate
from overworld.platform.postgres.idempotency import KeyReused
from tests.domains.gameplay.carry.camp import ANN, BEN, ITEMS, SCHEMAS, Camp


async def test_an_item_is_used_up_and_gives_what_its_type_says(camp):
    await camp.give(ANN, Reward(items={"apple": 2}))
    [used] = await camp.do(camp.use(ANN, "apple"))
    assert (used.item.count, used.obtained.experience, used.obtained.level) == (1, 10, 1)
    await camp.do(camp.use(ANN, "apple"))
    [refused] = await camp.do(camp.use(ANN, "apple"))
    assert isinstance(refused, NoSuchItem)
    assert await camp.held(ANN) == {}
    told = await camp.events("events.item.used")
    assert [(event.type, event.count, event.nth) for event in told] == [("apple", 1, 1), ("apple", 0, 2)]


async def test_what_cannot_be_used_is_refused_by_name(camp):
    got = await camp.give(ANN, Reward(items={"stone": 1, "sword": 1, "salve": 1}))
    sword = next(one.id for one in got.items if one.type == "sword")
    outcomes = await camp.do(
        camp.use(ANN, "stone"),
        camp.use(ANN, sword),
        camp.use(ANN, "salve"),
        camp.use(BEN, sword),
        camp.use(BEN, "stone"),
    )
    assert [type(one) for one in outcomes] == [NotUsable, LevelTooLow, NotWorn, NoSuchItem, NoSuchItem]
    for name in ("nothing", "", "00000000-0000-0000-0000-000000000000", sword.upper(), sword.replace("-", "")):
        assert [type(one) for one in await camp.do(camp.use(ANN, name))] == [NoSuchItem]
    assert await camp.events("events.item.used") == []


async def test_an_instance_that_is_not_consumed_is_used_again_and_again(camp):
    got = await camp.give(ANN, Reward(items={"sword": 2}, experience=50))
    first = got.items[0].id
    replies = await camp.do(camp.use(ANN, first), camp.use(ANN, first))
    assert [reply.item.count for reply in replies] == [1, 1]
    assert [event.nth for event in await camp.events("events.item.used")] == [1, 2]
    assert await camp.held(ANN) == {"sword": 2}


async def test_one_key_uses_an_item_once(camp):
    await camp.give(ANN, Reward(items={"apple": 5, "stone": 5}))
    one = camp.use(ANN, "apple", "k")
    outcomes = await camp.first.run([one, one, camp.use(ANN, "stone", "k")])
    again = await camp.carry().run([one])
    assert [outcome.replayed for outcome in (*outcomes[:2], *again)] == [False, True, True]
    assert outcomes[0].value == outcomes[1].value == again[0].value
    assert isinstance(outcomes[2], KeyReused)
    assert await camp.held(ANN) == {"apple": 4, "stone": 5}


async def test_a_refusal_is_remembered_under_its_key(camp):
    one = camp.use(ANN, "apple", "k")
    await camp.do(one)
    await camp.give(ANN, Reward(items={"apple": 5}))
    [refused] = await camp.do(one)
    assert isinstance(refused, NoSuchItem) and refused.replayed
    assert await camp.held(ANN) == {"apple": 5}


async def test_a_boost_multiplies_until_it_ends_and_another_of_its_kind_lengthens_it(camp):
    await camp.give(ANN, Reward(items={"potion": 2, "elixir": 1}))
    now_us = camp.clock.now_us()
    assert await camp.worn(ANN) == Worn(worn_at=100)
    [used] = await camp.do(camp.use(ANN, "potion"))
    assert (used.boost.multiplier, used.boost.until) == ("1.50", "2026-06-01T12:01:00Z")
    camp.clock.advance(timedelta(seconds=20))
    await camp.do(camp.use(ANN, "potion"), camp.use(ANN, "elixir"))
    worn = await camp.worn(ANN)
    assert (worn.version, worn.boost_bp, worn.boost_until_us) == (3, 20_000, now_us + 50_000_000)
    assert [one.type for one in await camp.reading.boosts(ANN)] == ["elixir", "potion"]
    camp.clock.advance(timedelta(seconds=31))
    worn = await camp.worn(ANN)
    assert (worn.boost_bp, worn.boost_until_us) == (15_000, now_us + 120_000_000)
    camp.clock.advance(timedelta(seconds=70))
    assert await camp.worn(ANN) == Worn(version=3, worn_at=100)
    assert await camp.reading.boosts(ANN) == []


async def test_a_boost_that_is_lengthened_for_ever_lasts_as_long_as_time_can_be_told(camp):
    await camp.give(ANN, Reward(items={"potion": 2}))
    await camp.do(camp.use(ANN, "potion"))
    async with camp.database.transaction() as tx:
        await tx.execute("UPDATE gameplay.boost SET until = '9999-12-31T23:59:30Z'")
    [used] = await camp.do(camp.use(ANN, "potion"))
    assert used.boost.until == "9999-12-31T23:59:59.999999Z"


async def test_a_salve_takes_wear_off_the_tool_in_hand(camp):
    await camp.give(ANN, Reward(items={"salve": 3}))
    await camp.wear(ANN, 40)
    first, second, third = await camp.do(*(camp.use(ANN, "salve") for _ in range(3)))
    assert (first.tool.wear, second.tool.wear) == (10, 0)
    assert isinstance(third, NotWorn)
    assert [event.healed for event in await camp.events("events.item.used")] == [30, 10]
    assert await camp.held(ANN) == {"salve": 1}
    assert (await camp.worn(ANN)).worn_at == 140


async def test_boxes_hold_what_the_key_says_and_about_as_often_as_their_weights(camp):
    """1000 coins in fives, apples and the crowns: every drop can be replayed by whoever has the key."""
    await camp.give(ANN, Reward(items={"box": 400}))
    for _ in range(4):
        await camp.do(*(camp.use(ANN, "box") for _ in range(100)))
    used = [event for event in await camp.events("events.item.used") if isinstance(event, ItemUsed)]
    drops = Counter(event.drop for event in used)
    assert [event.nth for event in used] == list(range(1, 401))
    held = await camp.held(ANN)
    assert await camp.balance(ANN) == 5 * drops[0]
    assert (held["apple"], held["crown"], held["box"]) == (2 * drops[1], drops[2], 0)
    assert drops[2] == 3, "the supply of crowns: what is sold out is drawn no more"
    assert 230 < drops[0] < 290
    assert [badge.id for badge in await camp.reading.badges(ANN) if badge.earned_at] == ["lucky"]


async def test_the_same_key_draws_the_same_on_another_database(camp, open_database, clock, ids):
    drops = []
    async with open_database(*SCHEMAS) as other:
        for place in (camp, Camp(other, clock, ids)):
            await place.give(ANN, Reward(items={"box": 20}))
            await place.do(*(place.use(ANN, "box") for _ in range(20)))
            drops.append([event.drop for event in await place.events("events.item.used")])
    assert drops[0] == drops[1]
    assert len(set(drops[0])) > 1


async def test_a_chest_whose_only_drop_is_sold_out_stays_closed(camp):
    await camp.give(BEN, Reward(items={"crown": 3}))
    await camp.give(ANN, Reward(items={"chest": 1}))
    [refused] = await camp.do(camp.use(ANN, "chest"))
    assert isinstance(refused, SoldOut)
    assert await camp.held(ANN) == {"chest": 1}


async def test_what_finds_no_room_leaves_its_box_closed(camp):
    full = Reward(items={"apple": ITEMS.types["apple"].stack_max, "box": 30})
    await camp.give(ANN, full)
    outcomes = await camp.do(*(camp.use(ANN, "box") for _ in range(30)))
    stuck = next(i for i, one in enumerate(outcomes) if isinstance(one, Refusal))
    assert all(isinstance(one, StackFull) for one in outcomes[stuck:]), "its draw waits for room"
    assert (await camp.held(ANN))["box"] == 30 - stuck


@pytest.mark.parametrize("gate", [Gate.REVIEW, Gate.REFUSED])
async def test_who_is_not_trusted_opens_a_box_later_under_the_same_key(camp, gate):
    """The box stays closed, and what is in it is drawn when it is opened; what gives nothing can be used meanwhile."""
    await camp.give(ANN, Reward(items={"box": 1, "potion": 1}))
    camp.trust.gates[ANN] = gate
    box = camp.use(ANN, "box", key="k")
    refused, again, potion = await camp.do(box, box, camp.use(ANN, "potion"))
    assert (type(refused), type(again), potion.item.count) == (LowTrust, LowTrust, 0)
    assert await camp.held(ANN) == {"box": 1}
    camp.trust.gates[ANN] = Gate.NORMAL
    [opened] = await camp.do(box)
    camp.trust.gates[ANN] = gate
    assert opened.item.count == 0 and await camp.do(box) == [opened]


async def test_who_is_trusted_less_finds_a_share_of_the_tokens_in_a_box(camp):
    await camp.give(ANN, Reward(items={"box": 30}))
    camp.trust.gates[ANN] = Gate.REDUCED
    found = [one.obtained for one in await camp.do(*(camp.use(ANN, "box") for _ in range(30)))]
    paid = [(one.tokens[0].amount, one.reduced) for one in found if one.tokens]
    assert len(paid) > 5 and set(paid) == {("2", True)}
    assert not any(one.reduced for one in found if not one.tokens)
