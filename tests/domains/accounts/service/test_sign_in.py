"""The ways in: who gets an account, who gets in, and what strangers learn."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import msgspec
import pytest

from overworld.domains.accounts import SCHEMA, store
from overworld.domains.accounts.errors import (
    BadCredentials,
    BadEmail,
    BadUsername,
    EmailTaken,
    LockedOut,
    TooManyRegistrations,
    UsernameTaken,
)
from overworld.domains.accounts.messages import LogIn, Register, SignedIn, SignInDevice, SignInRefused, UserRegistered
from overworld.domains.accounts.types import Origin
from overworld.kernel.refusals import Refusal
from overworld.platform.limiter import MemoryLimiter
from tests.domains.accounts.conftest import CHEAP, HERE

PASSWORD = "correct horse battery"
ELSEWHERE = Origin("198.51.100.9", "other/2")


def register(email="ann@example.org", username="Ann", password=PASSWORD):
    return Register(email=email, username=username, password=password)


def log_in(email="ann@example.org", password=PASSWORD):
    return LogIn(email=email, password=password)


def device(n=1, username=None):
    return SignInDevice(device_id=f"device-{n:016}", username=username)


async def one_value(house, query):
    async with house.database.read() as tx:
        return await tx.fetchval(query)


class TestRegister:
    async def test_a_new_account_is_signed_in_at_once(self, house):
        grant = await house.accounts.sign_in.register(register(), origin=HERE)
        principal = house.accounts.verifier.verify(grant.access_token)
        assert principal.account_id == grant.user.id
        assert (grant.user.username, grant.user.level, grant.user.experience) == ("Ann", 3, 250)
        assert (grant.expires_in, grant.token_type, grant.user.memberships) == (900, "Bearer", ())
        assert grant.user.created_at == house.clock.now()

    async def test_the_account_has_an_identity_and_its_last_sign_in(self, house):
        grant = await house.accounts.sign_in.register(register(), origin=HERE)
        me = await house.accounts.profiles.me(grant.user.id)
        assert me.did.startswith("did:key:z6Mk")
        assert (me.email, me.wallet_address, me.settings) == ("ann@example.org", None, {})
        assert await one_value(house, "SELECT signed_in_at FROM accounts.account") == house.clock.now()

    @pytest.mark.parametrize("email", ["ann@example.org", "ANN@Example.ORG", "\uff41nn@example.org"])
    async def test_an_email_address_belongs_to_one_account_however_it_is_written(self, house, email):
        await house.accounts.sign_in.register(register(), origin=HERE)
        with pytest.raises(EmailTaken):
            await house.accounts.sign_in.register(register(email, "Bea"), origin=HERE)

    @pytest.mark.parametrize("username", ["Ann", "ANN", "\uff21nn"])
    async def test_a_username_belongs_to_one_account_however_it_is_written(self, house, username):
        await house.accounts.sign_in.register(register(), origin=HERE)
        with pytest.raises(UsernameTaken):
            await house.accounts.sign_in.register(register("bea@example.org", username), origin=HERE)

    async def test_when_both_are_taken_the_email_address_is_told(self, house):
        await house.accounts.sign_in.register(register(), origin=HERE)
        with pytest.raises(EmailTaken):
            await house.accounts.sign_in.register(register(), origin=HERE)

    async def test_what_can_be_no_name_or_address_makes_no_account(self, house):
        for command, refusal in ((register(username="a\u200bb"), BadUsername), (register(email="nobody"), BadEmail)):
            with pytest.raises(refusal):
                await house.accounts.sign_in.register(command, origin=HERE)
        assert await one_value(house, "SELECT count(*) FROM accounts.account") == 0
        assert house.outbox.events == []

    async def test_twins_at_the_same_moment_make_one_account(self, house):
        outcomes = await asyncio.gather(
            house.accounts.sign_in.register(register(), origin=HERE),
            house.accounts.sign_in.register(register(username="Bea"), origin=HERE),
            house.accounts.sign_in.register(register("bea@example.org"), origin=HERE),
            return_exceptions=True,
        )
        made = [outcome for outcome in outcomes if not isinstance(outcome, Refusal)]
        assert len(made) == await one_value(house, "SELECT count(*) FROM accounts.account")
        assert all(isinstance(outcome, EmailTaken | UsernameTaken) for outcome in outcomes if outcome not in made)

    async def test_only_five_tries_an_hour_come_from_one_address(self, open_database, open_house):
        async with open_database(SCHEMA) as database, open_house(database, limits_enabled=True) as house:
            await house.accounts.sign_in.register(register(), origin=HERE)
            for _ in range(4):
                with pytest.raises(EmailTaken):
                    await house.accounts.sign_in.register(register(), origin=HERE)
            with pytest.raises(TooManyRegistrations) as refused:
                await house.accounts.sign_in.register(register("bea@example.org", "Bea"), origin=HERE)
            assert refused.value.fields["retry_after_s"] == pytest.approx(720)
            await house.accounts.sign_in.register(register("bea@example.org", "Bea"), origin=ELSEWHERE)

    async def test_events_tell_who_and_how_and_no_secret(self, house):
        grant = await house.accounts.sign_in.register(register(), origin=HERE)
        registered, signed_in = house.outbox.events
        assert isinstance(registered, UserRegistered)
        assert isinstance(signed_in, SignedIn)
        assert (registered.account_id, registered.username, registered.way) == (grant.user.id, "Ann", "password")
        assert (signed_in.way, signed_in.address, signed_in.user_agent) == ("password", "192.0.2.1", "tests/1")
        written = msgspec.json.encode(house.outbox.envelopes).decode()
        for secret in (PASSWORD, "ann@example.org", grant.refresh_token, grant.access_token):
            assert secret not in written

    async def test_no_secret_is_kept_in_a_form_that_works(self, house):
        grant = await house.accounts.sign_in.register(register(), origin=HERE)
        await house.accounts.sign_in.sign_in_device(device(), origin=HERE)
        async with house.database.read() as tx:
            rows = [
                str(row)
                for table in ("account", "device", "session", "refresh_token")
                for row in await tx.fetch(f"SELECT t::text FROM accounts.{table} t")  # noqa: S608
            ]
        for secret in (PASSWORD, grant.refresh_token, device().device_id):
            assert not any(secret in row or secret.encode().hex() in row for row in rows)


class TestLogIn:
    async def test_the_right_password_opens_a_new_session_each_time(self, house):
        first = await house.accounts.sign_in.register(register(), origin=HERE)
        house.clock.advance(timedelta(hours=1))
        grant = await house.accounts.sign_in.log_in(log_in("ANN@example.org"), origin=ELSEWHERE)
        assert grant.user == first.user
        assert house.accounts.verifier.verify(grant.access_token).account_id == first.user.id
        assert await one_value(house, "SELECT count(*) FROM accounts.session") == 2
        assert await one_value(house, "SELECT signed_in_at FROM accounts.account") == house.clock.now()
        assert house.outbox.of(SignedIn)[-1].address == "198.51.100.9"

    async def test_unknown_and_wrong_get_the_same_answer(self, house):
        await house.accounts.sign_in.register(register(), origin=HERE)
        answers = []
        for command in (log_in(password="wrong password"), log_in("nobody@example.org"), log_in("no address at all")):
            with pytest.raises(BadCredentials) as refused:
                await house.accounts.sign_in.log_in(command, origin=HERE)
            answers.append((type(refused.value), refused.value.detail, refused.value.public_fields()))
        assert len(set(map(str, answers))) == 1

    async def test_unknown_and_wrong_do_the_same_work(self, house, monkeypatch):
        """The same number of statements and of password checks, so the same time."""
        await house.accounts.sign_in.register(register(), origin=HERE)
        checked = []
        verify = house.accounts.sign_in._passwords.verify

        async def counted(password, kept):
            checked.append(password)
            return await verify(password, kept)

        monkeypatch.setattr(house.accounts.sign_in._passwords, "verify", counted)
        published = []
        for command in (log_in(password="wrong password"), log_in("nobody@example.org")):
            before = len(house.outbox.events)
            with pytest.raises(BadCredentials):
                await house.accounts.sign_in.log_in(command, origin=HERE)
            published.append(len(house.outbox.events) - before)
        assert (len(checked), published) == (2, [1, 1])

    async def test_an_account_without_a_password_cannot_be_logged_into(self, house):
        await house.accounts.sign_in.register(register(), origin=HERE)
        async with house.database.transaction() as tx:
            await tx.execute("UPDATE accounts.account SET password_hash = NULL")
        with pytest.raises(BadCredentials):
            await house.accounts.sign_in.log_in(log_in(), origin=HERE)

    async def test_a_refusal_is_published_without_the_address_that_was_tried(self, house):
        grant = await house.accounts.sign_in.register(register(), origin=HERE)
        for command in (log_in(password="wrong password"), log_in("nobody@example.org")):
            with pytest.raises(BadCredentials):
                await house.accounts.sign_in.log_in(command, origin=ELSEWHERE)
        known, unknown = house.outbox.of(SignInRefused)
        assert (known.account_id, known.key) == (grant.user.id, str(grant.user.id))
        assert (unknown.account_id, unknown.key, unknown.reason) == (None, "198.51.100.9", "bad_credentials")
        assert b"nobody@" not in msgspec.json.encode(house.outbox.envelopes)

    async def test_a_hash_of_weaker_settings_is_renewed_by_the_next_log_in(self, open_database, open_house):
        """Raising the cost must reach accounts that exist, without their owners' doing."""
        stronger = msgspec.structs.replace(CHEAP, argon2_passes=2)
        query = "SELECT password_hash FROM accounts.account"
        async with open_database(SCHEMA) as database:
            async with open_house(database) as house:
                await house.accounts.sign_in.register(register(), origin=HERE)
                await house.accounts.sign_in.log_in(log_in(), origin=HERE)
                weak = await one_value(house, query)
            async with open_house(database, settings=stronger, seed=12) as house:
                with pytest.raises(BadCredentials):
                    await house.accounts.sign_in.log_in(log_in(password="wrong password"), origin=HERE)
                assert await one_value(house, query) == weak
                await house.accounts.sign_in.log_in(log_in(), origin=HERE)
                strong = await one_value(house, query)
                await house.accounts.sign_in.log_in(log_in(), origin=HERE)
                assert await one_value(house, query) == strong
        assert "t=1," in weak
        assert "t=2," in strong


