"""What a player's gate does to a claim's reward, and what becomes of one that is held."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from msgspec.structs import replace

from overworld.domains.gameplay.held.messages import RewardDenied, RewardReleased
from overworld.domains.gameplay.held.types import Order
from overworld.domains.gameplay.messages import LevelReached
from overworld.domains.gameplay.types import GameplaySettings
from overworld.kernel.money import AMOUNT_MINOR_MAX, AccountRef
from overworld.kernel.refusals import Refusal
from overworld.kernel.standing import Gate
from overworld.platform.postgres import Database
from tests.domains.gameplay.campaign import CAMPAIGN, ISSUANCE, LAT, LNG, TYPES, budget_of, move, place
from tests.domains.gameplay.field import LEVELS, RULES, SECRET, Mortal, code_of

ANN, BEN, CID = (UUID(int=n) for n in (1, 2, 3))
HOLD = timedelta(days=RULES.hold_days)


def released(field, player=ANN):
    return Order(player_id=player, release=True, held_by=field.clock.now())


def denied(field, player=ANN):
    return Order(player_id=player, release=False, held_by=field.clock.now())


@pytest.fixture
async def kept(field):
    """A claim of Ann's that is held, with its answer."""
    field.trust.gates[ANN] = Gate.REVIEW
    claim = field.claim(ANN, field.shared()[0])
    [answer] = await field.claims().run([claim])
    return claim, answer


async def pending(field, player=ANN):
    return {row.currency: row.pending_minor for row in await field.ledger.balances(player)}["coin"]


async def states(field, player=ANN):
    return [one.state for one in await field.held().shown(player, limit=100)]


async def progress(field, player=ANN):
    async with field.database.read() as tx:
        return tuple(
            await tx.fetchrow("SELECT experience, level, collected FROM gameplay.player WHERE id = $1", player)
        )


async def test_at_review_a_claim_takes_the_collectible_and_its_reward_waits(field, kept):
    claim, answer = kept
    assert (answer.value.held, answer.value.amount, answer.value.balance) == (True, "3", "0")
    assert (answer.value.experience, answer.value.level) == (0, 1)
    assert (await field.balance(ANN), await pending(field), await progress(field)) == (0, 3, (0, 1, 1))
    [waiting] = await field.held().shown(ANN, limit=10)
    assert (waiting.state, waiting.amount, waiting.experience) == ("held", "3", 30)
    assert waiting.expires_at - waiting.held_at == HOLD
    [told] = await field.events()
    assert (told.held, told.amount_minor, told.experience) == (True, 3, 0)
    field.stand(BEN, field.shared()[0])
    [lost] = await field.claims().run([replace(claim, player_id=BEN)])
    assert code_of(lost) == "already_collected"


async def test_a_held_claim_counts_for_the_day(field, kept):
    other = field.claim(ANN, field.shared()[1])
    [outcome] = await field.claims(replace(RULES, daily_cap=1)).run([other])
    assert code_of(outcome) == "cap_reached"


@pytest.mark.parametrize("gate", list(Gate))
async def test_a_held_claim_is_answered_again_as_it_was_whatever_became_of_it(field, kept, gate):
    claim, answer = kept
    field.trust.gates[ANN] = gate
    for order in (None, released(field)):
        await field.held().carry_out([order] if order else [])
        [again] = await field.claims().run([claim])
        assert (again.replayed, again.value) == (True, answer.value)


async def test_a_release_pays_the_reward_and_gives_its_experience_once_however_often_it_is_ordered(field, kept):
    rewards = field.held()
    await rewards.carry_out([released(field), released(field)])
    await rewards.carry_out([denied(field), released(field)])
    assert (await field.balance(ANN), await pending(field), await progress(field)) == (3, 0, (30, 1, 1))
    assert (await states(field), rewards.released, rewards.denied) == (["released"], 1, 0)
    [_, told] = await field.events()
    assert isinstance(told, RewardReleased)
    assert (told.amount, told.balance, told.experience, told.collectible_id) == ("3", "3", 30, kept[0].collectible_id)


async def test_what_was_released_can_be_spent_and_stands_in_the_history(field, kept):
    await field.held().carry_out([released(field)])
    [movement] = await field.ledger.history(ANN)
    assert (movement.code.label, movement.amount_minor, movement.direction) == ("release", 3, "in")


async def test_releases_lift_a_player_through_the_levels(field):
    field.trust.gates[ANN] = Gate.REVIEW
    everywhere = field.claims(replace(RULES, reach_m=1000))
    await everywhere.run([field.claim(ANN, spawn) for spawn in field.shared()[:4]])
    await field.held().carry_out([released(field)])
    levels = [(e.level_before, e.level, e.experience) for e in await field.events() if isinstance(e, LevelReached)]
    assert levels == [(1, 2, 60), (2, 3, 120)]
    assert await progress(field) == (120, 1 + sum(begins <= 120 for begins in LEVELS.levels), 4)


