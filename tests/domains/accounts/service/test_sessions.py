"""Sessions: refresh in every interleaving, theft, ending one and ending all."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.pretty import pretty_repr

from overworld.domains.accounts import SCHEMA, store
from overworld.domains.accounts.errors import BadRefreshToken, NoSuchSession, TokenRevoked
from overworld.domains.accounts.messages import LogIn, Refresh, SessionRevoked, SignInDevice, SignInRefused
from overworld.domains.accounts.types import Origin
from tests.domains.accounts.conftest import CHEAP, HERE


async def signed_in(house, n=1):
    return (await house.accounts.sign_in.sign_in_device(SignInDevice(device_id=f"device-{n:016}"), origin=HERE)).grant


async def refreshed(house, token, origin=HERE):
    return (await house.accounts.sessions.refresh(Refresh(refresh_token=token), origin=origin)).refresh_token


async def is_refused(house, token):
    try:
        await refreshed(house, token)
    except BadRefreshToken:
        return True
    return False


def principal_of(house, grant):
    return house.accounts.verifier.verify(grant.access_token)


class TestRefresh:
    async def test_a_refresh_token_gives_new_tokens_of_the_same_session(self, house):
        grant = await signed_in(house)
        house.clock.advance(timedelta(minutes=20))
        again = await house.accounts.sessions.refresh(Refresh(refresh_token=grant.refresh_token), origin=HERE)
        assert again.refresh_token != grant.refresh_token
        assert again.user == grant.user
        house.clock.advance(-timedelta(minutes=20))
        assert principal_of(house, again).sid == principal_of(house, grant).sid

    async def test_a_session_that_is_used_goes_on_and_one_that_is_not_ends_after_30_days(self, house):
        token = (await signed_in(house)).refresh_token
        for _ in range(4):
            house.clock.advance(timedelta(days=29))
            token = await refreshed(house, token)
        house.clock.advance(timedelta(days=30))
        assert await is_refused(house, token)

    async def test_a_session_is_forgotten_a_day_after_it_ended_by_itself(self, house):
        await signed_in(house, 1)
        house.clock.advance(timedelta(days=20))
        token = (await signed_in(house, 2)).refresh_token
        house.clock.advance(timedelta(days=11, seconds=1))
        assert [await house.accounts.sessions.forget_ended(rows_max=10) for _ in range(2)] == [1, 0]
        assert await refreshed(house, token)

    @pytest.mark.parametrize("token", ["", "x", "A" * 43, "\ud800", "\x00"])
    async def test_a_token_that_was_never_ours_is_refused_quietly(self, house, token):
        await signed_in(house)
        assert await is_refused(house, token)
        assert house.outbox.of(SignInRefused) == []

    async def test_a_lost_reply_is_answered_once_more_within_ten_seconds(self, house):
        first = (await signed_in(house)).refresh_token
        await refreshed(house, first)
        house.clock.advance(timedelta(seconds=10))
        sibling = await refreshed(house, first)
        assert await refreshed(house, sibling)
        assert house.outbox.of(SessionRevoked) == []

    async def test_a_token_used_three_times_ends_the_session(self, house):
        first = (await signed_in(house)).refresh_token
        tokens = [await refreshed(house, first), await refreshed(house, first)]
        assert await is_refused(house, first)
        assert [await is_refused(house, token) for token in tokens] == [True, True]

    async def test_late_reuse_ends_the_session_for_owner_and_thief_and_says_so_once(self, house):
        grant = await signed_in(house)
        first = grant.refresh_token
        second = await refreshed(house, first)
        house.clock.advance(timedelta(seconds=11))
        for token in (first, first, second):
            assert await is_refused(house, token)
        with pytest.raises(TokenRevoked):
            principal_of(house, grant)
        [refused] = house.outbox.of(SignInRefused)
        [revoked] = house.outbox.of(SessionRevoked)
        assert (refused.reason, refused.account_id) == ("refresh_token_reused", grant.user.id)
        assert revoked.session_id == refused.session_id

    async def test_a_stolen_token_is_useless_after_its_owner_went_on(self, house):
        """The owner used the token's successor, so no reply was lost: also within the ten seconds it is theft."""
        stolen = (await signed_in(house)).refresh_token
        owner = await refreshed(house, await refreshed(house, stolen))
        assert await is_refused(house, stolen)
        assert await is_refused(house, owner)

    async def test_of_two_siblings_the_second_one_used_is_taken_for_a_thief(self, house):
        first = (await signed_in(house)).refresh_token
        one, other = await refreshed(house, first), await refreshed(house, first)
        after = await refreshed(house, one)
        assert await is_refused(house, other)
        assert await is_refused(house, after)

    async def test_another_session_of_the_account_is_not_touched(self, house):
        stolen, other = (await signed_in(house)).refresh_token, (await signed_in(house)).refresh_token
        for token in (await refreshed(house, stolen), stolen, stolen):
            await is_refused(house, token)
        assert not await is_refused(house, other)

    async def test_two_at_the_same_moment_both_get_tokens(self, house):
        first = (await signed_in(house)).refresh_token
        one, other = await asyncio.gather(refreshed(house, first), refreshed(house, first))
        assert one != other
        assert not await is_refused(house, one)

    async def test_three_at_the_same_moment_are_two_and_a_thief(self, house):
        first = (await signed_in(house)).refresh_token
        outcomes = await asyncio.gather(*(is_refused(house, first) for _ in range(3)))
        assert sorted(outcomes) == [False, False, True]
        assert len(house.outbox.of(SessionRevoked)) == 1

    async def test_refresh_and_logout_at_the_same_moment_leave_nothing_alive(self, house):
        for n in range(5):
            grant = await signed_in(house, n)
            principal = principal_of(house, grant)
            outcomes = await asyncio.gather(
                refreshed(house, grant.refresh_token),
                house.accounts.sessions.log_out(principal, everywhere=bool(n % 2)),
                return_exceptions=True,
            )
            for token in (grant.refresh_token, outcomes[0]):
                assert not isinstance(token, str) or await is_refused(house, token)

    async def test_a_refresh_that_waited_for_a_logout_sees_it(self, house):
        """The session is locked before its token is read, so what is read is what the logout left."""
        grant = await signed_in(house)
        session_id = principal_of(house, grant).sid
        async with house.database.transaction() as tx:
            await store.revoke_session(tx, grant.user.id, session_id, at=house.clock.now())
            waiting = asyncio.create_task(is_refused(house, grant.refresh_token))
            while not await tx.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                continue
        assert await waiting

    async def test_the_session_remembers_where_it_was_last_used(self, house):
        grant = await signed_in(house)
        house.clock.advance(timedelta(minutes=5))
        await refreshed(house, grant.refresh_token, Origin("198.51.100.9", "moved/2"))
        [session] = await house.accounts.sessions.running(principal_of(house, grant))
        assert (session.address, session.device, session.used_at) == ("198.51.100.9", "moved/2", house.clock.now())
        assert session.ends_at == house.clock.now() + timedelta(days=30)

    async def test_spent_tokens_are_dropped_after_their_life(self, house):
        token = (await signed_in(house)).refresh_token
        for _ in range(8):
            house.clock.advance(timedelta(days=10))
            token = await refreshed(house, token)
        async with house.database.read() as tx:
            kept = await tx.fetchval("SELECT count(*) FROM accounts.refresh_token")
        assert kept == 4

    @pytest.mark.slow
    @settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from([0, 4, 11])), min_size=1, max_size=12))
    async def test_whatever_is_presented_when_at_most_one_chain_lives(self, house, steps):
        """Any token of a session in any order: never more than two answer, and after a theft none does."""
        tokens = [(await signed_in(house, house.ids().int % 10**15)).refresh_token]
        for which, wait_s in steps:
            house.clock.advance(timedelta(seconds=wait_s))
            try:
                tokens.append(await refreshed(house, tokens[which % len(tokens)]))
            except BadRefreshToken:
                assert [await is_refused(house, token) for token in tokens] == [True] * len(tokens)
                return
        async with house.database.read() as tx:
            live = await tx.fetchval(
                """SELECT max(n) FROM (
                    SELECT count(*) AS n FROM accounts.refresh_token JOIN accounts.session s ON s.id = session_id
                    WHERE state = 'live' AND s.revoked_at IS NULL GROUP BY session_id
                ) AS counted"""
            )
        assert live in (1, 2)


