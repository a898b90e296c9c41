"""Ways into an account: adding them, letting go of them, and nobody's getting in by another's."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from overworld.domains.accounts.errors import BadCredentials, LastWay, TokenRevoked
from overworld.domains.accounts.external import store
from overworld.domains.accounts.external.errors import (
    AlreadyLinked,
    BadAnswer,
    ExternalTaken,
    NotLinked,
    NotProved,
)
from overworld.domains.accounts.external.messages import LinkWay, SignInExternal, WayLinked, WayUnlinked
from overworld.domains.accounts.external.wiring import build
from overworld.domains.accounts.messages import LogIn, Register, SessionRevoked, SignInDevice
from overworld.platform.http import HttpSettings, LimitSettings, build_http
from overworld.platform.observability import Metrics
from tests.domains.accounts.conftest import HERE
from tests.domains.accounts.external.conftest import settings_of
from tests.domains.accounts.external.issuing import BACK
from tests.domains.accounts.external.test_wallet import ANN, message, signed

pytestmark = pytest.mark.slow

PASSWORD = "correct horse battery"


class Vouching:
    """A provider that vouches for whoever a code names."""

    takes_id_tokens = False

    def __init__(self, issuer):
        self.issuer = issuer

    async def url(self, asked):
        return f"{self.issuer}/auth?state={asked.state}"

    async def proved(self, asked, answer):
        if answer.code == "wrong":
            raise NotProved(reason="wrong")
        return answer.code


@pytest.fixture
async def vouched(open_hall):
    known = {name: Vouching(f"https://{name}.example") for name in ("acme", "bank")}
    async with open_hall(settings_of(), providers=known) as opened:
        yield opened


async def answer(hall, code, *, provider="acme", account_id=None):
    visit = await hall.visits.begin(provider, BACK, account_id=account_id)
    return {"flow": visit.flow, "state": visit.state, "code": code}


async def sign_in(hall, code, *, provider="acme"):
    return await hall.external.sign_in(
        provider, SignInExternal(**await answer(hall, code, provider=provider)), origin=HERE
    )


async def by_device(hall, n=1):
    """Somebody signed in by a device, as routes see them."""
    command = SignInDevice(device_id=f"device-{n:016}")
    grant = (await hall.house.accounts.sign_in.sign_in_device(command, origin=HERE)).grant
    return hall.house.accounts.verifier.verify(grant.access_token)


async def by_password(hall):
    command = Register(email="ann@example.org", username="Ann", password=PASSWORD)
    grant = await hall.house.accounts.sign_in.register(command, origin=HERE)
    return hall.house.accounts.verifier.verify(grant.access_token)


async def link(hall, caller, code, *, provider="acme"):
    command = LinkWay(**await answer(hall, code, provider=provider, account_id=caller.account_id))
    return await hall.external.link(caller, provider, command, origin=HERE)


async def link_wallet(hall, caller):
    challenge = await hall.visits.challenge(account_id=caller.account_id)
    proof = signed(message(challenge.nonce, hall.house.clock.now()))
    command = LinkWay(message=proof.message, signature=proof.signature)
    return await hall.external.link(caller, "wallet", command, origin=HERE)


async def waiting(tx, n):
    """Returns once so many others wait for a lock."""
    while await tx.fetchval("SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted") < n:
        continue


def named(ways):
    return [way.way for way in ways]


class TestLink:
    async def test_an_anonymous_account_is_found_again_by_what_was_linked(self, vouched):
        caller = await by_device(vouched)
        ways = await link(vouched, caller, "ann")
        assert [(way.way, way.account) for way in ways] == [("device", None), ("acme", "ann")]
        entered = await sign_in(vouched, "ann")
        assert (entered.is_new, entered.grant.user.id) == (False, caller.account_id)
        [event] = vouched.house.outbox.of(WayLinked)
        assert (event.account_id, event.way) == (caller.account_id, "acme")

    async def test_linking_what_is_linked_changes_nothing(self, vouched):
        caller = await by_device(vouched)
        await link(vouched, caller, "ann")
        assert named(await link(vouched, caller, "ann")) == ["device", "acme"]
        device = LinkWay(device_id=f"device-{1:016}")
        assert named(await vouched.external.link(caller, "device", device, origin=HERE)) == ["device", "acme"]
        assert len(vouched.house.outbox.of(WayLinked)) == 1

    async def test_what_belongs_to_another_is_told_to_who_proved_it_and_stays_theirs(self, vouched):
        theirs = await sign_in(vouched, "ann")
        caller = await by_device(vouched)
        with pytest.raises(ExternalTaken):
            await link(vouched, caller, "ann")
        assert (await sign_in(vouched, "ann")).grant.user.id == theirs.grant.user.id
        assert named(await vouched.external.ways(caller.account_id)) == ["device"]

    async def test_a_second_one_of_the_same_issuer_is_refused(self, vouched):
        caller = await by_device(vouched)
        await link(vouched, caller, "ann")
        with pytest.raises(AlreadyLinked):
            await link(vouched, caller, "ann's other one")
        assert (await sign_in(vouched, "ann's other one")).is_new

    async def test_two_who_link_the_same_at_once_leave_it_to_one(self, vouched):
        callers = [await by_device(vouched, n) for n in range(4)]
        outcomes = await asyncio.gather(*(link(vouched, each, "ann") for each in callers), return_exceptions=True)
        assert sorted(type(each).__name__ for each in outcomes) == ["ExternalTaken"] * 3 + ["list"]

    async def test_a_twin_sign_in_makes_one_account(self, vouched):
        entered = await asyncio.gather(*(sign_in(vouched, "ann") for _ in range(4)))
        assert len({each.grant.user.id for each in entered}) == 1
        assert [each.is_new for each in entered].count(True) == 1

    async def test_a_visit_of_another_links_nothing(self, vouched):
        """Else somebody could make a victim's browser link the attacker's account elsewhere to the victim's here."""
        victim, eve = await by_device(vouched, 1), await by_device(vouched, 2)
        for account_id in (eve.account_id, None):
            command = LinkWay(**await answer(vouched, "eve", account_id=account_id))
            with pytest.raises(NotProved):
                await vouched.external.link(victim, "acme", command, origin=HERE)
        assert named(await vouched.external.ways(victim.account_id)) == ["device"]

    async def test_a_wallet_is_linked_and_stands_in_the_profile(self, vouched):
        caller = await by_password(vouched)
        assert named(await link_wallet(vouched, caller)) == ["password", "wallet"]
        assert (await vouched.house.accounts.profiles.me(caller.account_id)).wallet_address == ANN.address
        await vouched.external.unlink(caller, "wallet", origin=HERE)
        assert (await vouched.house.accounts.profiles.me(caller.account_id)).wallet_address is None

    async def test_a_nonce_to_sign_in_with_links_no_wallet(self, vouched):
        caller = await by_device(vouched)
        challenge = await vouched.visits.challenge(account_id=None)
        proof = signed(message(challenge.nonce, vouched.house.clock.now()))
        with pytest.raises(NotProved):
            await vouched.external.link(
                caller, "wallet", LinkWay(message=proof.message, signature=proof.signature), origin=HERE
            )

    async def test_another_device_is_linked_but_not_a_strangers_and_not_without_end(self, vouched):
        caller, _ = await by_device(vouched, 1), await by_device(vouched, 2)
        for n in range(3, 34):
            await vouched.external.link(caller, "device", LinkWay(device_id=f"device-{n:016}"), origin=HERE)
        assert (await by_device(vouched, 33)).account_id == caller.account_id
        with pytest.raises(AlreadyLinked):
            await vouched.external.link(caller, "device", LinkWay(device_id=f"device-{34:016}"), origin=HERE)
        with pytest.raises(ExternalTaken):
            await vouched.external.link(caller, "device", LinkWay(device_id=f"device-{2:016}"), origin=HERE)

    async def test_what_a_way_needs_is_told(self, vouched):
        caller = await by_device(vouched)
        for way in ("device", "wallet", "acme"):
            with pytest.raises(BadAnswer):
                await vouched.external.link(caller, way, LinkWay(), origin=HERE)

    async def test_an_account_that_is_gone_links_nothing(self, vouched):
        caller = await by_device(vouched)
        async with vouched.house.database.transaction() as tx:
            await tx.execute("DELETE FROM accounts.device")
            await tx.execute("DELETE FROM accounts.session")
            await tx.execute("DELETE FROM accounts.account WHERE id = $1", caller.account_id)
        with pytest.raises(TokenRevoked):
            await vouched.external.link(caller, "device", LinkWay(device_id=f"device-{9:016}"), origin=HERE)


