"""User enumeration: no answer and no time tells whether somebody has an account, but where that cannot be helped."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.domains.accounts.authenticator import Authenticator
from tests.security.stage import PASSWORD, Stage
from tests.system.target import code_of

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

OWN = frozenset({"date", "x-request-id", "traceparent"})
ROUNDS = 12


def told(reply: httpx.Response) -> dict[str, Any]:
    """All that an answer says, but for the names of its own trace."""
    headers = sorted((name, value) for name, value in reply.headers.items() if name not in OWN)
    headers = [each for each in headers if not each[0].startswith("ratelimit-")]
    body = reply.json() | {"trace_id": ""} if reply.content else None
    return {"status": reply.status_code, "headers": headers, "body": body}


async def asked(stage: Stage, path: str, body: dict[str, Any]) -> httpx.Response:
    """A request from an address that asked for nothing yet."""
    return await stage.http.post(path, json=body, headers={"X-Forwarded-For": stage.address()})


async def alike(stage: Stage, path: str, *bodies: dict[str, Any]) -> dict[str, Any]:
    """What all bodies are told."""
    answers = [told(await asked(stage, path, body)) for body in bodies]
    assert answers == [answers[0]] * len(bodies)
    return answers[0]


def nobody() -> str:
    """An address that has no account, as long as one that has."""
    return f"u{uuid4().hex[:16]}@example.org"


async def test_signing_in_tells_nothing(stage):
    email, _ = await stage.registered()
    device = await stage.player()
    bodies = [{"email": each, "password": "a wrong guess"} for each in (email, nobody(), f"{device.username}@x")]
    assert (await alike(stage, "/v1/auth/login", *bodies))["status"] == 401


async def test_asking_for_a_new_password_tells_nothing(stage):
    email, _ = await stage.registered()
    bodies = [{"email": each} for each in (email, nobody(), email.upper())]
    assert (await alike(stage, "/v1/auth/password/forgot", *bodies))["status"] == 204


async def test_a_mails_token_tells_nothing_of_whose_it_is(stage):
    email, _ = await stage.registered()
    used = await stage.mailed(email, "confirm your e-mail address")
    assert (await asked(stage, "/v1/auth/email/confirm", {"token": used})).status_code == 204
    tokens = (used, "x" * 43, "A" * 43)
    assert (await alike(stage, "/v1/auth/email/confirm", *({"token": each} for each in tokens)))["status"] == 400
    bodies = [{"token": each, "password": f"another {uuid4().hex}"} for each in tokens]
    assert (await alike(stage, "/v1/auth/password/reset", *bodies))["status"] == 400


async def test_changing_ones_address_to_anothers_tells_nothing(stage):
    email, _ = await stage.registered()
    answers = []
    for wanted in (email, nobody()):
        _, asking = await stage.registered()
        reply = await asking.ask("PUT", "/v1/auth/email", json={"email": wanted, "password": PASSWORD})
        answers.append(told(reply))
    assert answers[0] == answers[1]
    assert answers[0]["status"] == 204


async def test_a_passkey_tells_nothing(stage):
    """Beginning names nobody, and an unknown passkey is refused like one that signs wrongly."""
    owner, key, stranger = await stage.player(), Authenticator(credential_id=uuid4().bytes), Authenticator()
    begun = await owner.done("POST", "/v1/auth/passkey/register/begin")
    made = {"ceremony": begun["ceremony"], "credential": key.create(begun["public_key"])}
    await owner.done("POST", "/v1/auth/passkey/register/finish", made)
    key.key = stranger.key
    answers = []
    for each in (key, stranger):
        begun = (await asked(stage, "/v1/auth/passkey/login/begin", {})).json()
        assert begun["public_key"].get("allowCredentials", []) == []
        signed = {"ceremony": begun["ceremony"], "credential": each.get(begun["public_key"])}
        answers.append(told(await asked(stage, "/v1/auth/passkey/login/finish", signed)))
    assert answers[0] == answers[1]
    assert answers[0]["status"] == 401


async def test_a_provider_tells_nothing_of_who_has_come_before(stage):
    visits = [
        (await asked(stage, "/v1/auth/social/steam/begin", {"redirect_uri": "https://play.example/back"})).json()
        for _ in range(2)
    ]
    bodies = [{"flow": each["flow"], "openid": {"openid.mode": "cancel"}} for each in visits]
    unknown = {"flow": "x" * 43, "openid": {"openid.mode": "cancel"}}
    assert (await alike(stage, "/v1/auth/social/steam", *bodies, unknown))["status"] == 401


async def test_refresh_tokens_tell_nothing(stage):
    """Unknown, used twice, ended."""
    used, ended = await stage.player(), await stage.player()
    for _ in range(3):
        await asked(stage, "/v1/auth/refresh", {"refresh_token": used.grant["refresh_token"]})
    await ended.ask("POST", "/v1/auth/logout")
    tokens = ("x" * 43, used.grant["refresh_token"], ended.grant["refresh_token"])
    assert (await alike(stage, "/v1/auth/refresh", *({"refresh_token": each} for each in tokens)))["status"] == 401


async def test_registering_alone_tells_that_an_address_is_taken_and_only_a_few_times_an_hour(stage):
    """Whoever comes has to be told that they have an account already; a list of addresses cannot be tried so."""
    email, _ = await stage.registered()
    address, codes = stage.address(), []
    for _ in range(6):
        body = {"email": email, "username": f"u{uuid4().hex[:16]}", "password": PASSWORD}
        reply = await stage.http.post("/v1/auth/register", json=body, headers={"X-Forwarded-For": address})
        codes.append(code_of(reply))
    assert codes == [(409, "accounts.email_taken")] * 5 + [(429, "accounts.too_many_registrations")]


async def test_an_unknown_address_costs_the_server_as_much_as_a_known_one(stage):
    """By the server's own processor time, which others on the machine do not change; asked for in turn."""
    import psutil

    server = psutil.Process(stage.server.family[0].pid)

    def spent_s() -> float:
        times = server.cpu_times()
        return float(times.user + times.system)

    async def cost_s(who: str) -> float:
        before = spent_s()
        for _ in range(4):
            await asked(stage, "/v1/auth/login", {"email": who, "password": "a wrong guess"})
        return spent_s() - before

    spent: dict[str, list[float]] = {"known": [], "unknown": []}
    for _ in range(ROUNDS):
        email, _ = await stage.registered()
        spent["known"].append(await cost_s(email))
        spent["unknown"].append(await cost_s(nobody()))
    ratio = sum(spent["known"]) / sum(spent["unknown"])
    assert 0.6 < ratio < 1.6, spent
