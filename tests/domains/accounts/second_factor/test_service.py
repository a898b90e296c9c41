"""Second factors on a real database: what staff get before and after, and that every code is good once."""

from __future__ import annotations

import asyncio
import base64
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from overworld.domains.accounts import SCHEMA
from overworld.domains.accounts.errors import SecondFactorNeeded, TokenRevoked
from overworld.domains.accounts.messages import Refresh, SignInDevice, SignInRefused
from overworld.domains.accounts.passkeys.errors import BadPasskey
from overworld.domains.accounts.rules import scopes_of
from overworld.domains.accounts.second_factor import codes
from overworld.domains.accounts.second_factor.errors import (
    BadCode,
    NoSecondFactor,
    SecondFactorForStaff,
    SecondFactorSet,
    TooManyCodes,
)
from overworld.domains.accounts.second_factor.messages import FactorSeen, GiveCode
from overworld.domains.accounts.types import Role
from overworld.kernel.audit import Staff
from tests.domains.accounts.authenticator import USER_PRESENT, Authenticator
from tests.domains.accounts.conftest import CHEAP, HERE
from tests.domains.accounts.passkeys.test_service import registered, sign_in

STAFF = scopes_of(Role.ADMIN)
PLAYER = scopes_of(Role.PLAYER)
STEP = timedelta(seconds=30)


@pytest.fixture
def open_with(open_database, open_house):
    """A house with other settings: `async with open_with(second_factor_required=True) as house`."""

    @asynccontextmanager
    async def opened(*, limits_enabled=False, **changed):
        settings = replace(CHEAP, **changed)
        async with (
            open_database(SCHEMA) as database,
            open_house(database, settings=settings, limits_enabled=limits_enabled) as house,
        ):
            yield house

    return opened


class Person:
    """Somebody with a device and, once set up, an app that makes codes."""

    def __init__(self, house, device="the-device-of-staff"):
        self.house = house
        self.factors = house.accounts.second_factors
        self.device = device
        self.secret = b""

    async def sign_in(self):
        command = SignInDevice(device_id=self.device)
        self.grant = (await self.house.accounts.sign_in.sign_in_device(command, origin=HERE)).grant
        return self

    async def become(self, role):
        async with self.house.database.transaction() as tx:
            await tx.execute("UPDATE accounts.account SET role = $2 WHERE id = $1", self.grant.user.id, role)
        return await self.sign_in()

    @property
    def principal(self):
        return self.house.accounts.verifier.verify(self.grant.access_token)

    @property
    def code(self):
        return codes.code_at(self.secret, codes.step_at(self.house.clock.now()))

    async def set_up(self):
        self.secret = base64.b32decode((await self.factors.set_up(self.principal)).secret)
        return await self.give(self.factors.confirm)

    async def give(self, door, code=None):
        """Gives a code, that of the app where none is named, and lets its step pass."""
        staff = Staff(account_id=self.grant.user.id, address=HERE.address)
        try:
            return await door(GiveCode(code=code or self.code), self.principal, staff=staff, origin=HERE)
        finally:
            if code is None:
                self.house.clock.advance(STEP)

    async def seen(self):
        return await self.factors.seen(self.principal)


async def an_admin(house, device="the-device-of-staff"):
    return await (await Person(house, device).sign_in()).become("admin")


def scopes_in(house, token):
    return house.accounts.verifier.verify(token).scopes


async def audited(house):
    async with house.database.read() as tx:
        rows = await tx.fetch("SELECT action FROM accounts.audit ORDER BY id")
    return [row["action"] for row in rows]


async def test_staff_without_a_factor_get_all_where_none_is_required(house):
    admin = await an_admin(house)
    assert admin.principal.scopes == STAFF
    assert admin.grant.second_factor is UNSET
    assert await admin.seen() == FactorSeen(set_up=False, needed=False, proved=False, recovery_codes_left=0)


async def test_a_sign_in_of_staff_gets_what_players_have_until_a_code_is_given(house):
    admin = await an_admin(house)
    confirmed = await admin.set_up()
    assert scopes_in(house, confirmed.access_token) == STAFF
    await admin.sign_in()
    assert (admin.grant.second_factor, admin.principal.scopes) == ("needed", PLAYER)
    proved = await admin.give(admin.factors.prove)
    assert scopes_in(house, proved.access_token) == STAFF
    assert (await admin.seen()).proved