class TestUnlink:
    async def test_the_last_way_in_stays(self, vouched):
        caller = await by_device(vouched)
        with pytest.raises(LastWay):
            await vouched.external.unlink(caller, "device", origin=HERE)
        await link(vouched, caller, "ann")
        await vouched.external.unlink(caller, "device", origin=HERE)
        with pytest.raises(LastWay):
            await vouched.external.unlink(caller, "acme", origin=HERE)
        [event] = vouched.house.outbox.of(WayUnlinked)
        assert event.way == "device"

    async def test_two_that_go_at_once_leave_one(self, vouched):
        caller = await by_device(vouched)
        await link(vouched, caller, "ann")
        outcomes = await asyncio.gather(
            *(vouched.external.unlink(caller, way, origin=HERE) for way in ("device", "acme")), return_exceptions=True
        )
        assert sorted(type(each).__name__ for each in outcomes) == ["LastWay", "NoneType"]

    async def test_ways_of_other_rooms_count(self, vouched):
        class Passkey:
            async def count(self, tx, account_id):
                return 1

        house = vouched.house
        parts = build(
            database=house.database,
            clock=house.clock,
            outbox=house.outbox,
            accounts=house.accounts,
            settings=settings_of(),
            others=[Passkey()],
        )
        caller = await by_device(vouched)
        await parts.external.unlink(caller, "device", origin=HERE)
        await parts.fetcher.close()
        assert await vouched.external.ways(caller.account_id) == []

    async def test_what_is_not_linked_cannot_go(self, vouched):
        caller = await by_device(vouched)
        for way in ("acme", "wallet", "password", "nobody", ""):
            with pytest.raises(NotLinked):
                await vouched.external.unlink(caller, way, origin=HERE)

    async def test_who_came_in_by_what_is_gone_is_out(self, vouched):
        """A thief who signed in by a lost device is out once its owner lets go of it; the owner stays in."""
        thief = await by_device(vouched)
        await link(vouched, thief, "ann")
        mine = vouched.house.accounts.verifier.verify((await sign_in(vouched, "ann")).grant.access_token)
        await vouched.external.unlink(mine, "device", origin=HERE)
        [revoked] = vouched.house.outbox.of(SessionRevoked)
        assert (revoked.session_id, revoked.reason) == (thief.sid, "unlinked")
        running = await vouched.house.accounts.sessions.running(mine)
        assert [each.id for each in running] == [mine.sid]
        assert (await by_device(vouched)).account_id != mine.account_id

    async def test_who_comes_in_by_what_goes_at_that_moment_is_out_too(self, vouched):
        """The sign-in has the way and waits for the account; letting go waits for the sign-in, and ends its session."""
        caller = await by_device(vouched)
        await link(vouched, caller, "ann")
        async with vouched.house.database.transaction() as tx:
            assert await store.lock_account(tx, caller.account_id)
            entering = asyncio.create_task(sign_in(vouched, "ann"))
            await waiting(tx, 1)
            leaving = asyncio.create_task(vouched.external.unlink(caller, "acme", origin=HERE))
            await waiting(tx, 2)
        entered = vouched.house.accounts.verifier.verify((await entering).grant.access_token)
        await leaving
        running = await vouched.house.accounts.sessions.running(caller)
        assert (entered.account_id, [each.id for each in running]) == (caller.account_id, [caller.sid])

    async def test_a_password_that_is_gone_opens_nothing(self, vouched):
        caller = await by_password(vouched)
        await link(vouched, caller, "ann")
        await vouched.external.unlink(caller, "password", origin=HERE)
        command = LogIn(email="ann@example.org", password=PASSWORD)
        with pytest.raises(BadCredentials):
            await vouched.house.accounts.sign_in.log_in(command, origin=HERE)

    async def test_what_was_let_go_can_be_linked_elsewhere(self, vouched):
        caller, other = await by_device(vouched, 1), await by_device(vouched, 2)
        await link(vouched, caller, "ann")
        await vouched.external.unlink(caller, "acme", origin=HERE)
        assert named(await link(vouched, other, "ann")) == ["device", "acme"]


