"""Signing keys take turns without a gap: known before they sign, good until their last token is over."""

from __future__ import annotations

from datetime import timedelta

import pytest

from overworld.domains.accounts import SCHEMA
from overworld.domains.accounts.crypto import store as key_store
from overworld.domains.accounts.crypto.keys import SigningKeyLocked
from overworld.domains.accounts.errors import TokenRevoked
from overworld.domains.accounts.messages import SignInDevice, SigningKeyRotated
from overworld.domains.accounts.service import SigningKeys
from overworld.domains.accounts.types import KeyState
from tests.domains.accounts.conftest import HERE

LEAD, OVERLAP = timedelta(minutes=10), timedelta(minutes=31)
AT_ONCE = {"lead": timedelta(), "overlap": timedelta()}

pytestmark = pytest.mark.slow


async def token_of(house):
    command = SignInDevice(device_id="device-of-somebody")
    return (await house.accounts.sign_in.sign_in_device(command, origin=HERE)).grant.access_token


async def rotated(desk, *, lead=LEAD, overlap=OVERLAP, beside=None):
    async def nothing(tx):
        await tx.execute("SELECT")

    return await desk.accounts.keys.rotate(
        outbox=desk.here.outbox, beside=beside or nothing, lead=lead, overlap=overlap
    )


async def heard(desk):
    """The event wakes the loop, which does this."""
    await desk.elsewhere.accounts.on_events(desk.here.outbox.envelopes)
    assert desk.elsewhere.accounts.keys._stale.is_set()
    await tidied(desk)


async def tidied(desk):
    async with desk.here.database.transaction() as tx:
        await key_store.tidy_signing_keys(tx, desk.here.clock.now())
    for house in (desk.here, desk.elsewhere):
        await house.accounts.keys.load()


def kids(house):
    return [key["kid"] for key in house.accounts.keys.ring.jwks.keys]


async def kept(desk):
    async with desk.here.database.read() as tx:
        return [(key.kid, key.state, key.private_pem is not None) for key in await key_store.signing_keys(tx)]


async def test_no_token_is_ever_refused_while_keys_take_turns(desk, signing_key):
    old_token = await token_of(desk.here)
    new = await rotated(desk)
    await heard(desk)
    assert desk.told(SigningKeyRotated) == [SigningKeyRotated(kid=new.kid, signs_from=new.signs_from)]
    assert kids(desk.elsewhere) == kids(desk.here) == [signing_key.kid, new.kid]
    verifier = desk.elsewhere.accounts.verifier
    verifier.verify(old_token)
    desk.here.clock.advance(LEAD - timedelta(seconds=1))
    assert desk.accounts.keys.ring.signing(desk.here.clock.now())[0] == signing_key.kid
    last_of_old = await token_of(desk.here)
    desk.here.clock.advance(timedelta(seconds=1))
    for house in (desk.here, desk.elsewhere):
        assert house.accounts.keys.ring.signing(house.clock.now())[0] == new.kid
    verifier.verify(await token_of(desk.here))
    desk.here.clock.advance(timedelta(minutes=14))
    await tidied(desk)
    verifier.verify(last_of_old)
    assert await kept(desk) == [(signing_key.kid, KeyState.RETIRING, False), (new.kid, KeyState.ACTIVE, True)]
    desk.here.clock.advance(OVERLAP)
    await tidied(desk)
    assert await kept(desk) == [(new.kid, KeyState.ACTIVE, True)]
    assert kids(desk.elsewhere) == [new.kid]


async def test_a_stolen_key_ends_at_once_with_every_token_also_between_two_turns(desk, signing_key):
    token = await token_of(desk.here)
    for house in (desk.here, desk.elsewhere):
        house.accounts.verifier.verify(token)
    await rotated(desk)
    new = await rotated(desk, **AT_ONCE)
    await heard(desk)
    for house in (desk.here, desk.elsewhere):
        with pytest.raises(TokenRevoked):
            house.accounts.verifier.verify(token)
        assert kids(house) == [new.kid]
    desk.elsewhere.accounts.verifier.verify(await token_of(desk.here))
    assert await kept(desk) == [(new.kid, KeyState.ACTIVE, True)]


async def test_a_turn_within_a_turn_leaves_each_key_its_time(desk, signing_key):
    second = await rotated(desk)
    desk.here.clock.advance(timedelta(minutes=5))
    third = await rotated(desk)
    await heard(desk)
    signs = {}
    for minutes in (0, 5, 10):
        now = desk.here.clock.now() + timedelta(minutes=minutes)
        signs[minutes] = desk.elsewhere.accounts.keys.ring.signing(now)[0]
    assert signs == {0: signing_key.kid, 5: second.kid, 10: third.kid}


async def test_what_fails_beside_it_leaves_the_keys_as_they_were(desk, signing_key):
    async def fails(tx):
        raise ValueError("no audit, no turn")

    with pytest.raises(ValueError, match="no audit"):
        await rotated(desk, beside=fails)
    assert await kept(desk) == [(signing_key.kid, KeyState.ACTIVE, True)]


async def test_another_secret_than_that_of_the_servers_turns_nothing(desk, open_database, clock):
    async def nothing(tx):
        await tx.execute("SELECT")

    async with open_database(SCHEMA) as database:
        await SigningKeys(database=database, clock=clock, secret="right").load()
        wrong = SigningKeys(database=database, clock=clock, secret="wrong")
        with pytest.raises(SigningKeyLocked):
            await wrong.rotate(outbox=desk.here.outbox, beside=nothing, **AT_ONCE)
        async with database.read() as tx:
            assert len(await key_store.signing_keys(tx)) == 1
