"""Signing in with OpenID Connect at a real provider: the whole flow, and everything that must not get in."""

from __future__ import annotations

import asyncio
import hmac
from datetime import timedelta

import msgspec
import pytest
from joserfc.jwk import RSAKey
from msgspec.structs import replace

from overworld.domains.accounts.external.errors import (
    BadAnswer,
    NoSuchProvider,
    NotProved,
    ProviderUnavailable,
    RedirectRefused,
)
from overworld.domains.accounts.external.messages import SignInExternal
from overworld.domains.accounts.external.rules import base64url
from overworld.domains.accounts.messages import SignedIn, SignInRefused, UserRegistered
from overworld.domains.accounts.types import Way
from tests.domains.accounts.conftest import HERE
from tests.domains.accounts.external.conftest import settings_of
from tests.domains.accounts.external.issuing import BACK

pytestmark = pytest.mark.slow

WRONG = (
    ({"nonce": "of another visit"}, "nonce"),
    ({"nonce": None}, "ValidationError"),
    ({"aud": "another client"}, "audience"),
    ({"aud": ["another client", "of the app"]}, "authorized party"),
    ({"azp": "another client"}, "authorized party"),
    ({"iss": "https://evil.example"}, "issuer"),
    ({"sub": ""}, "subject"),
    ({"sub": "x" * 256}, "subject"),
    ({"sub": None}, "ValidationError"),
    ({"exp": 1_000_000_000}, "expired"),
    ({"exp": None}, "ValidationError"),
    ({"exp": float("nan")}, "ID token"),
    ({"iat": float("nan")}, "ID token"),
    ({"nbf": float("nan")}, "ID token"),
    ({"iat": 4_000_000_000}, "from the future"),
    ({"nbf": 4_000_000_000}, "from the future"),
    ({"iat": 1_000_000_000}, "old"),
)


async def back(hall, issuer, *, who="ann", provider="acme"):
    """Somebody visits the provider and comes back with a code."""
    visit = await hall.visits.begin(provider, BACK, account_id=None)
    brought = await asyncio.to_thread(issuer.visit, visit.url, who=who)
    return visit, SignInExternal(flow=visit.flow, state=brought["state"], code=brought["code"], iss=brought["iss"])


async def refused(hall, command, provider="acme"):
    """That a command does not get in; gives why, which only our log learns."""
    with pytest.raises(NotProved) as caught:
        await hall.external.sign_in(provider, command, origin=HERE)
    assert caught.value.public_fields() == {}
    return caught.value.fields["reason"]


def claims(hall, visit, **changes):
    """The claims of an ID token that gets in."""
    now_s = hall.house.clock.now_us() // 1_000_000
    kept = {"sub": "ann", "aud": "of the app", "nonce": visit.nonce, "iat": now_s, "exp": now_s + 60}
    return {name: value for name, value in (kept | changes).items() if value is not None}


async def by_token(hall, issuer, *, how=None, **changes):
    """An app's own visit and the command with an ID token of these claims."""
    visit = await hall.visits.begin("acme", None, account_id=None)
    token = issuer.sign(claims(hall, visit, **({"iss": issuer.url} | changes)), **(how or {}))
    return SignInExternal(flow=visit.flow, id_token=token)