class TestPreHijacking:
    async def test_an_account_elsewhere_never_opens_an_account_by_its_address(self, vouched):
        """Whoever registered with a victim's address before has no part in what the victim signs in to later."""
        squatter = await by_password(vouched)
        victim = await sign_in(vouched, "ann@example.org")
        assert victim.is_new and victim.grant.user.id != squatter.account_id
        assert (await vouched.house.accounts.profiles.me(victim.grant.user.id)).email is None

    async def test_who_gets_an_account_back_gets_it_without_the_ways_others_put_in(self, vouched):
        caller = await by_password(vouched)
        await link(vouched, caller, "eve")
        await vouched.external.link(caller, "device", LinkWay(device_id=f"device-{7:016}"), origin=HERE)
        async with vouched.house.database.transaction() as tx:
            assert sorted(await store.forget_linked(tx, caller.account_id)) == ["acme", "device"]
        assert named(await vouched.external.ways(caller.account_id)) == ["password"]
        assert (await sign_in(vouched, "eve")).is_new
        assert (await by_device(vouched, 7)).account_id != caller.account_id

    async def test_two_issuers_that_name_people_alike_do_not_share_them(self, vouched):
        ann = await sign_in(vouched, "1", provider="acme")
        other = await sign_in(vouched, "1", provider="bank")
        assert ann.grant.user.id != other.grant.user.id


