"""Who gets in, what it costs, when it ends, and what is told of it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from overworld.domains.accounts.errors import TokenRevoked
from overworld.domains.accounts.membership.errors import (
    AlreadyMember,
    MembershipFull,
    NoSuchMembership,
    PaidAhead,
    PriceFrozen,
    PriceNotHeld,
    ProofMissing,
    ProofUnavailable,
    ProofUsed,
)
from overworld.kernel.money import HOUSE, AccountRef, Transfer, TransferCode
from overworld.platform.postgres.idempotency import KeyReused
from tests.domains.accounts.membership.hall import RULES


@pytest.fixture
def service(hall):
    return hall.parts().service


async def test_numbers_go_from_one_to_the_cap_and_then_the_club_is_full(hall, service):
    people = await hall.people(4)
    numbers = [(await service.apply(hall.apply(one))).value.number for one in people[:3]]
    with pytest.raises(MembershipFull) as full:
        await service.apply(hall.apply(people[3]))
    assert numbers == [1, 2, 3]
    assert full.value.public_fields() == {"membership": "founders", "cap": 3}
    assert [event.number for event in await hall.events()] == [1, 2, 3]


async def test_a_member_is_in_once(hall, service):
    [ann] = await hall.people(1)
    await service.apply(hall.apply(ann))
    with pytest.raises(AlreadyMember) as refused:
        await service.apply(hall.apply(ann))
    assert refused.value.public_fields() == {"membership": "founders", "number": 1}


async def test_the_same_key_gives_the_same_answer(hall, service):
    [ann] = await hall.people(1)
    first = await service.apply(hall.apply(ann, key="once"))
    again = await service.apply(hall.apply(ann, key="once"))
    assert (first.replayed, again.replayed, again.value) == (False, True, first.value)
    with pytest.raises(KeyReused):
        await service.apply(hall.apply(ann, "trial", key="once"))


async def test_a_refusal_is_remembered_under_its_key(hall, service):
    [ann] = await hall.people(1)
    with pytest.raises(PriceNotHeld) as refused:
        await service.apply(hall.apply(ann, "premium", key="poor"))
    assert refused.value.public_fields() == {"membership": "premium", "price": "2.50", "currency": "gem"}
    await hall.fund(ann, 1_000)
    with pytest.raises(PriceNotHeld) as again:
        await service.apply(hall.apply(ann, "premium", key="poor"))
    assert again.value.replayed
    assert (await service.apply(hall.apply(ann, "premium"))).value.number == 1


async def test_a_bought_membership_is_paid_once_and_renewed_from_its_end(hall, service):
    [ann] = await hall.people(1)
    await hall.fund(ann, 600)
    bought = (await service.apply(hall.apply(ann, "premium", key="a"))).value
    await service.apply(hall.apply(ann, "premium", key="a"))
    assert (await hall.held(ann), bought.ends_at) == (350, hall.clock.now() + timedelta(days=30))
    hall.clock.advance(timedelta(days=10))
    longer = (await service.apply(hall.apply(ann, "premium"))).value
    assert (await hall.held(ann), longer.number, longer.renewed) == (100, 1, True)
    assert longer.ends_at == bought.ends_at + timedelta(days=30)
    with pytest.raises(PriceNotHeld):
        await service.apply(hall.apply(ann, "premium"))
    assert [(event.number, event.renewed) for event in await hall.events()] == [(1, False), (1, True)]


async def test_what_has_ended_begins_anew_under_the_same_number(hall, service):
    ann, ben = await hall.people(2)
    await service.apply(hall.apply(ann, "trial"))
    with pytest.raises(AlreadyMember):
        await service.apply(hall.apply(ann, "trial"))
    hall.clock.advance(timedelta(days=8))
    await service.apply(hall.apply(ben, "trial"))
    assert not (await service.verified(ann, "trial")).member
    again = (await service.apply(hall.apply(ann, "trial"))).value
    assert (again.number, again.renewed, again.ends_at) == (1, True, hall.clock.now() + timedelta(days=7))
    assert (await service.verified(ann, "trial")).member


async def test_nobody_pays_more_than_ten_years_ahead(hall):
    rules = {"premium": replace(RULES["premium"], duration_days=3_652)}
    service = hall.parts(rules).service
    [ann] = await hall.people(1)
    await hall.fund(ann, 1_000)
    await service.apply(hall.apply(ann, "premium"))
    with pytest.raises(PaidAhead):
        await service.apply(hall.apply(ann, "premium"))
    assert await hall.held(ann) == 750


async def test_a_frozen_wallet_buys_nothing(hall, service):
    [ann] = await hall.people(1)
    await hall.fund(ann, 1_000)
    async with hall.database.transaction() as tx:
        await tx.execute("UPDATE ledger.account SET frozen = true WHERE owner_id = $1", ann)
    with pytest.raises(PriceFrozen):
        await service.apply(hall.apply(ann, "premium"))
    assert await hall.rows() == []


async def test_one_account_elsewhere_gets_one_number(hall, service):
    ann, ben, eve = await hall.people(3)
    hall.discord.of = {ann: "1001", ben: "1001"}
    await service.apply(hall.apply(ann, "guild"))
    with pytest.raises(ProofUsed) as used:
        await service.apply(hall.apply(ben, "guild"))
    with pytest.raises(ProofMissing):
        await service.apply(hall.apply(eve, "guild"))
    assert used.value.public_fields() == {"membership": "guild", "proof": "discord"}
    hall.discord.of[ben] = "1002"
    assert (await service.apply(hall.apply(ben, "guild"))).value.number == 2


async def test_twins_of_one_account_elsewhere_in_one_batch_get_one_number(hall, service):
    ann, ben = await hall.people(2)
    hall.discord.of = {ann: "1001", ben: "1001"}
    outcomes = await service.run([hall.apply(ann, "guild"), hall.apply(ben, "guild")])
    assert outcomes[0].value.number == 1 and isinstance(outcomes[1], ProofUsed)


async def test_without_a_way_to_prove_it_a_club_that_asks_for_a_proof_refuses(hall):
    service = hall.parts(proofs=None).service
    [ann] = await hall.people(1)
    with pytest.raises(ProofUnavailable):
        await service.apply(hall.apply(ann, "guild"))
    assert (await service.apply(hall.apply(ann))).value.number == 1


async def test_an_erased_members_number_is_retired(hall, service):
    ann, ben, eve, dan = await hall.people(4)
    hall.discord.of = {ann: "1001", ben: "1002", eve: "1003", dan: "1004"}
    await service.apply(hall.apply(ann, "guild"))
    await service.apply(hall.apply(ben, "guild"))
    async with hall.database.transaction() as tx:
        await tx.execute("DELETE FROM accounts.account WHERE id = $1", ann)
        assert await tx.fetchval("SELECT proof FROM accounts.membership WHERE number = 1") is None
    assert (await service.apply(hall.apply(eve, "guild"))).value.number == 3
    with pytest.raises(MembershipFull):
        await service.apply(hall.apply(dan, "guild"))
    assert [one.number for one in await service.members("guild", after=0, limit=10)] == [2, 3]
    with pytest.raises(TokenRevoked):
        await service.apply(hall.apply(ann, "guild"))


async def test_a_key_that_moved_value_elsewhere_buys_nothing(hall, service):
    [ann] = await hall.people(1)
    await hall.fund(ann, 1_000)
    [own_id] = await hall.ledger.transfer_ids([(ann, "used")])
    gift = Transfer(
        id=own_id, debit=AccountRef(ann, "gem"), credit=AccountRef(HOUSE, "gem"), amount_minor=1, reference=ann,
        code=TransferCode.GIFT,
    )  # fmt: skip
    async with hall.database.transaction() as tx:
        await hall.ledger.post(tx, [gift], at=hall.clock.now())
    with pytest.raises(KeyReused):
        await service.apply(hall.apply(ann, "premium", key="used"))
    assert (await hall.held(ann), await hall.rows()) == (999, [])


async def test_what_a_club_is_can_be_read(hall, service):
    [ann] = await hall.people(1)
    await service.apply(hall.apply(ann))
    seen = await service.seen("founders")
    assert (seen.cap, seen.given, seen.left, seen.benefits.reward_multiplier) == (3, 1, 2, "2.0")
    assert (await service.seen("trial")).left is None
    with pytest.raises(NoSuchMembership):
        await service.seen("nobles")