async def test_a_denial_lets_the_reward_go_and_the_collectible_stays_taken(field, kept):
    rewards = field.held()
    await rewards.carry_out([denied(field)])
    await rewards.carry_out([released(field)])
    assert (await field.balance(ANN), await pending(field), await progress(field)) == (0, 0, (0, 1, 1))
    assert (await states(field), rewards.denied) == (["denied"], 1)
    assert isinstance((await field.events())[-1], RewardDenied)
    [lost] = await field.claims().run([field.claim(BEN, field.shared()[0])])
    assert code_of(lost) == "already_collected"


async def test_an_order_concerns_what_was_held_by_then(field, kept):
    """A release that is delivered again must not give what was claimed later, at review again."""
    early = released(field)
    field.clock.advance(timedelta(seconds=1))
    await field.claims().run([field.claim(ANN, field.shared()[1])])
    await field.held().carry_out([early])
    assert await states(field) == ["held", "released"]


async def test_what_nobody_decides_is_released_when_its_time_is_over_and_not_let_go(field, kept):
    """The ledger's own clock must not be quicker, not even when no server looked in time."""
    field.clock.advance(HOLD - timedelta(seconds=1))
    await field.held().release_due()
    assert await states(field) == ["held"]
    field.clock.advance(timedelta(days=200))
    assert await field.ledger.expire(at=field.clock.now()) == 0
    await field.held().release_due()
    assert (await states(field), await field.balance(ANN)) == (["released"], 3)


async def test_a_promise_that_lapsed_in_the_ledger_all_the_same_is_shown_as_denied(field, kept):
    field.clock.advance(timedelta(days=500))
    assert await field.ledger.expire(at=field.clock.now()) == 1
    await field.held().release_due()
    assert (await states(field), await pending(field)) == (["denied"], 0)


async def test_what_is_held_of_who_is_trusted_again_is_released_though_the_news_came_before_the_claim(field, kept):
    field.trust.gates[ANN] = Gate.NORMAL
    await field.held().release_trusted()
    assert await states(field) == ["held"]  # this process may be the one that knows less
    field.clock.advance(timedelta(minutes=2))
    await field.held().release_trusted()
    assert (await states(field), await field.balance(ANN)) == (["released"], 3)


@pytest.mark.parametrize("gate", [Gate.REVIEW, Gate.REFUSED])
async def test_what_is_held_of_who_is_not_trusted_waits(field, kept, gate):
    field.trust.gates[ANN] = gate
    field.clock.advance(timedelta(minutes=2))
    await field.held().release_trusted()
    assert await states(field) == ["held"]


async def test_a_frozen_wallet_gets_it_once_it_is_thawed(field, kept):
    await field.ledger.freeze(ANN)
    field.clock.advance(HOLD)
    await field.held().release_due()
    assert await states(field) == ["held"]
    await field.ledger.freeze(ANN, frozen=False)
    await field.held().release_due()
    assert await states(field) == ["held"]  # it is tried again after an hour
    field.clock.advance(timedelta(hours=1))
    await field.held().release_due()
    assert (await states(field), await field.balance(ANN)) == (["released"], 3)


async def test_who_came_first_has_it_also_when_what_it_pays_is_held(field):
    field.trust.gates[ANN] = Gate.REVIEW
    claims = [field.claim(player, field.shared()[0]) for player in (ANN, BEN)]
    assert [code_of(outcome) for outcome in await field.claims().run(claims)] == ["ok", "already_collected"]


async def test_a_full_wallet_holds_up_neither_the_others_nor_its_own_later_release(field, kept):
    wallet = AccountRef(ANN, "coin")
    await move(field, ISSUANCE, wallet, AMOUNT_MINOR_MAX - 2)
    field.trust.gates[BEN] = Gate.REVIEW
    await field.claims().run([field.claim(BEN, field.shared()[1])])
    await field.held().carry_out([released(field), released(field, BEN)])
    assert (await states(field), await states(field, BEN)) == (["held"], ["released"])
    await move(field, wallet, ISSUANCE, 5)
    await field.held().carry_out([released(field)])
    assert await field.balance(ANN) == AMOUNT_MINOR_MAX - 4


async def test_a_budget_keeps_what_it_has_promised_and_has_it_back_when_that_is_denied(field):
    server = await field.parts(replace(RULES, types=TYPES), settings=GameplaySettings(spawn_key=SECRET.decode()))
    await move(field, ISSUANCE, budget_of(CAMPAIGN), 8)
    field.trust.gates[ANN] = Gate.REVIEW
    things = await place(field, server, CAMPAIGN, CAMPAIGN, CAMPAIGN)

    async def claimed_by(player, thing):
        command = field.claim(player, field.shared()[0])
        field.fixes.at[player] = (LAT, LNG, field.clock.now_us())
        return await outcome_of(server.service, replace(command, collectible_id=thing))

    assert code_of(await claimed_by(ANN, things[0])) == "ok"
    assert code_of(await claimed_by(BEN, things[1])) == "out_of_stock"
    await server.held.carry_out([denied(field)])
    assert code_of(await claimed_by(CID, things[2])) == "ok"
    assert await field.balance(CID) == 7


