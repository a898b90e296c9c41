"""Both ceremonies against an authenticator in software: what lets somebody in, and everything that does not."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import asynccontextmanager
from datetime import timedelta

import msgspec
import pytest
from msgspec.structs import replace

from overworld.domains.accounts import SCHEMA, AccountsSettings
from overworld.domains.accounts.errors import LastWay, SecondFactorNeeded
from overworld.domains.accounts.messages import SignedIn, SignInDevice, SignInRefused
from overworld.domains.accounts.passkeys.errors import (
    BadPasskey,
    CeremonyOver,
    NoSuchPasskey,
    PasskeyKnown,
    PasskeyRefused,
    TooManyPasskeys,
)
from overworld.domains.accounts.passkeys.messages import AddPasskey, SignInPasskey
from tests.domains.accounts.authenticator import BACKED_UP, BACKUP_ELIGIBLE, USER_PRESENT, USER_VERIFIED, Authenticator
from tests.domains.accounts.conftest import CHEAP, HERE

DEVICE = "the-device-of-somebody"


@pytest.fixture
def authenticator():
    return Authenticator()


@pytest.fixture
def open_with(open_database, open_house):
    """A house with other settings: `async with open_with(passkeys_max=1) as house`."""

    @asynccontextmanager
    async def opened(**changed):
        async with open_database(SCHEMA) as database, open_house(database, settings=replace(CHEAP, **changed)) as house:
            yield house

    return opened


async def somebody(house, device=DEVICE):
    """Signs in by a device; the principal of its token."""
    command = SignInDevice(device_id=device)
    return principal_of(house, (await house.accounts.sign_in.sign_in_device(command, origin=HERE)).grant)


def principal_of(house, grant):
    return house.accounts.verifier.verify(grant.access_token)


def added(begun, credential, **more):
    return msgspec.convert({"ceremony": begun.ceremony, "credential": credential} | more, AddPasskey)


def signing(begun, credential):
    return msgspec.convert({"ceremony": begun.ceremony, "credential": credential}, SignInPasskey)


async def registered(house, authenticator, principal):
    begun = await house.accounts.passkeys.begin_adding(principal)
    return await house.accounts.passkeys.add(added(begun, authenticator.create(begun.public_key)), principal)


async def sign_in(house, authenticator, **client_data):
    begun = await house.accounts.passkeys.begin_signing_in()
    command = signing(begun, authenticator.get(begun.public_key, **client_data))
    return await house.accounts.passkeys.sign_in(command, origin=HERE)


@pytest.mark.parametrize("kind", ["ES256", "EdDSA", "RS256"])
async def test_who_registered_a_passkey_signs_in_by_it_and_by_nothing_else(house, kind):
    authenticator, principal = Authenticator(kind), await somebody(house)
    seen = await registered(house, authenticator, principal)
    grant = await sign_in(house, authenticator)
    assert grant.user.id == principal.account_id
    assert (seen.name, seen.transports, seen.synced, seen.used_at) == ("Passkey", ("internal", "hybrid"), False, None)
    signed_in = house.outbox.of(SignedIn)[-1]
    assert (signed_in.way, signed_in.account_id) == ("passkey", principal.account_id)
    [listed] = await house.accounts.passkeys.listed(principal)
    assert listed == replace(seen, used_at=house.clock.now())


async def test_the_browser_is_asked_for_a_discoverable_key_pair_of_this_relying_party(house, authenticator):
    principal = await somebody(house)
    await registered(house, authenticator, principal)
    making = (await house.accounts.passkeys.begin_adding(principal)).public_key
    assert making["rp"] == {"id": "localhost", "name": "Overworld"}
    assert making["authenticatorSelection"] == {
        "residentKey": "required",
        "requireResidentKey": True,
        "userVerification": "required",
    }
    assert [known["id"] for known in making["excludeCredentials"]] == ["YSBzb2Z0d2FyZSBjcmVkZW50aWFs"]
    asked = (await house.accounts.passkeys.begin_signing_in()).public_key
    assert (asked["rpId"], asked["allowCredentials"], asked["userVerification"]) == ("localhost", [], "required")
    assert asked["challenge"] != making["challenge"]


async def test_an_answer_lets_in_once(house, authenticator):
    await registered(house, authenticator, await somebody(house))
    begun = await house.accounts.passkeys.begin_signing_in()
    command = signing(begun, authenticator.get(begun.public_key))
    outcomes = await asyncio.gather(
        *(house.accounts.passkeys.sign_in(command, origin=HERE) for _ in range(4)), return_exceptions=True
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["CeremonyOver"] * 3 + ["Grant"]


async def test_a_wrong_answer_uses_the_ceremony_up(house, authenticator):
    await registered(house, authenticator, await somebody(house))
    begun = await house.accounts.passkeys.begin_signing_in()
    wrong = signing(begun, authenticator.get(begun.public_key, origin="https://elsewhere.example"))
    right = signing(begun, authenticator.get(begun.public_key))
    with pytest.raises(BadPasskey):
        await house.accounts.passkeys.sign_in(wrong, origin=HERE)
    with pytest.raises(CeremonyOver):
        await house.accounts.passkeys.sign_in(right, origin=HERE)


async def test_an_answer_that_comes_late_is_refused(house, authenticator):
    principal = await somebody(house)
    await registered(house, authenticator, principal)
    making, begun = (
        await house.accounts.passkeys.begin_adding(principal),
        await house.accounts.passkeys.begin_signing_in(),
    )
    house.clock.advance(timedelta(seconds=begun.expires_in))
    with pytest.raises(CeremonyOver):
        await house.accounts.passkeys.sign_in(signing(begun, authenticator.get(begun.public_key)), origin=HERE)
    with pytest.raises(CeremonyOver):
        await house.accounts.passkeys.add(added(making, Authenticator().create(making.public_key)), principal)


async def test_ceremonies_that_are_over_do_not_pile_up(house):
    for _ in range(12):
        await house.accounts.passkeys.begin_signing_in()
    house.clock.advance(timedelta(hours=1))
    for _ in range(2):
        await house.accounts.passkeys.begin_signing_in()
    async with house.database.read() as tx:
        assert await tx.fetchval("SELECT count(*) FROM accounts.passkey_ceremony") == 2


async def test_the_signature_of_another_challenge_is_refused(house, authenticator):
    await registered(house, authenticator, await somebody(house))
    other, begun = [await house.accounts.passkeys.begin_signing_in() for _ in range(2)]
    command = signing(begun, authenticator.get(other.public_key))
    with pytest.raises(BadPasskey):
        await house.accounts.passkeys.sign_in(command, origin=HERE)


async def test_a_ceremony_ends_with_the_session_that_began_it_and_for_what_it_was_begun(house, authenticator):
    ann, again, bea = await somebody(house), await somebody(house), await somebody(house, "the-device-of-another")
    for other in (again, bea):
        begun = await house.accounts.passkeys.begin_adding(ann)
        with pytest.raises(CeremonyOver):
            await house.accounts.passkeys.add(added(begun, authenticator.create(begun.public_key)), other)
    await registered(house, authenticator, ann)
    making, signing_in = (
        await house.accounts.passkeys.begin_adding(ann),
        await house.accounts.passkeys.begin_signing_in(),
    )
    with pytest.raises(CeremonyOver):
        await house.accounts.passkeys.sign_in(signing(making, authenticator.get(making.public_key)), origin=HERE)
    answer = Authenticator().create(making.public_key | {"challenge": signing_in.public_key["challenge"]})
    with pytest.raises(CeremonyOver):
        await house.accounts.passkeys.add(added(signing_in, answer), ann)


async def test_a_challenge_alone_ends_nothing(house, authenticator):
    """Whoever sees the challenge or the whole answer still lacks the secret of who began."""
    await registered(house, authenticator, await somebody(house))
    begun = await house.accounts.passkeys.begin_signing_in()
    seen = signing(replace(begun, ceremony=begun.public_key["challenge"]), authenticator.get(begun.public_key))
    with pytest.raises(CeremonyOver):
        await house.accounts.passkeys.sign_in(seen, origin=HERE)


async def test_a_count_that_does_not_grow_tells_of_a_copy(house, authenticator):
    principal = await somebody(house)
    await registered(house, authenticator, principal)
    await sign_in(house, authenticator)
    authenticator.step = 0
    with pytest.raises(BadPasskey):
        await sign_in(house, authenticator)
    refused = house.outbox.of(SignInRefused)[-1]
    assert (refused.reason, refused.account_id, refused.way) == ("passkey_copied", principal.account_id, "passkey")
    authenticator.step = 1
    assert (await sign_in(house, authenticator)).user.id == principal.account_id


async def test_an_authenticator_that_does_not_count_signs_in_again_and_again(house):
    authenticator = Authenticator(counts=False)
    await registered(house, authenticator, await somebody(house))
    for _ in range(3):
        await sign_in(house, authenticator)


async def test_a_passkey_with_a_copy_elsewhere_is_shown_as_such(house, authenticator):
    authenticator.flags |= BACKUP_ELIGIBLE | BACKED_UP
    assert (await registered(house, authenticator, await somebody(house))).synced


def other_key(authenticator):
    authenticator.key = Authenticator().key


def other_page(authenticator):
    authenticator.origin = "https://localhost.elsewhere.example"


def other_party(authenticator):
    authenticator.rp_id = "elsewhere.example"


def nobody_there(authenticator):
    authenticator.flags &= ~USER_PRESENT


def nobody_verified(authenticator):
    authenticator.flags &= ~USER_VERIFIED


def other_owner(authenticator):
    authenticator.user_handle = bytes(16)


def no_owner(authenticator):
    authenticator.user_handle = b""


def unknown(authenticator):
    authenticator.credential_id = b"another credential"


@pytest.mark.parametrize(
    "change", [other_key, other_page, other_party, nobody_there, nobody_verified, other_owner, no_owner, unknown]
)
async def test_one_thing_that_is_wrong_keeps_out(house, authenticator, change):
    await registered(house, authenticator, await somebody(house))
    change(authenticator)
    with pytest.raises(BadPasskey):
        await sign_in(house, authenticator)
    assert house.outbox.of(SignInRefused)[-1].reason == "bad_passkey"


@pytest.mark.parametrize("client_data", [{"crossOrigin": True}, {"type": "webauthn.create"}, {"challenge": "AAAA"}])
async def test_client_data_that_says_otherwise_keeps_out(house, authenticator, client_data):
    await registered(house, authenticator, await somebody(house))
    with pytest.raises(BadPasskey):
        await sign_in(house, authenticator, **client_data)


@pytest.mark.parametrize("change", [other_page, other_party, nobody_there, nobody_verified])
async def test_one_thing_that_is_wrong_makes_no_passkey(house, authenticator, change):
    principal = await somebody(house)
    change(authenticator)
    with pytest.raises(PasskeyRefused):
        await registered(house, authenticator, principal)
    assert await house.accounts.passkeys.listed(principal) == []


@pytest.mark.parametrize(
    "fmt", ["packed", "tpm", "android-key", "apple", "fido-u2f", "android-safetynet", "unheard-of"]
)
async def test_an_attestation_that_nobody_asked_for_is_not_looked_at(house, authenticator, fmt):
    principal = await somebody(house)
    begun = await house.accounts.passkeys.begin_adding(principal)
    credential = authenticator.create(begun.public_key, fmt=fmt)
    with pytest.raises(PasskeyRefused):
        await house.accounts.passkeys.add(added(begun, credential), principal)


@pytest.mark.parametrize("junk", ["", "AAAA", "!", "n" * 4_000, "_" * 400])
async def test_junk_of_an_authenticator_is_refused_and_never_a_bug(house, authenticator, junk):
    principal = await somebody(house)
    await registered(house, authenticator, principal)
    for member in ("clientDataJSON", "attestationObject"):
        begun = await house.accounts.passkeys.begin_adding(principal)
        credential = authenticator.create(begun.public_key)
        credential["response"][member] = junk
        with pytest.raises(PasskeyRefused):
            await house.accounts.passkeys.add(added(begun, credential), principal)
    for member in ("clientDataJSON", "authenticatorData", "signature", "userHandle"):
        begun = await house.accounts.passkeys.begin_signing_in()
        credential = authenticator.get(begun.public_key)
        credential["response"][member] = junk[:128]
        with pytest.raises(BadPasskey):
            await house.accounts.passkeys.sign_in(signing(begun, credential), origin=HERE)


async def test_user_verification_is_asked_for_where_the_setting_says_so(open_with, authenticator):
    async with open_with(passkey_user_verification="preferred") as house:
        authenticator.flags = USER_PRESENT
        await registered(house, authenticator, await somebody(house))
        assert (await sign_in(house, authenticator)).user.username
        begun = await house.accounts.passkeys.begin_signing_in()
        assert begun.public_key["userVerification"] == "preferred"


async def test_a_credential_is_registered_once_whoever_brings_it(house, authenticator):
    ann, bea = await somebody(house), await somebody(house, "the-device-of-another")
    await registered(house, authenticator, ann)
    for principal in (ann, bea):
        with pytest.raises(PasskeyKnown):
            await registered(house, Authenticator(), principal)
    assert (await sign_in(house, authenticator)).user.id == ann.account_id


async def test_an_account_has_so_many_passkeys_and_no_more(open_with, authenticator):
    async with open_with(passkeys_max=1) as house:
        principal = await somebody(house)
        first, second = [await house.accounts.passkeys.begin_adding(principal) for _ in range(2)]
        await house.accounts.passkeys.add(added(first, authenticator.create(first.public_key)), principal)
        other = Authenticator(credential_id=b"second")
        with pytest.raises(TooManyPasskeys):
            await house.accounts.passkeys.add(added(second, other.create(second.public_key)), principal)
        with pytest.raises(TooManyPasskeys):
            await house.accounts.passkeys.begin_adding(principal)


async def test_a_forgotten_passkey_lets_nobody_in_and_only_its_owner_forgets_it(house, authenticator):
    ann, bea = await somebody(house), await somebody(house, "the-device-of-another")
    seen = await registered(house, authenticator, ann)
    with pytest.raises(NoSuchPasskey):
        await house.accounts.passkeys.forget(bea, seen.id)
    await house.accounts.passkeys.forget(ann, seen.id)
    with pytest.raises(NoSuchPasskey):
        await house.accounts.passkeys.forget(ann, seen.id)
    with pytest.raises(BadPasskey):
        await sign_in(house, authenticator)


async def test_the_last_way_in_stays(house, authenticator):
    principal = await somebody(house)
    seen = await registered(house, authenticator, principal)
    async with house.database.transaction() as tx:
        await tx.execute("DELETE FROM accounts.device")
    with pytest.raises(LastWay):
        await house.accounts.passkeys.forget(principal, seen.id)
    assert (await sign_in(house, authenticator)).user.id == principal.account_id


async def test_a_key_that_acts_for_an_account_adds_no_passkey(house):
    principal = await somebody(house)
    with pytest.raises(SecondFactorNeeded):
        await house.accounts.passkeys.begin_adding(msgspec.structs.replace(principal, sid=None))


@pytest.mark.parametrize(
    ("origin", "fault"),
    [
        ("http://play.example", "https"),
        ("https://play.example/path", "no origin"),
        ("https://user@play.example", "no origin"),
        ("https://notplay.example", "not in"),
        ("https://play.example.elsewhere.test", "not in"),
        ("play.example", "no origin"),
    ],
)
def test_settings_refuse_origins_that_no_browser_would_let_use_the_passkeys(origin, fault):
    with pytest.raises(ValueError, match=fault):
        AccountsSettings(passkey_rp_id="play.example", passkey_origins=(origin,))


@pytest.mark.parametrize(
    "origin", ["https://play.example", "https://eu.play.example:8443", "android:apk-key-hash:AAAA"]
)
def test_settings_take_the_host_its_subdomains_and_apps(origin):
    assert AccountsSettings(passkey_rp_id="play.example", passkey_origins=(origin,)).passkey_origins == (origin,)


def test_a_server_starts_without_the_libraries_of_passkeys():
    program = "import sys, overworld.app.serve, overworld.app.compose; print('webauthn' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)  # noqa: S603 - itself
    assert ran.stdout.strip() == "False"
