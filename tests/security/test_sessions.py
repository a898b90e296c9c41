"""Session fixation and replay: what somebody had before a sign-in is nothing afterwards, and a stolen token ends."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from typing import Any
from uuid import uuid4

import httpx
import pytest

from bench.prove import ways_in
from tests.security.stage import PASSWORD, Person, Stage
from tests.system.target import code_of

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

BACK = {"redirect_uri": ways_in.BACK}


def claims_of(grant: dict[str, Any]) -> dict[str, Any]:
    payload = grant["access_token"].split(".")[1]
    claims: dict[str, Any] = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


async def refreshed(stage: Stage, token: str) -> httpx.Response:
    reply = await stage.http.post("/v1/auth/refresh", json={"refresh_token": token})
    if reply.status_code == 200:
        stage.granted(reply)
    return reply


async def is_in(person: Person) -> bool:
    return (await person.ask("GET", "/v1/users/me")).status_code == 200


async def test_a_sign_in_opens_a_session_of_its_own_whatever_it_brings_along(stage):
    """No token, cookie or parameter that somebody planted names the session that a sign-in opens."""
    planter = await stage.player()
    email, _ = await stage.registered()
    planted = claims_of(planter.grant)["sid"]
    headers = planter.headers | {"Cookie": f"session={planted}; sid={planted}", "X-Session-Id": planted}
    body = {"email": email, "password": PASSWORD}
    grants = [stage.granted(await stage.http.post("/v1/auth/login", json=body, headers=headers)) for _ in range(2)]
    assert len({planted, *(claims_of(each)["sid"] for each in grants)}) == 3
    assert {claims_of(each)["sub"] for each in grants}.isdisjoint({planter.id})
    reply = await stage.http.post("/v1/auth/login", json=body, params={"sid": planted})
    assert reply.status_code == 400


async def test_no_answer_sets_a_cookie_that_could_be_fixed(stage):
    replies = [
        await stage.http.post("/v1/auth/device", json={"device_id": f"attacks-{uuid4()}"}),
        await stage.http.get("/"),
        await stage.http.get("/docs"),
    ]
    assert [reply.headers.get_list("set-cookie") for reply in replies] == [[], [], []]


async def test_a_new_password_ends_every_session_that_was_there(stage):
    email, owner = await stage.registered()
    thief = stage.granted(await stage.http.post("/v1/auth/login", json={"email": email, "password": PASSWORD}))
    chosen = f"another {uuid4().hex}"
    stage.learn(chosen)
    body = {"current_password": PASSWORD, "password": chosen}
    fresh = stage.granted(await owner.ask("PUT", "/v1/auth/password", json=body))
    assert claims_of(fresh)["sid"] != claims_of(owner.grant)["sid"]
    for grant in (owner.grant, thief):
        assert (await refreshed(stage, grant["refresh_token"])).status_code == 401
        headers = {"Authorization": f"Bearer {grant['access_token']}"}
        assert code_of(await stage.http.get("/v1/users/me", headers=headers)) == (401, "accounts.token_revoked")


async def test_a_refresh_token_that_is_replayed_ends_its_whole_family(stage):
    """The thief's token, the owner's next one and every access token of the session."""
    owner = await stage.player()
    stolen = owner.grant["refresh_token"]
    following = [(await refreshed(stage, stolen)).json()["refresh_token"] for _ in range(2)]
    assert code_of(await refreshed(stage, stolen)) == (401, "accounts.bad_refresh_token")
    for token in following:
        assert code_of(await refreshed(stage, token)) == (401, "accounts.bad_refresh_token")
    assert not await is_in(owner)


async def test_a_refresh_token_is_of_no_use_to_another_account(stage):
    """Whoever sends it gets its owner's session, never their own with more in it."""
    owner, other = await stage.player(), await stage.player()
    body = {"refresh_token": owner.grant["refresh_token"]}
    reply = await stage.http.post("/v1/auth/refresh", json=body, headers=other.headers)
    assert claims_of(stage.granted(reply))["sub"] == owner.id


async def test_a_visit_that_one_began_links_nothing_to_another(stage):
    """A page could make somebody finish the attacker's visit, to have the attacker's account be a way into theirs."""
    attacker, victim = await stage.player(), await stage.player()
    before = await victim.get("/v1/auth/link")
    begun = await attacker.done("POST", "/v1/auth/link/wallet/begin")
    signed = ways_in._signed(begun["nonce"])
    assert code_of(await victim.ask("POST", "/v1/auth/link/wallet", json=signed)) == (401, "accounts.not_proved")
    assert await victim.get("/v1/auth/link") == before
    visit = await attacker.done("POST", "/v1/auth/link/steam/begin", BACK)
    body = {"flow": visit["flow"], "openid": {"openid.mode": "id_res"}}
    assert (await victim.ask("POST", "/v1/auth/link/steam", json=body)).status_code == 401
    assert await victim.get("/v1/auth/link") == before


async def test_a_wallets_message_is_good_once(stage):
    nonce = (await stage.http.post("/v1/auth/wallet/begin")).json()["nonce"]
    signed = ways_in._signed(nonce)
    stage.granted(await stage.http.post("/v1/auth/wallet", json=signed))
    assert code_of(await stage.http.post("/v1/auth/wallet", json=signed)) == (401, "accounts.not_proved")


async def test_a_passkey_ceremony_of_one_account_adds_nothing_to_another(stage):
    from tests.domains.accounts.authenticator import Authenticator

    attacker, victim = await stage.player(), await stage.player()
    begun = await attacker.done("POST", "/v1/auth/passkey/register/begin")
    made = {
        "ceremony": begun["ceremony"],
        "credential": Authenticator(credential_id=uuid4().bytes).create(begun["public_key"]),
    }
    reply = await victim.ask("POST", "/v1/auth/passkey/register/finish", json=made)
    assert code_of(reply) == (409, "accounts.ceremony_over")
    assert (await victim.get("/v1/auth/passkeys"))["items"] == []
