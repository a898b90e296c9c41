"""What a membership does to tokens and profiles: it is in those that are made while it runs, and they live longer."""

from __future__ import annotations

from datetime import timedelta

import pytest

from overworld.domains.accounts.membership.clubs import Clubs, clubs_of
from overworld.domains.accounts.membership.messages import Apply
from overworld.domains.accounts.messages import Refresh, SignInDevice
from tests.domains.accounts.conftest import HERE
from tests.domains.accounts.membership.hall import CURRENCIES, RULES


@pytest.fixture
async def club_house(hall, open_house):
    async with open_house(hall.database, clubs=Clubs(clubs_of(RULES, CURRENCIES))) as opened:
        yield opened


async def sign_in(house):
    return (
        await house.accounts.sign_in.sign_in_device(SignInDevice(device_id="device-of-somebody"), origin=HERE)
    ).grant


async def test_new_tokens_carry_what_runs_and_live_as_it_says(hall, club_house):
    service, accounts = hall.parts().service, club_house.accounts
    before = await sign_in(club_house)
    for name in ("trial", "founders"):
        await service.apply(Apply(account_id=before.user.id, membership=name, key=name))
    assert accounts.verifier.verify(before.access_token).memberships == ()
    after = await accounts.sessions.refresh(Refresh(refresh_token=before.refresh_token), origin=HERE)
    principal = accounts.verifier.verify(after.access_token)
    assert (before.expires_in, after.expires_in) == (900, 1_800)
    assert principal.expires_us == club_house.clock.now_us() + 1_800_000_000
    assert principal.memberships == after.user.memberships == ("founders", "trial")
    assert (await accounts.profiles.me(before.user.id)).memberships == ("founders", "trial")


async def test_a_membership_that_ended_drops_from_new_tokens(hall, club_house):
    grant = await sign_in(club_house)
    await hall.parts().service.apply(Apply(account_id=grant.user.id, membership="trial", key="one"))
    assert (await sign_in(club_house)).user.memberships == ("trial",)
    hall.clock.advance(timedelta(days=7))
    again = await sign_in(club_house)
    assert club_house.accounts.verifier.verify(again.access_token).memberships == again.user.memberships == ()


async def test_a_club_that_the_game_no_longer_has_is_no_membership(hall, club_house):
    grant = await sign_in(club_house)
    await hall.parts().service.apply(Apply(account_id=grant.user.id, membership="founders", key="one"))
    held, now = await hall.held_by(grant.user.id), hall.clock.now()
    assert Clubs(clubs_of(RULES, CURRENCIES)).running(held, now=now) == ("founders",)
    assert Clubs({}).running(held, now=now) == ()


def test_no_membership_shortens_a_tokens_life():
    assert Clubs(clubs_of(RULES, CURRENCIES)).token_life_s(["founders"], otherwise_s=3_600) == 3_600
