"""Credential stuffing: guesses are counted, they lock, and whoever is locked out gets in by another way."""

from __future__ import annotations

import json
from uuid import uuid4

import httpx
import pytest

from overworld.domains.accounts.types import Role
from tests.domains.accounts.authenticator import Authenticator
from tests.security.stage import PASSWORD, Person, Stage
from tests.system.target import code_of

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

ACCOUNT_FAILURES_MAX, ADDRESS_FAILURES_MAX = 5, 10
BAD, LOCKED = (401, "accounts.bad_credentials"), (429, "accounts.locked_out")
REFUSED = "events.auth.refused"


async def guess(stage: Stage, email: str, password: str, *, address: str) -> httpx.Response:
    body = {"email": email, "password": password}
    return await stage.http.post("/v1/auth/login", json=body, headers={"X-Forwarded-For": address})


async def locked_out(stage: Stage) -> tuple[str, Person]:
    """Somebody whose password was guessed at from as many addresses as it takes."""
    email, owner = await stage.registered()
    for _ in range(ACCOUNT_FAILURES_MAX):
        assert code_of(await guess(stage, email, "a wrong guess", address=stage.address())) == BAD
    assert code_of(await guess(stage, email, PASSWORD, address=stage.address())) == LOCKED
    return email, owner


async def test_many_accounts_guessed_at_from_one_address_lock_the_address(stage):
    """A list of stolen passwords is tried once each, so no account's own count would grow."""
    address = stage.address()
    codes = [
        code_of(await guess(stage, f"{uuid4().hex}@example.org", "stolen pass", address=address)) for _ in range(11)
    ]
    assert codes == [BAD] * ADDRESS_FAILURES_MAX + [LOCKED]
    email, _ = await stage.registered()
    assert code_of(await guess(stage, email, PASSWORD, address=address)) == LOCKED
    assert (await guess(stage, email, PASSWORD, address=stage.address())).status_code == 200


async def test_one_account_guessed_at_from_many_addresses_locks_however_it_is_written(stage):
    email, _ = await locked_out(stage)
    for spelled in (email.upper(), email.title(), email.replace("@", "\N{FULLWIDTH COMMERCIAL AT}")):
        refused = await guess(stage, spelled, PASSWORD, address=stage.address())
        assert code_of(refused) in {LOCKED, BAD}
        assert refused.status_code != 200


async def test_every_guess_is_counted_and_told_with_its_reason(stage):
    email, owner = await stage.registered()
    for _ in range(ACCOUNT_FAILURES_MAX):
        await guess(stage, email, "a wrong guess", address=stage.address())
    told = [each["data"] for each in await stage.events(REFUSED) if each["data"]["account_id"] == owner.id]
    assert [each["reason"] for each in told] == ["bad_credentials"] * ACCOUNT_FAILURES_MAX
    assert email not in json.dumps(told)


async def test_who_is_locked_out_stays_signed_in_and_refreshes(stage):
    _, owner = await locked_out(stage)
    assert (await owner.ask("GET", "/v1/users/me")).status_code == 200
    reply = await stage.http.post("/v1/auth/refresh", json={"refresh_token": owner.grant["refresh_token"]})
    assert stage.granted(reply)["user"]["id"] == owner.id


async def test_who_is_locked_out_gets_in_by_a_device_or_a_passkey(stage):
    email, owner = await stage.registered()
    device, key = f"device-{uuid4()}", Authenticator(credential_id=uuid4().bytes)
    stage.learn(device)
    await owner.done("POST", "/v1/auth/link/device", {"device_id": device})
    begun = await owner.done("POST", "/v1/auth/passkey/register/begin")
    made = {"ceremony": begun["ceremony"], "credential": key.create(begun["public_key"])}
    await owner.done("POST", "/v1/auth/passkey/register/finish", made)
    for _ in range(ACCOUNT_FAILURES_MAX):
        await guess(stage, email, "a wrong guess", address=stage.address())
    assert code_of(await guess(stage, email, PASSWORD, address=stage.address())) == LOCKED
    assert (await stage.player(device_id=device)).id == owner.id
    begun = (await stage.http.post("/v1/auth/passkey/login/begin", json={})).json()
    signed = {"ceremony": begun["ceremony"], "credential": key.get(begun["public_key"])}
    reply = await stage.http.post("/v1/auth/passkey/login/finish", json=signed)
    assert stage.granted(reply)["user"]["id"] == owner.id


async def test_who_is_locked_out_may_set_another_password_by_mail(stage):
    email, _ = await locked_out(stage)
    headers = {"X-Forwarded-For": stage.address()}
    reply = await stage.http.post("/v1/auth/password/forgot", json={"email": email}, headers=headers)
    assert reply.status_code == 204
    token, chosen = await stage.mailed(email, "a new password"), f"another {uuid4().hex}"
    stage.learn(chosen)
    reply = await stage.http.post("/v1/auth/password/reset", json={"token": token, "password": chosen})
    assert reply.status_code == 204
    assert code_of(await guess(stage, email, PASSWORD, address=stage.address())) == LOCKED


async def test_codes_of_an_app_are_no_more_guessed_than_passwords(stage):
    owner = await stage.new_staff(Role.AUDITOR)
    secret = await owner.done("POST", "/v1/auth/totp", {})
    stage.learn(secret["secret"])
    codes = [await owner.ask("POST", "/v1/auth/totp/confirm", json={"code": f"{i:06}"}) for i in range(12)]
    assert codes[-1].status_code == 429
    assert {each.status_code for each in codes} <= {401, 403, 409, 429}


async def test_addresses_of_one_home_count_as_one(stage):
    """An IPv6 home has 2^64 addresses."""
    codes = [
        code_of(await guess(stage, f"{uuid4().hex}@example.org", "stolen pass", address=f"2001:db8:77::{i:x}"))
        for i in range(11)
    ]
    assert codes == [BAD] * ADDRESS_FAILURES_MAX + [LOCKED]


async def test_an_ipv4_address_written_as_ipv6_is_no_second_one(stage):
    address = stage.address()
    spellings = [address, f"::ffff:{address}"]
    codes = [
        code_of(await guess(stage, f"{uuid4().hex}@example.org", "stolen pass", address=spellings[i % 2]))
        for i in range(11)
    ]
    assert codes == [BAD] * ADDRESS_FAILURES_MAX + [LOCKED]
