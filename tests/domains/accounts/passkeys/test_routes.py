"""Passkeys and second factors over HTTP, behind the real edge: as a browser and an app would, from end to end."""

from __future__ import annotations

import base64

import pytest

from overworld.domains.accounts.second_factor import codes
from tests.domains.accounts.authenticator import Authenticator
from tests.domains.accounts.test_routes import GRANT, client_of, signed_in


@pytest.fixture
async def ask(house):
    async with client_of(house) as client:
        yield client


async def begun_and_finished(ask, what, answer, headers=None, **more):
    begun = (await ask.post(f"/v1/auth/passkey/{what}/begin", headers=headers)).json()
    body = {"ceremony": begun["ceremony"], "credential": answer(begun["public_key"])} | more
    return await ask.post(f"/v1/auth/passkey/{what}/finish", json=body, headers=headers)


async def test_a_browser_adds_a_passkey_signs_in_by_it_and_forgets_it(ask):
    authenticator = Authenticator()
    grant, headers = await signed_in(ask)
    made = await begun_and_finished(ask, "register", authenticator.create, headers, name="My phone")
    assert (made.status_code, made.json()["name"], made.json()["synced"]) == (201, "My phone", False)
    logged_in = await begun_and_finished(ask, "login", authenticator.get)
    assert (logged_in.status_code, set(logged_in.json())) == (200, GRANT)
    assert logged_in.json()["user"] == grant["user"]
    assert logged_in.headers["cache-control"] == "no-store"
    page = (await ask.get("/v1/auth/passkeys", headers=headers)).json()
    assert [item["id"] for item in page["items"]] == [made.json()["id"]]
    for status in (204, 404):
        assert (await ask.delete(f"/v1/auth/passkeys/{made.json()['id']}", headers=headers)).status_code == status
    refused = await begun_and_finished(ask, "login", authenticator.get)
    assert (refused.status_code, refused.json()["code"]) == (401, "accounts.bad_passkey")


async def test_a_refused_answer_tells_nothing_of_what_was_wrong(ask):
    """Unknown, wrongly signed and copied passkeys get the same bytes, but for the trace."""
    authenticator, stranger = Authenticator(), Authenticator(credential_id=b"nobody's")
    _, headers = await signed_in(ask)
    await begun_and_finished(ask, "register", authenticator.create, headers)
    unknown = await begun_and_finished(ask, "login", stranger.get)
    authenticator.step = 0
    copied = await begun_and_finished(ask, "login", authenticator.get)
    authenticator.key = stranger.key
    wrong = await begun_and_finished(ask, "login", authenticator.get)
    replies = [reply.json() | {"trace_id": ""} for reply in (unknown, copied, wrong)]
    assert replies == [replies[0]] * 3


@pytest.mark.parametrize("name", ["", "n" * 65, "two\nlines", "nothing\x00after"])
async def test_names_that_cannot_be_kept_or_shown_are_refused(ask, name):
    _, headers = await signed_in(ask)
    reply = await begun_and_finished(ask, "register", Authenticator().create, headers, name=name)
    assert (reply.status_code, reply.json()["code"]) == (400, "http.bad_request")


async def test_an_app_s_code_opens_what_staff_may_do_and_no_more_than_before_without_it(ask, house):
    _, headers = await signed_in(ask)
    async with house.database.transaction() as tx:
        await tx.execute("UPDATE accounts.account SET role = 'auditor'")
    shown = (await ask.post("/v1/auth/totp", headers=headers)).json()
    secret = base64.b32decode(shown["secret"])
    code = codes.code_at(secret, codes.step_at(house.clock.now()))
    confirmed = (await ask.post("/v1/auth/totp/confirm", headers=headers, json={"code": code})).json()
    assert len(confirmed["recovery_codes"]) == 10
    grant, headers = await signed_in(ask)
    assert grant["second_factor"] == "needed"
    replayed = await ask.post("/v1/auth/totp/verify", headers=headers, json={"code": code})
    assert (replayed.status_code, replayed.json()["code"]) == (403, "accounts.bad_code")
    proved = await ask.post("/v1/auth/totp/verify", headers=headers, json={"code": confirmed["recovery_codes"][0]})
    scopes = [house.accounts.verifier.verify(each["access_token"]).scopes for each in (grant, proved.json())]
    assert [("audit.read" in each) for each in scopes] == [False, True]
    assert (await ask.get("/v1/auth/totp", headers=headers)).json() == {
        "set_up": True,
        "needed": True,
        "proved": True,
        "recovery_codes_left": 9,
    }