async def test_a_release_and_a_denial_that_meet_have_one_winner(field, databases):
    """Two servers, each with a pool of its own, and both orders at once, for many players."""
    field.trust.gates = {UUID(int=n): Gate.REVIEW for n in range(100, 112)}
    claims = field.claims(replace(RULES, reach_m=1000))
    await claims.run([field.claim(p, s) for p, s in zip(field.trust.gates, field.shared(), strict=False)])
    async with field.database.read() as tx:
        name = await tx.fetchval("SELECT current_database()")
    pools = [await Database.open(databases.dsn_of(name)) for _ in range(2)]
    try:
        servers = [field.held(database=pool) for pool in pools]
        orders = [(released(field, p), denied(field, p)) for p in field.trust.gates]
        await asyncio.gather(
            *(servers[(n + i) % 2].carry_out([one]) for n, two in enumerate(orders) for i, one in enumerate(two))
        )
    finally:
        for pool in pools:
            await pool.close()
    assert sum(server.released + server.denied for server in servers) == len(orders)
    for player in field.trust.gates:
        [state] = await states(field, player)
        assert await field.balance(player) == (3 if state == "released" else 0)


@pytest.mark.parametrize("release", [True, False])
async def test_a_server_that_dies_between_any_two_statements_leaves_nothing_half_done(field, kept, release):
    """Whichever statement is its last: nothing is changed, and who comes after it does all of it, once."""
    order = released(field) if release else denied(field)
    survived = False
    dies_after = 1
    while not survived:
        try:
            await field.held(database=Mortal(field.database, dies_after)).carry_out([order])
            survived = True
        except ConnectionError:
            assert await states(field) == ["held"]
            assert (await field.balance(ANN), await pending(field)) == (0, 3)
            assert await field.broken() == []
            dies_after += 1
    assert dies_after > 5
    assert await states(field) == ["released" if release else "denied"]
    assert (await field.balance(ANN), await progress(field)) == ((3, (30, 1, 1)) if release else (0, (0, 1, 1)))


async def test_a_claim_whose_server_dies_between_any_two_statements_holds_all_or_nothing(field):
    field.trust.gates[ANN] = Gate.REVIEW
    claim = field.claim(ANN, field.shared()[0])
    survived, dies_after = False, 1
    while not survived:
        try:
            [answer] = await field.claims(database=Mortal(field.database, dies_after)).run([claim])
            survived = True
        except ConnectionError:
            assert (await states(field), await pending(field)) == ([], 0)
            dies_after += 1
    assert dies_after > 5
    assert (answer.replayed, answer.value.held, await pending(field)) == (False, True, 3)


@pytest.mark.parametrize(("share", "paid"), [(0.5, 1), (0.9, 2), (0.0001, 1), (1, 3)])
async def test_at_reduced_a_share_is_paid_parts_dropped_and_never_nothing(field, share, paid):
    field.trust.gates[ANN] = Gate.REDUCED
    claims = field.claims(replace(RULES, reduced_share=share))
    claim = field.claim(ANN, field.shared()[0])
    [answer] = await claims.run([claim])
    assert (answer.value.amount, answer.value.balance, answer.value.experience) == (str(paid), str(paid), 30)
    assert (answer.value.reduced, claims.exact_batches) == (share < 1, 0)
    field.trust.gates[ANN] = Gate.NORMAL
    [again] = await claims.run([claim])
    assert (again.replayed, again.value) == (True, answer.value)


async def test_a_claim_that_was_paid_whole_is_not_called_reduced_later(field):
    claims, claim = field.claims(), field.claim(ANN, field.shared()[0])
    [first] = await claims.run([claim])
    field.trust.gates[ANN] = Gate.REDUCED
    for _ in range(2):
        [again] = await claims.run([claim])
        assert again.value == first.value and not again.value.reduced


async def test_who_is_refused_collects_nothing_whatever_the_score(field):
    field.trust.gates[ANN] = Gate.REFUSED
    [outcome] = await field.claims(replace(RULES, trust_min=0)).run([field.claim(ANN, field.shared()[0])])
    assert code_of(outcome) == "low_trust"


async def test_a_score_below_the_games_floor_is_refused_whatever_the_gate(field):
    field.trust.of[ANN] = 0.29
    [outcome] = await field.claims().run([field.claim(ANN, field.shared()[0])])
    assert code_of(outcome) == "low_trust"


async def test_one_player_at_review_sends_nobody_else_the_exact_way(field):
    field.trust.gates[ANN] = Gate.REVIEW
    claims = field.claims(replace(RULES, reach_m=1000))
    spawns = field.shared()
    batch = [field.claim(player, spawn) for player, spawn in zip((ANN, BEN, CID), spawns, strict=False)]
    outcomes = await claims.run(batch)
    assert [outcome.value.held for outcome in outcomes] == [True, False, False]
    assert [await field.balance(player) for player in (ANN, BEN, CID)] == [0, 3, 3]


async def outcome_of(service, command):
    try:
        return await service.collect(command)
    except Refusal as refusal:
        return refusal
