"""Memberships that ask for an account elsewhere: one such account, one number."""

from __future__ import annotations

import pytest

from overworld.domains.accounts.external import store
from overworld.domains.accounts.external.proofs import LinkedProofs
from overworld.domains.accounts.external.types import Elsewhere, ProviderSettings, SignInSettings
from overworld.domains.accounts.membership.errors import ProofMissing, ProofUnavailable, ProofUsed
from tests.domains.accounts.membership.hall import SCHEMAS, Hall

pytestmark = pytest.mark.slow

DISCORD = SignInSettings(providers={"discord": ProviderSettings(client_id="ours", client_secret="a secret")})


@pytest.fixture
async def hall(open_database, clock, ids):
    async with open_database(*SCHEMAS) as database:
        yield Hall(database, clock, ids)


async def granted(hall, account_id, *, settings=DISCORD):
    parts = hall.parts(proofs=LinkedProofs(database=hall.database, settings=settings))
    try:
        return (await parts.service.apply(hall.apply(account_id, "guild"))).value
    finally:
        await parts.service.close()


async def link(hall, account_id, subject, *, issuer="https://discord.com"):
    who = Elsewhere(issuer=issuer, subject=subject, provider="discord")
    async with hall.database.transaction() as tx:
        assert await store.link(tx, who, account_id, hall.clock.now())


async def let_go(hall, account_id):
    async with hall.database.transaction() as tx:
        await store.unlink(tx, account_id, "discord")


async def test_who_linked_their_account_gets_a_number(hall):
    ann, ben = await hall.people(2)
    await link(hall, ann, "1")
    assert (await granted(hall, ann)).number == 1
    with pytest.raises(ProofMissing):
        await granted(hall, ben)


async def test_one_account_elsewhere_has_one_number_wherever_it_moves(hall):
    ann, ben = await hall.people(2)
    await link(hall, ann, "1")
    await granted(hall, ann)
    await let_go(hall, ann)
    await link(hall, ben, "1")
    with pytest.raises(ProofUsed):
        await granted(hall, ben)


async def test_where_nobody_can_link_it_that_is_told(hall):
    [ann] = await hall.people(1)
    with pytest.raises(ProofUnavailable):
        await granted(hall, ann, settings=SignInSettings())


async def test_a_provider_that_calls_itself_discord_proves_nothing(hall):
    [ann] = await hall.people(1)
    await link(hall, ann, "1", issuer="https://evil.example")
    with pytest.raises(ProofMissing):
        await granted(hall, ann)
    own = {"discord": ProviderSettings(issuer="https://evil.example", client_id="ours")}
    with pytest.raises(ProofUnavailable):
        await granted(hall, ann, settings=SignInSettings(providers=own))


async def test_an_erased_account_takes_its_links_with_it(hall):
    ann, ben = await hall.people(2)
    await link(hall, ann, "1")
    async with hall.database.transaction() as tx:
        await tx.execute("DELETE FROM accounts.account WHERE id = $1", ann)
    await link(hall, ben, "1")
    assert (await granted(hall, ben)).number == 1
