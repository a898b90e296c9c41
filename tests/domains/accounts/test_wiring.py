"""Several processes on one database: they share keys, and hear of each other's revocations."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

import msgspec
import pytest

from overworld.domains.accounts import SCHEMA
from overworld.domains.accounts.crypto import store as key_store
from overworld.domains.accounts.crypto.keys import SigningKeyLocked, new_signing_key
from overworld.domains.accounts.errors import BadToken, TokenRevoked
from overworld.domains.accounts.messages import SignInDevice
from overworld.domains.accounts.service import SigningKeys
from overworld.domains.accounts.types import KeyState
from overworld.kernel.events import Envelope
from tests.domains.accounts.conftest import CHEAP, HERE


async def signed_in(house):
    command = SignInDevice(device_id="device-of-somebody")
    return (await house.accounts.sign_in.sign_in_device(command, origin=HERE)).grant.access_token


@pytest.fixture
async def houses(open_database, open_house):
    async with open_database(SCHEMA) as database, open_house(database) as one, open_house(database, seed=12) as other:
        yield one, other


async def test_a_token_of_one_process_is_good_in_another(houses):
    one, other = houses
    token = await signed_in(one)
    assert other.accounts.verifier.verify(token) == one.accounts.verifier.verify(token)


@pytest.mark.parametrize("everywhere", [False, True])
async def test_a_process_that_hears_of_a_revocation_refuses_the_token(houses, everywhere):
    one, other = houses
    token = await signed_in(one)
    principal = other.accounts.verifier.verify(token)
    await one.accounts.sessions.log_out(principal, everywhere=everywhere)
    other.accounts.verifier.verify(token)
    for _ in range(2):
        await other.accounts.on_events(one.outbox.envelopes)
    with pytest.raises(TokenRevoked):
        other.accounts.verifier.verify(token)


async def test_events_that_are_none_of_ours_are_passed_over(house):
    envelope = Envelope(
        id=UUID(int=1), topic="events.other.thing", at=house.clock.now(), key="", data=msgspec.Raw(b"{}")
    )
    await house.accounts.on_events([envelope])


@pytest.mark.parametrize("everywhere", [False, True])
async def test_a_process_that_starts_knows_what_was_revoked_before(open_database, open_house, everywhere):
    async with open_database(SCHEMA) as database:
        async with open_house(database) as one:
            token = await signed_in(one)
            await one.accounts.sessions.log_out(one.accounts.verifier.verify(token), everywhere=everywhere)
        one.clock.advance(timedelta(minutes=14))
        async with open_house(database) as later:
            with pytest.raises(TokenRevoked):
                later.accounts.verifier.verify(token)


@pytest.mark.slow
async def test_servers_that_start_at_once_agree_on_one_key(open_database, clock):
    async with open_database(SCHEMA) as database:
        servers = [SigningKeys(database=database, clock=clock, secret="") for _ in range(4)]
        await asyncio.gather(*(server.load() for server in servers))
        assert len({server.ring.signing(clock.now())[0] for server in servers}) == 1
        async with database.read() as tx:
            assert len(await key_store.signing_keys(tx)) == 1


async def test_a_server_with_another_secret_does_not_start(open_database, clock):
    async with open_database(SCHEMA) as database:
        await SigningKeys(database=database, clock=clock, secret="right").load()
        with pytest.raises(SigningKeyLocked):
            await SigningKeys(database=database, clock=clock, secret="wrong").load()


async def test_a_key_made_elsewhere_is_read_when_it_first_shows_up_and_not_more_often(houses):
    """The token is refused once, without I/O; the keys are read in the background, at most every five seconds."""
    one, other = houses
    async with one.database.transaction() as tx:
        await tx.execute(
            "UPDATE accounts.signing_key SET state = 'retiring', private_pem = NULL, ends_at = $1",
            one.clock.now() + timedelta(minutes=30),
        )
        new = new_signing_key(secret="", now=one.clock.now())
        await key_store.insert_signing_key(tx, new)
    old_token = await signed_in(one)
    await one.accounts.load()
    new_token = await signed_in(one)
    with pytest.raises(BadToken):
        other.accounts.verifier.verify(new_token)
    await other.accounts.keys.reloaded()
    for token in (old_token, new_token):
        other.accounts.verifier.verify(token)
    assert [key["kid"] for key in other.accounts.keys.ring.jwks.keys][-1] == new.kid
    reload = other.accounts.keys._reload
    with pytest.raises(BadToken):
        other.accounts.verifier.verify(new_token.replace(new_token.split(".")[0], _header_of("stranger")))
    assert other.accounts.keys._reload is reload


def _header_of(kid):
    import base64

    return (
        base64.urlsafe_b64encode(msgspec.json.encode({"alg": "RS256", "kid": kid, "typ": "JWT"})).rstrip(b"=").decode()
    )


async def test_only_one_key_is_active(house):
    async with house.database.transaction() as tx:
        await key_store.insert_signing_key(tx, new_signing_key(secret="", now=house.clock.now()))
        assert [key.state for key in await key_store.signing_keys(tx)] == [KeyState.ACTIVE]


async def test_close_ends_what_is_under_way(open_database, open_house):
    async with open_database(SCHEMA) as database, open_house(database, settings=CHEAP) as house:
        house.accounts.keys.reload_soon()
        await house.accounts.close()
        with pytest.raises(RuntimeError):
            await house.accounts.sign_in._passwords.hash("after the end")