class TestByCode:
    @pytest.mark.parametrize("provider", ["acme", "posting", "public", "elliptic"])
    async def test_the_whole_flow_makes_an_account_and_then_finds_it(self, hall, issuer, provider):
        _, first = await back(hall, issuer, provider=provider)
        made = await hall.external.sign_in(provider, first, origin=HERE)
        _, second = await back(hall, issuer, provider=provider)
        found = await hall.external.sign_in(provider, second, origin=HERE)
        assert (made.is_new, found.is_new) == (True, False)
        assert made.grant.user.id == found.grant.user.id
        assert hall.house.accounts.verifier.verify(found.grant.access_token).account_id == made.grant.user.id
        [registered] = hall.house.outbox.of(UserRegistered)
        assert registered.way is Way.EXTERNAL
        assert len(hall.house.outbox.of(SignedIn)) == 2

    async def test_two_people_have_two_accounts_and_their_wishes(self, hall, issuer):
        _, ann = await back(hall, issuer, who="ann")
        _, bob = await back(hall, issuer, who="bob")
        first = await hall.external.sign_in("acme", replace(ann, username="Player One"), origin=HERE)
        second = await hall.external.sign_in("acme", replace(bob, username="Player One"), origin=HERE)
        assert first.grant.user.username == "Player One"
        assert second.grant.user.username.startswith("Player One-")

    async def test_a_visit_is_good_once(self, hall, issuer):
        _, command = await back(hall, issuer)
        await hall.external.sign_in("acme", command, origin=HERE)
        assert await refused(hall, command) == "no such visit any more"

    async def test_a_code_does_not_work_in_another_visit(self, hall, issuer):
        """Without the verifier of its own visit a stolen code is refused by the provider: that is PKCE."""
        _, stolen = await back(hall, issuer)
        mine = await hall.visits.begin("acme", BACK, account_id=None)
        assert "invalid_grant" in await refused(hall, replace(stolen, flow=mine.flow, state=mine.state))

    async def test_a_state_of_another_visit_is_refused_and_ends_the_visit(self, hall, issuer):
        _, command = await back(hall, issuer)
        other = await hall.visits.begin("acme", BACK, account_id=None)
        assert await refused(hall, replace(command, state=other.state)) == "state"
        assert await refused(hall, command) == "no such visit any more"

    async def test_a_visit_that_took_too_long_is_over(self, hall, issuer):
        _, command = await back(hall, issuer)
        hall.house.clock.advance(timedelta(seconds=600))
        assert await refused(hall, command) == "no such visit any more"

    async def test_a_code_of_another_issuer_is_never_handed_in(self, hall, issuer):
        _, command = await back(hall, issuer)
        assert "another issuer" in await refused(hall, replace(command, iss="https://evil.example"))
        _, again = await back(hall, issuer)
        assert "another issuer" in await refused(hall, replace(again, iss=None))

    async def test_a_visit_to_one_provider_does_not_end_at_another(self, hall, issuer):
        _, command = await back(hall, issuer, provider="posting")
        assert "another provider" in await refused(hall, command)

    async def test_a_visit_to_link_does_not_sign_in(self, hall, issuer):
        _, command = await back(hall, issuer)
        account = (await hall.external.sign_in("acme", command, origin=HERE)).grant.user.id
        visit = await hall.visits.begin("acme", BACK, account_id=account)
        brought = await asyncio.to_thread(issuer.visit, visit.url, who="eve")
        command = SignInExternal(flow=visit.flow, state=brought["state"], code=brought["code"], iss=brought["iss"])
        assert "another account" in await refused(hall, command)

    async def test_our_own_wrong_secret_is_a_fault_and_no_refusal(self, hall, issuer):
        _, command = await back(hall, issuer, provider="stranger")
        with pytest.raises(ProviderUnavailable):
            await hall.external.sign_in("stranger", command, origin=HERE)

    async def test_a_refusal_is_published_without_what_was_brought(self, hall, issuer):
        _, command = await back(hall, issuer)
        await refused(hall, replace(command, state="x"))
        [event] = hall.house.outbox.of(SignInRefused)
        assert (event.account_id, event.reason, event.address) == (None, "not_proved", HERE.address)


class TestBegin:
    async def test_nothing_that_works_is_kept(self, hall):
        visit = await hall.visits.begin("acme", BACK, account_id=None)
        async with hall.house.database.read() as tx:
            kept = str(await tx.fetchrow("SELECT * FROM accounts.external_flow"))
        assert visit.flow not in kept and visit.state not in kept and visit.nonce not in kept
        assert visit.flow not in visit.url
        assert visit.flow not in repr(visit)

    async def test_people_are_sent_back_to_listed_pages_only(self, hall):
        for page in ("https://evil.example/back", f"{BACK}/", f"{BACK}?next=1", BACK.upper()):
            with pytest.raises(RedirectRefused):
                await hall.visits.begin("acme", page, account_id=None)

    async def test_an_unknown_provider_is_told(self, hall):
        with pytest.raises(NoSuchProvider):
            await hall.visits.begin("nobody", BACK, account_id=None)

    async def test_visits_without_an_answer_are_forgotten(self, hall):
        await hall.visits.begin("acme", BACK, account_id=None)
        assert await hall.visits.forget(rows_max=10) == 0
        hall.house.clock.advance(timedelta(seconds=601))
        assert await hall.visits.forget(rows_max=10) == 1

    async def test_an_answer_is_one_proof_and_whole(self, hall):
        visit = await hall.visits.begin("acme", BACK, account_id=None)
        for brought in (
            {},
            {"code": "c"},
            {"code": "c", "state": "s", "id_token": "t"},
            {"id_token": "t", "openid": {}},
        ):
            with pytest.raises(BadAnswer):
                await hall.external.sign_in("acme", SignInExternal(flow=visit.flow, **brought), origin=HERE)


