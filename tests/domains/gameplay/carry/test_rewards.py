"""What players are given arrives whole or not at all, in the transaction of whoever gives it."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from overworld.domains.gameplay.carry.errors import BadGrant, SoldOut, StackFull
from overworld.domains.gameplay.carry.messages import BadgeEarned, ItemGranted, ToolGranted
from overworld.domains.gameplay.errors import WalletFrozen
from overworld.domains.gameplay.messages import LevelReached
from overworld.domains.gameplay.rewards import Grant, Reward
from tests.domains.gameplay.carry.camp import ANN, BEN

QUEST = UUID(int=99)
ALL = Reward(
    tokens={"coin": "30", "gem": "1.50"},
    experience=60,
    items={"apple": 3, "sword": 2},
    tools=("golden",),
    badges=("early",),
)


async def test_a_reward_gives_everything_it_names_and_says_what_came_of_it(camp):
    got = await camp.give(ANN, ALL, reference=QUEST)
    assert [(one.amount, one.currency, one.balance) for one in got.tokens] == [
        ("30", "coin", "30"),
        ("1.50", "gem", "1.50"),
    ]
    assert (got.experience, got.level, got.badges) == (60, 2, ["early"])
    assert sorted((one.type, one.count) for one in got.items) == [("apple", 3), ("sword", 1), ("sword", 1)]
    assert [one.type for one in got.tools] == ["golden"]
    assert (await camp.balance(ANN), await camp.balance(ANN, "gem")) == (30, 150)
    assert await camp.held(ANN) == {"apple": 3, "sword": 2}
    assert await camp.rows("SELECT experience, level FROM gameplay.player") == [(60, 2)]
    told = [type(event) for event in await camp.events()]
    assert told == [ItemGranted, ItemGranted, ItemGranted, ToolGranted, BadgeEarned, LevelReached]
    assert await camp.rows("SELECT count(*) FROM eventlog.outbox") == [(1,)]


async def test_a_badge_is_earned_once(camp):
    assert (await camp.give(ANN, Reward(badges=("early",)))).badges == ["early"]
    camp.clock.advance(timedelta(minutes=1))
    assert (await camp.give(ANN, Reward(badges=("early", "lucky")))).badges == ["lucky"]
    assert len(await camp.events("events.badge.earned")) == 2
    [(first,)] = await camp.rows("SELECT earned_at FROM gameplay.badge WHERE name = 'early'")
    assert first < camp.clock.now()


async def test_what_is_refused_leaves_nothing_and_its_neighbours_alone(camp):
    """A stack takes 1000 apples, and there are three crowns."""
    outcomes = await camp.give_all(
        [
            (ANN, Reward(items={"apple": 1000})),
            (ANN, Reward(items={"apple": 1}, tokens={"coin": "5"}, badges=("early",), experience=9)),
            (BEN, Reward(items={"crown": 2})),
            (ANN, Reward(items={"crown": 2}, tokens={"coin": "5"})),
            (ANN, Reward(items={"crown": 1})),
        ]
    )
    assert [type(one) for one in outcomes[1:4:2]] == [StackFull, SoldOut]
    assert (await camp.held(ANN), await camp.held(BEN)) == ({"apple": 1000, "crown": 1}, {"crown": 2})
    assert await camp.balance(ANN) == 0
    assert await camp.rows("SELECT * FROM gameplay.badge") == []


async def test_nothing_is_given_with_tokens_for_a_frozen_wallet(camp):
    await camp.give(ANN, Reward(tokens={"coin": "1"}))
    await camp.ledger.freeze(ANN)
    assert isinstance(await camp.give(ANN, Reward(tokens={"coin": "1"}, items={"apple": 1})), WalletFrozen)
    assert not isinstance(await camp.give(ANN, Reward(items={"apple": 1})), WalletFrozen)
    assert await camp.held(ANN) == {"apple": 1}


async def test_tokens_are_given_once_under_one_reference(camp):
    await camp.give(ANN, Reward(tokens={"coin": "5"}, items={"apple": 1}), reference=QUEST)
    with pytest.raises(RuntimeError, match="EXISTS"):
        await camp.give(ANN, Reward(tokens={"coin": "5"}, items={"apple": 1}), reference=QUEST)
    assert await camp.held(ANN) == {"apple": 1}
    await camp.give(BEN, Reward(tokens={"coin": "5"}), reference=QUEST)
    assert (await camp.balance(ANN), await camp.balance(BEN)) == (5, 5)


async def test_a_transaction_that_fails_takes_everything_back(camp):
    class Cut(Exception):
        pass

    with pytest.raises(Cut):
        async with camp.database.transaction() as tx:
            grant = Grant(player_id=ANN, reward=ALL, reference=QUEST, reason="test")
            given = await camp.rewards.grant(tx, [grant], at=camp.clock.now())
            await camp.ledger.post(tx, given.transfers, at=camp.clock.now())
            raise Cut
    assert await camp.held(ANN) == {}
    assert await camp.balance(ANN) == 0
    assert await camp.rows("SELECT * FROM gameplay.tool") == []


async def test_a_reward_of_a_definition_before_this_one_is_refused_and_its_neighbours_are_not(camp):
    """Quests in hand keep the rewards that were promised with them; an item nobody holds may be gone meanwhile."""
    outcomes = await camp.give_all(
        [
            (ANN, Reward(items={"unicorn": 1}, tokens={"coin": "5"})),
            (ANN, Reward(tokens={"coin": "0.5"})),
            (ANN, Reward(tokens={"shell": "1"})),
            (BEN, Reward(items={"apple": 1})),
        ]
    )
    assert [type(one) is BadGrant for one in outcomes] == [True, True, True, False]
    assert (await camp.balance(ANN), await camp.held(BEN)) == (0, {"apple": 1})