class TestLockout:
    """On every limiter that a server can have."""

    @pytest.fixture(params=["memory", "redis"])
    def limiter(self, request, clock):
        if request.param == "memory":
            return MemoryLimiter(monotonic_s=clock.monotonic_s)
        return request.getfixturevalue("redis_limiter")

    @pytest.fixture
    async def house(self, limiter, open_database, open_house):
        async with (
            open_database(SCHEMA) as database,
            open_house(database, limits_enabled=True, limiter=limiter) as opened,
        ):
            await opened.accounts.sign_in.register(register(), origin=Origin("203.0.113.1"))
            yield opened

    async def fail(self, house, email="ann@example.org", address="192.0.2.1", refusal=BadCredentials):
        with pytest.raises(refusal) as refused:
            await house.accounts.sign_in.log_in(log_in(email, "wrong password"), origin=Origin(address))
        return refused.value

    @pytest.mark.parametrize("email", ["ann@example.org", "nobody@example.org"])
    async def test_five_failures_lock_an_account_from_everywhere_known_or_not(self, house, email):
        for n in range(5):
            await self.fail(house, email, f"192.0.2.{n}")
        locked = await self.fail(house, email.upper(), "192.0.2.99", LockedOut)
        assert locked.fields["retry_after_s"] == pytest.approx(12)

    async def test_the_right_password_does_not_open_a_locked_account(self, house):
        for _ in range(5):
            await self.fail(house)
        with pytest.raises(LockedOut):
            await house.accounts.sign_in.log_in(log_in(), origin=ELSEWHERE)
        house.clock.advance(timedelta(seconds=12))
        await house.accounts.sign_in.log_in(log_in(), origin=ELSEWHERE)

    async def test_ten_failures_lock_an_address_for_every_account(self, house):
        for n in range(10):
            await self.fail(house, f"somebody{n}@example.org")
        await self.fail(house, "other@example.org", refusal=LockedOut)
        await house.accounts.sign_in.log_in(log_in(), origin=ELSEWHERE)

    async def test_success_costs_nothing(self, house):
        for _ in range(20):
            await house.accounts.sign_in.log_in(log_in(), origin=HERE)

    async def test_guesses_sent_all_at_once_count_like_guesses_one_by_one(self, house):
        """All pass the first look; what counts is how many are told that they were wrong, or right."""
        guesses = [log_in(password=f"guess number {n}") for n in range(30)] + [log_in()]
        outcomes = await asyncio.gather(
            *(house.accounts.sign_in.log_in(guess, origin=Origin(f"192.0.2.{n}")) for n, guess in enumerate(guesses)),
            return_exceptions=True,
        )
        told = [outcome for outcome in outcomes if not isinstance(outcome, LockedOut)]
        assert len(told) == 5
        assert all(isinstance(outcome, BadCredentials) for outcome in told)
        assert isinstance(outcomes[-1], LockedOut)

    async def test_limits_can_be_off(self, open_database, open_house):
        async with open_database(SCHEMA) as database, open_house(database, limits_enabled=False) as house:
            for _ in range(12):
                await self.fail(house)

    async def test_a_home_of_ipv6_addresses_counts_as_one(self, house):
        for n in range(CHEAP.address_failures_max):
            with pytest.raises(BadCredentials):
                await house.accounts.sign_in.log_in(log_in(f"{n}@example.org"), origin=Origin(f"2001:db8:1:2::{n}"))
        with pytest.raises(LockedOut):
            await house.accounts.sign_in.log_in(log_in("last@example.org"), origin=Origin("2001:db8:1:2:ffff::9"))
        with pytest.raises(BadCredentials):
            await house.accounts.sign_in.log_in(log_in("last@example.org"), origin=Origin("2001:db8:1:3::1"))

    async def test_two_processes_with_one_limiter_count_together(self, house, open_house):
        async with open_house(house.database, limits_enabled=True, limiter=house.limiter) as other:
            for n in range(5):
                await self.fail(house if n % 2 else other)
            await self.fail(house, refusal=LockedOut)
            await self.fail(other, refusal=LockedOut)