class TestByToken:
    async def test_an_app_signs_in_by_its_own_token(self, hall, issuer):
        command = await by_token(hall, issuer)
        assert (await hall.external.sign_in("acme", command, origin=HERE)).is_new
        assert await refused(hall, command) == "no such visit any more"

    async def test_the_same_person_by_code_and_by_token_is_one(self, hall, issuer):
        _, by_code = await back(hall, issuer)
        made = await hall.external.sign_in("acme", by_code, origin=HERE)
        found = await hall.external.sign_in("acme", await by_token(hall, issuer), origin=HERE)
        assert found.grant.user.id == made.grant.user.id

    async def test_a_claim_that_is_wrong_keeps_them_out(self, hall, issuer):
        for changes, reason in WRONG:
            assert reason in await refused(hall, await by_token(hall, issuer, **changes)), changes

    async def test_another_key_under_the_same_name_is_refused(self, hall, issuer):
        forged = RSAKey.generate_key(2048, {"kid": issuer.keys.keys[0].kid})
        assert "BadSignature" in await refused(hall, await by_token(hall, issuer, how={"key": forged}))

    async def test_the_public_key_is_no_shared_secret(self, hall, issuer):
        """Algorithm confusion: HS256 with the published key as the secret."""
        public = issuer.keys.keys[0]
        command = await by_token(hall, issuer)
        header = base64url(msgspec.json.encode({"alg": "HS256", "kid": public.kid}))
        signed = f"{header}.{command.id_token.split('.')[1]}"
        for secret in (public.as_pem(private=False), public.as_bytes(private=False)):
            signature = base64url(hmac.digest(secret, signed.encode(), "sha256"))
            command = replace(await by_token(hall, issuer), id_token=f"{signed}.{signature}")
            assert "ID token" in await refused(hall, command)

    async def test_a_token_without_a_signature_is_refused(self, hall, issuer):
        for header in ("eyJhbGciOiJub25lIn0", "eyJhbGciOiJOT05FIiwidHlwIjoiSldUIn0", "W1tb" * 4_000, "", "."):
            command = await by_token(hall, issuer)
            _, payload, _ = command.id_token.split(".")
            assert await refused(hall, replace(command, id_token=f"{header}.{payload}."))

    async def test_a_token_does_not_answer_a_visit_that_asked_for_a_code(self, hall, issuer):
        visit = await hall.visits.begin("acme", BACK, account_id=None)
        token = issuer.sign(claims(hall, visit, iss=issuer.url))
        assert "another kind" in await refused(hall, SignInExternal(flow=visit.flow, id_token=token))


class TestRotation:
    async def test_a_new_key_is_found_and_the_old_one_is_no_more(self, open_hall, issuer):
        async with open_hall(settings_of(issuer)) as hall:
            await hall.external.sign_in("acme", await by_token(hall, issuer), origin=HERE)
            old = issuer.keys.keys[0]
            issuer.rotate()
            hall.house.clock.advance(timedelta(seconds=31))
            assert not (await hall.external.sign_in("acme", await by_token(hall, issuer), origin=HERE)).is_new
            assert await refused(hall, await by_token(hall, issuer, how={"key": old})) == "ID token: unknown key"

    async def test_unknown_keys_do_not_make_us_ask_again_and_again(self, open_hall, issuer):
        async with open_hall(settings_of(issuer)) as hall:
            await hall.external.sign_in("acme", await by_token(hall, issuer), origin=HERE)
            issuer.rotate()
            for _ in range(3):
                assert await refused(hall, await by_token(hall, issuer)) == "ID token: unknown key"
            hall.house.clock.advance(timedelta(seconds=31))
            assert not (await hall.external.sign_in("acme", await by_token(hall, issuer), origin=HERE)).is_new