async def test_the_real_provider_links_an_account(hall, issuer):
    caller = await by_device(hall)
    visit = await hall.visits.begin("acme", BACK, account_id=caller.account_id)
    brought = await asyncio.to_thread(issuer.visit, visit.url, who="ann")
    command = LinkWay(flow=visit.flow, state=brought["state"], code=brought["code"], iss=brought["iss"])
    assert named(await hall.external.link(caller, "acme", command, origin=HERE)) == ["device", "acme"]


class TestRoutes:
    @pytest.fixture
    async def ask(self, vouched):
        class NoKeys:
            def scopes(self, key):
                return frozenset()

        app: Any = build_http(
            routes=[*vouched.house.accounts.routes, *vouched.parts.routes],
            verifier=vouched.house.accounts.verifier,
            keys=NoKeys(),
            limiter=vouched.house.limiter,
            settings=HttpSettings(),
            limits=LimitSettings(enabled=False),
            metrics=Metrics(CollectorRegistry()),
        )
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            yield client

    async def test_somebody_signs_in_links_and_lets_go(self, ask):
        listed = (await ask.get("/v1/auth/social")).json()
        assert listed["items"] == [{"name": "acme", "id_token": False}, {"name": "bank", "id_token": False}]
        visit = (await ask.post("/v1/auth/social/acme/begin", json={"redirect_uri": BACK})).json()
        body = {"flow": visit["flow"], "state": visit["state"], "code": "ann"}
        first = await ask.post("/v1/auth/social/acme", json=body)
        assert (first.status_code, set(first.json())) == (
            201,
            {"access_token", "refresh_token", "token_type", "expires_in", "user"},
        )
        headers = {"authorization": f"Bearer {first.json()['access_token']}"}
        challenge = (await ask.post("/v1/auth/link/wallet/begin", headers=headers)).json()
        assert (challenge["domains"], challenge["chain_ids"], challenge["expires_in"]) == (["play.example"], [1], 600)
        visit = (await ask.post("/v1/auth/link/bank/begin", json={"redirect_uri": BACK}, headers=headers)).json()
        body = {"flow": visit["flow"], "state": visit["state"], "code": "ann"}
        linked = await ask.post("/v1/auth/link/bank", json=body, headers=headers)
        assert [each["way"] for each in linked.json()["items"]] == ["acme", "bank"]
        assert (await ask.delete("/v1/auth/link/acme", headers=headers)).status_code == 204
        last = await ask.delete("/v1/auth/link/bank", headers=headers)
        assert (last.status_code, last.json()["code"], last.json()["way"]) == (409, "accounts.last_way", "bank")
        assert [each["way"] for each in (await ask.get("/v1/auth/link", headers=headers)).json()["items"]] == ["bank"]

    async def test_a_wallet_signs_in(self, ask, vouched):
        nonce = (await ask.post("/v1/auth/wallet/begin")).json()["nonce"]
        proof = signed(message(nonce, vouched.house.clock.now()))
        body = {"message": proof.message, "signature": proof.signature}
        assert (await ask.post("/v1/auth/wallet", json=body)).status_code == 201
        again = await ask.post("/v1/auth/wallet", json=body)
        assert (again.status_code, again.json()["code"]) == (401, "accounts.not_proved")

    async def test_linking_asks_for_a_token(self, ask):
        for method, path in (("GET", ""), ("POST", "/acme"), ("POST", "/acme/begin"), ("DELETE", "/acme")):
            assert (await ask.request(method, f"/v1/auth/link{path}", json={})).status_code == 401

    async def test_every_failed_proof_looks_the_same(self, ask):
        visit = (await ask.post("/v1/auth/social/acme/begin", json={"redirect_uri": BACK})).json()
        good = {"flow": visit["flow"], "state": visit["state"], "code": "wrong"}
        bodies = [good | {"flow": "x" * 43}, good, good]
        replies = [(await ask.post("/v1/auth/social/acme", json=body)).json() for body in bodies]
        assert len({str({name: value for name, value in each.items() if name != "trace_id"}) for each in replies}) == 1