class TestDevice:
    async def test_the_first_sign_in_makes_an_account_and_the_next_finds_it(self, house):
        first = await house.accounts.sign_in.sign_in_device(device(), origin=HERE)
        again = await house.accounts.sign_in.sign_in_device(device(), origin=HERE)
        assert (first.is_new, again.is_new) == (True, False)
        assert again.grant.user == first.grant.user
        assert first.grant.user.username.startswith("player-")
        assert [len(house.outbox.of(kind)) for kind in (UserRegistered, SignedIn)] == [1, 2]

    async def test_another_device_is_another_account(self, house):
        one, two = [await house.accounts.sign_in.sign_in_device(device(n), origin=HERE) for n in (1, 2)]
        assert one.grant.user.id != two.grant.user.id
        assert one.grant.user.username != two.grant.user.username

    async def test_a_wished_name_is_given_once_and_then_with_an_ending(self, house):
        names = [
            (await house.accounts.sign_in.sign_in_device(device(n, wish), origin=HERE)).grant.user.username
            for n, wish in ((1, "Ann"), (2, "ANN"), (1, "Bea"))
        ]
        assert names[0] == names[2] == "Ann"
        assert names[1].startswith("ANN-")

    async def test_a_wished_name_follows_the_rules_of_names(self, house):
        with pytest.raises(BadUsername):
            await house.accounts.sign_in.sign_in_device(device(1, "a\u200bb"), origin=HERE)
        assert await one_value(house, "SELECT count(*) FROM accounts.device") == 0

    async def test_twins_of_one_new_device_make_one_account(self, house):
        grants = await asyncio.gather(
            *(house.accounts.sign_in.sign_in_device(device(), origin=HERE) for _ in range(12))
        )
        assert sum(found.is_new for found in grants) == 1
        assert len({found.grant.user.id for found in grants}) == 1
        assert await one_value(house, "SELECT count(*) FROM accounts.account") == 1

    async def test_new_devices_of_one_address_are_counted_and_known_ones_are_not(self, open_database, open_house):
        """An account's own requests have a bucket each, so accounts that make accounts would have no bound."""
        few = msgspec.structs.replace(CHEAP, new_devices_max=2)
        async with (
            open_database(SCHEMA) as database,
            open_house(database, limits_enabled=True, settings=few) as house,
        ):
            homes = [Origin(f"2001:db8:1:2::{n}") for n in (1, 2, 3)]
            for n, home in enumerate(homes[:2]):
                assert (await house.accounts.sign_in.sign_in_device(device(n), origin=home)).is_new
            with pytest.raises(TooManyRegistrations):
                await house.accounts.sign_in.sign_in_device(device(2), origin=homes[2])
            assert not (await house.accounts.sign_in.sign_in_device(device(1), origin=homes[2])).is_new
            assert await one_value(house, "SELECT count(*) FROM accounts.account") == 2
            assert (await house.accounts.sign_in.sign_in_device(device(2), origin=ELSEWHERE)).is_new

    async def test_a_twin_whose_other_half_fails_makes_the_account_itself(self, house):
        """The second claims while the first still holds the device, and gets it when the first gives up."""
        sign_in = house.accounts.sign_in
        device_hash = bytes(32)
        first, second = house.ids(), house.ids()

        async def claim_second():
            async with house.database.transaction() as tx:
                owner_id = await store.claim_device(
                    tx, device_hash=device_hash, account_id=second, at=house.clock.now()
                )
                await sign_in._make_named(tx, second, None, house.clock.now())
                return owner_id

        with pytest.raises(InterruptedError):
            async with house.database.transaction() as tx:
                await store.claim_device(tx, device_hash=device_hash, account_id=first, at=house.clock.now())
                waiting = asyncio.create_task(claim_second())
                while not await tx.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                    continue
                raise InterruptedError
        assert await waiting == second

    @pytest.mark.slow
    async def test_a_thousand_devices_at_once_all_get_in(self, house):
        grants = await asyncio.gather(
            *(house.accounts.sign_in.sign_in_device(device(n), origin=HERE) for n in range(1000))
        )
        assert all(found.is_new for found in grants)
        assert len({found.grant.user.username for found in grants}) == 1000
        assert await one_value(house, "SELECT count(*) FROM accounts.session") == 1000

    async def test_a_rush_beyond_the_waiting_line_is_refused_and_the_rest_get_in(self, open_database, open_house):
        settings = msgspec.structs.replace(CHEAP, sign_ins_at_once=1, sign_ins_waiting_max=5)
        async with open_database(SCHEMA) as database, open_house(database, settings=settings) as house:
            outcomes = await asyncio.gather(
                *(house.accounts.sign_in.sign_in_device(device(n), origin=HERE) for n in range(20)),
                return_exceptions=True,
            )
            refused = [outcome for outcome in outcomes if isinstance(outcome, Refusal)]
            assert {outcome.code for outcome in refused} == {"platform.busy"}
            assert len(refused) == 14