async def test_the_proof_stays_with_its_session_through_refreshes_and_ends_in_time(house):
    admin = await an_admin(house)
    await admin.set_up()
    refreshed = await house.accounts.sessions.refresh(Refresh(refresh_token=admin.grant.refresh_token), origin=HERE)
    assert scopes_in(house, refreshed.access_token) == STAFF
    house.clock.advance(timedelta(hours=12))
    later = await house.accounts.sessions.refresh(Refresh(refresh_token=refreshed.refresh_token), origin=HERE)
    assert (later.second_factor, scopes_in(house, later.access_token)) == ("needed", PLAYER)


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.PLAYER])
async def test_where_one_is_required_no_staff_get_more_than_players_without(open_with, role):
    async with open_with(second_factor_required=True) as house:
        person = await (await Person(house).sign_in()).become(role)
        assert person.principal.scopes <= PLAYER
        assert person.grant.second_factor == "needed"
        assert scopes_in(house, (await person.set_up()).access_token) == scopes_of(role)


async def test_players_are_never_asked(open_with):
    async with open_with(second_factor_required=True) as house:
        player = await Person(house).sign_in()
        assert player.principal.scopes == PLAYER
        with pytest.raises(SecondFactorForStaff):
            await player.factors.set_up(player.principal)


async def test_a_code_is_good_once_in_every_session_and_for_everything(house):
    admin = await an_admin(house)
    admin.secret = base64.b32decode((await admin.factors.set_up(admin.principal)).secret)
    code = admin.code
    await admin.give(admin.factors.confirm, code)
    await admin.sign_in()
    for door in (admin.factors.prove, admin.factors.renew, admin.factors.remove):
        with pytest.raises(BadCode):
            await admin.give(door, code)
    house.clock.advance(STEP)
    code = admin.code
    outcomes = await asyncio.gather(*(admin.give(admin.factors.prove, code) for _ in range(4)), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["BadCode"] * 3 + ["Proved"]


async def test_a_recovery_code_is_good_once_and_new_ones_end_the_others(house):
    admin = await an_admin(house)
    first, *others = (await admin.set_up()).recovery_codes
    assert (len({first, *others}), (await admin.seen()).recovery_codes_left) == (10, 10)
    await admin.sign_in()
    assert scopes_in(house, (await admin.give(admin.factors.prove, first.upper())).access_token) == STAFF
    with pytest.raises(BadCode):
        await admin.give(admin.factors.prove, first)
    assert (await admin.seen()).recovery_codes_left == 9
    new = (await admin.give(admin.factors.renew)).recovery_codes
    with pytest.raises(BadCode):
        await admin.give(admin.factors.prove, others[0])
    assert await admin.give(admin.factors.prove, new[0])
    assert await audited(house) == [
        "accounts.second_factor_set",
        "accounts.recovery_code_used",
        "accounts.recovery_codes_renewed",
        "accounts.recovery_code_used",
    ]


async def test_recovery_codes_are_renewed_by_the_app_alone(house):
    admin = await an_admin(house)
    first = (await admin.set_up()).recovery_codes[0]
    with pytest.raises(BadCode):
        await admin.give(admin.factors.renew, first)
    assert await admin.give(admin.factors.prove, first)


async def test_no_recovery_code_and_no_secret_is_kept_or_printed_as_it_is(open_with):
    async with open_with(signing_key_secret="the operator's words") as house:
        admin = await an_admin(house)
        confirmed = await admin.set_up()
        async with house.database.read() as tx:
            hashes = [row["hash"] for row in await tx.fetch("SELECT hash FROM accounts.recovery_code")]
            kept = await tx.fetchval("SELECT secret FROM accounts.totp")
        assert admin.secret not in kept
        assert not {codes.plain(code).encode() for code in confirmed.recovery_codes} & set(hashes)
        assert repr(confirmed) == "Confirmed(...)"


async def test_another_account_s_recovery_code_proves_nothing(house):
    ann, bea = await an_admin(house), await an_admin(house, "the-device-of-another")
    first = (await ann.set_up()).recovery_codes[0]
    await bea.set_up()
    with pytest.raises(BadCode):
        await bea.give(bea.factors.prove, first)


async def test_a_factor_that_nobody_confirms_asks_nobody_and_is_over_in_ten_minutes(house):
    admin = await an_admin(house)
    admin.secret = base64.b32decode((await admin.factors.set_up(admin.principal)).secret)
    await admin.sign_in()
    assert admin.principal.scopes == STAFF
    with pytest.raises(NoSecondFactor):
        await admin.give(admin.factors.prove)
    house.clock.advance(timedelta(minutes=10))
    with pytest.raises(NoSecondFactor):
        await admin.give(admin.factors.confirm)
    await admin.set_up()


async def test_a_factor_is_not_replaced_behind_its_owner_s_back(house):
    admin = await an_admin(house)
    await admin.set_up()
    await admin.sign_in()
    with pytest.raises(SecondFactorSet):
        await admin.factors.set_up(admin.principal)
    with pytest.raises(SecondFactorSet):
        await admin.give(admin.factors.confirm)


async def test_who_gives_a_factor_up_gets_no_more_than_players_where_one_is_required(open_with):
    async with open_with(second_factor_required=True) as house:
        admin = await an_admin(house)
        await admin.set_up()
        await admin.give(admin.factors.remove)
        later = await house.accounts.sessions.refresh(Refresh(refresh_token=admin.grant.refresh_token), origin=HERE)
        assert scopes_in(house, later.access_token) == PLAYER
        assert (await admin.seen()).recovery_codes_left == 0
        await admin.set_up()


async def test_wrong_codes_lock_and_a_right_one_does_not_open_then(open_with):
    async with open_with(limits_enabled=True, code_failures_max=3, code_window_s=900) as house:
        admin = await an_admin(house)
        await admin.set_up()
        guesses = await asyncio.gather(
            *(admin.give(admin.factors.prove, f"{guess:06}") for guess in range(6)), return_exceptions=True
        )
        assert sorted(type(guess).__name__ for guess in guesses) == ["BadCode"] * 3 + ["TooManyCodes"] * 3
        with pytest.raises(TooManyCodes):
            await admin.give(admin.factors.prove)
        refused = house.outbox.of(SignInRefused)[-1]
        assert (refused.reason, refused.way, refused.account_id) == ("bad_code", "code", admin.grant.user.id)
        house.clock.advance(timedelta(seconds=301))
        assert await admin.give(admin.factors.prove)


async def test_a_session_that_ended_proves_nothing(house):
    admin = await an_admin(house)
    await admin.set_up()
    principal = admin.principal
    await house.accounts.sessions.end(principal.account_id, principal.sid)
    with pytest.raises(TokenRevoked):
        await admin.factors.prove(
            GiveCode(code=admin.code), principal, staff=Staff(account_id=principal.account_id), origin=HERE
        )


async def test_a_key_that_acts_for_an_account_proves_nothing(house):
    principal = replace((await an_admin(house)).principal, sid=None)
    with pytest.raises(SecondFactorNeeded):
        await house.accounts.second_factors.set_up(principal)


async def test_a_password_alone_adds_no_passkey_to_staff_with_a_factor(house):
    """Else whoever stole the password would make a way around the factor."""
    admin = await an_admin(house)
    await admin.set_up()
    authenticator = Authenticator()
    seen = await registered(house, authenticator, admin.principal)
    await admin.sign_in()
    with pytest.raises(SecondFactorNeeded):
        await house.accounts.passkeys.begin_adding(admin.principal)
    with pytest.raises(SecondFactorNeeded):
        await house.accounts.passkeys.forget(admin.principal, seen.id)
    await admin.give(admin.factors.prove)
    await house.accounts.passkeys.forget(admin.principal, seen.id)
    with pytest.raises(BadPasskey):
        await sign_in(house, authenticator)


async def test_a_passkey_that_checks_its_user_is_both_factors_and_one_that_does_not_is_one(open_with):
    async with open_with(second_factor_required=True, passkey_user_verification="preferred") as house:
        admin = await an_admin(house)
        await admin.set_up()
        authenticator = Authenticator()
        await registered(house, authenticator, admin.principal)
        assert scopes_in(house, (await sign_in(house, authenticator)).access_token) == STAFF
        authenticator.flags = USER_PRESENT
        grant = await sign_in(house, authenticator)
        assert (grant.second_factor, scopes_in(house, grant.access_token)) == ("needed", PLAYER)