class TestEnding:
    async def test_logout_ends_this_session_and_no_other(self, house):
        here, there = await signed_in(house), await signed_in(house)
        await house.accounts.sessions.log_out(principal_of(house, here), everywhere=False)
        with pytest.raises(TokenRevoked):
            principal_of(house, here)
        assert await is_refused(house, here.refresh_token)
        principal_of(house, there)
        assert not await is_refused(house, there.refresh_token)

    async def test_logout_twice_is_logout_once(self, house):
        principal = principal_of(house, await signed_in(house))
        for _ in range(2):
            await house.accounts.sessions.log_out(principal, everywhere=False)
        assert len(house.outbox.of(SessionRevoked)) == 1

    async def test_logout_everywhere_ends_all_and_the_next_sign_in_works(self, house):
        grants = [await signed_in(house), await signed_in(house)]
        stranger = await signed_in(house, 2)
        await house.accounts.sessions.log_out(principal_of(house, grants[0]), everywhere=True)
        for grant in grants:
            with pytest.raises(TokenRevoked):
                principal_of(house, grant)
            assert await is_refused(house, grant.refresh_token)
        principal_of(house, stranger)
        principal_of(house, await signed_in(house))
        [event] = house.outbox.of(SessionRevoked)
        assert (event.session_id, event.version, event.account_id) == (None, 2, grants[0].user.id)

    async def test_ending_a_session_by_its_id(self, house):
        here, there = await signed_in(house), await signed_in(house)
        session_id = principal_of(house, there).sid
        await house.accounts.sessions.end(here.user.id, session_id)
        assert await is_refused(house, there.refresh_token)
        with pytest.raises(NoSuchSession):
            await house.accounts.sessions.end(here.user.id, session_id)

    async def test_nobody_ends_or_sees_the_session_of_another(self, house):
        mine, hers = await signed_in(house, 1), await signed_in(house, 2)
        her_session = principal_of(house, hers).sid
        with pytest.raises(NoSuchSession):
            await house.accounts.sessions.end(mine.user.id, her_session)
        seen = await house.accounts.sessions.running(principal_of(house, mine))
        assert [session.id for session in seen] == [principal_of(house, mine).sid]
        principal_of(house, hers)

    async def test_the_list_shows_running_sessions_the_last_used_first(self, house):
        grants = []
        for _ in range(3):
            grants.append(await signed_in(house))
            house.clock.advance(timedelta(seconds=1))
        await house.accounts.sessions.log_out(principal_of(house, grants[0]), everywhere=False)
        seen = await house.accounts.sessions.running(principal_of(house, grants[1]))
        assert [(session.id, session.current) for session in seen] == [
            (principal_of(house, grants[2]).sid, False),
            (principal_of(house, grants[1]).sid, True),
        ]

    async def test_beyond_the_most_sessions_the_longest_unused_ends(self, open_database, open_house):
        capped = msgspec.structs.replace(CHEAP, sessions_max=3)
        async with open_database(SCHEMA) as database, open_house(database, settings=capped) as house:
            grants = []
            for _ in range(5):
                grants.append(await signed_in(house))
                house.clock.advance(timedelta(seconds=1))
            assert len(await house.accounts.sessions.running(principal_of(house, grants[-1]))) == 3
            for grant in grants[:2]:
                with pytest.raises(TokenRevoked):
                    principal_of(house, grant)
            assert [event.reason for event in house.outbox.of(SessionRevoked)] == ["surplus", "surplus"]


async def test_however_it_is_printed_what_carries_secrets_shows_none(house):
    grant = await signed_in(house)
    values = [
        grant,
        Refresh(refresh_token=grant.refresh_token),
        LogIn(email="ann@example.org", password=grant.refresh_token),
        SignInDevice(device_id=grant.refresh_token),
        msgspec.structs.replace(CHEAP, signing_key_secret=grant.refresh_token),
    ]
    shown = repr(values) + pretty_repr(values) + str(values)
    assert shown.count("Grant(") == 3
    assert grant.refresh_token not in shown
    assert grant.access_token not in shown
