"""Limits and lock-outs hold, wherever a caller says that it comes from, and however it spells what it asks for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio

from tests.system.target import Target, code_of, faults, under_attack

pytestmark = [
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("security: limits"),
]

ADDRESS_PER_MIN, ACCOUNT_PER_MIN, NEW_DEVICES_MAX = 20, 40, 15
ACCOUNT_FAILURES_MAX, ADDRESS_FAILURES_MAX, REGISTRATIONS_MAX = 5, 10, 5
PASSWORD, WRONG = "correct horse battery staple", "wrong horse battery staple"
TOO_MANY = (429, "http.too_many_requests")
LOCKED_OUT = (429, "accounts.locked_out")
BAD_CREDENTIALS = (401, "accounts.bad_credentials")

_hosts = count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def target(tmp_path_factory) -> AsyncIterator[Target]:
    """A server behind a proxy at 127.0.0.1, so that each test has addresses of its own; its limits are on."""
    chosen = {
        "OVERWORLD_LIMITS__ENABLED": "true",
        "OVERWORLD_LIMITS__ADDRESS_PER_MIN": str(ADDRESS_PER_MIN),
        "OVERWORLD_LIMITS__ACCOUNT_PER_MIN": str(ACCOUNT_PER_MIN),
        "OVERWORLD_ACCOUNTS__NEW_DEVICES_MAX": str(NEW_DEVICES_MAX),
        "OVERWORLD_HTTP__TRUSTED_PROXIES": "127.0.0.1/32",
    }
    async with under_attack(tmp_path_factory.mktemp("limits"), environment=chosen) as target:
        target.learn(PASSWORD, WRONG)
        yield target


@asynccontextmanager
async def caller(target: Target, *, address: str | None = None) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody at an address of its own, as the proxy tells it."""
    address = address or f"203.0.113.{next(_hosts)}"
    async with httpx.AsyncClient(base_url=target.server.http, headers={"X-Forwarded-For": address}) as client:
        yield client


async def tried(client: httpx.AsyncClient, email: str, password: str = WRONG) -> httpx.Response:
    return await client.post("/v1/auth/login", json={"email": email, "password": password})


async def registered(client: httpx.AsyncClient) -> tuple[str, httpx.Response]:
    """The e-mail address of a new account, and the answer."""
    name = uuid4().hex[:16]
    body = {"email": f"{name}@example.org", "username": name, "password": PASSWORD}
    return body["email"], await client.post("/v1/auth/register", json=body)


async def signed_in(target: Target, client: httpx.AsyncClient) -> dict[str, str]:
    """The headers of a new player."""
    device_id = f"intruder-{uuid4()}"
    grant = (await client.post("/v1/auth/device", json={"device_id": device_id})).json()
    target.learn(device_id, grant["access_token"], grant["refresh_token"])
    return {"Authorization": f"Bearer {grant['access_token']}"}


def about(limit: int) -> range:
    """A limit, and the few tokens that flow back meanwhile on a slow machine."""
    return range(limit, limit + 4)


async def counted(client: httpx.AsyncClient, path: str = "/v1/users/me", **headers: str) -> int:
    """How many requests in a row are answered before one is too many; that one says when to come again."""
    for done in range(200):
        reply = await client.get(path, headers=headers)
        assert faults(reply) == []
        if reply.status_code == 429:
            assert reply.json()["code"] == TOO_MANY[1]
            assert int(reply.headers["Retry-After"]) == reply.json()["retry_after_s"] >= 1
            assert reply.headers["RateLimit-Remaining"] == "0"
            return done
    raise AssertionError("no limit")


async def test_an_address_without_a_token_has_its_own_few_requests(target):
    async with caller(target) as one, caller(target) as other:
        assert await counted(one) in about(ADDRESS_PER_MIN)
        assert (await other.get("/v1/users/me")).status_code == 401
        assert (await one.get("/.well-known/jwks.json")).status_code == 200


async def test_forged_tokens_and_keys_are_no_way_around_it(target):
    forged = {"Authorization": "Bearer forged", "Overworld-Key": "owdev_" + "A" * 43}
    async with caller(target) as client:
        assert await counted(client, **forged) in about(ADDRESS_PER_MIN)


@pytest.mark.parametrize(
    "path", ["//v1/users/me", "///v1///users/me", "/%76%31/users/me", "/v1%2Fusers/me", "/v1/none"]
)
async def test_another_spelling_of_a_path_is_no_way_around_it(target, path):
    async with caller(target) as client:
        assert await counted(client, f"{target.server.http}{path}") in about(ADDRESS_PER_MIN)


async def test_who_is_no_proxy_cannot_say_where_it_comes_from(target):
    """Its own address counts, whatever its headers say."""
    names = ("X-Forwarded-For", "X-Real-IP", "Forwarded", "CF-Connecting-IP", "True-Client-IP", "X-Client-IP")
    strange = httpx.AsyncHTTPTransport(local_address="127.0.0.2")
    async with httpx.AsyncClient(base_url=target.server.http, transport=strange) as client:
        statuses = [
            (await client.get("/v1/users/me", headers=dict.fromkeys(names, f"198.51.100.{i}"))).status_code
            for i in range(ADDRESS_PER_MIN + 4)
        ]
    assert statuses.index(429) in about(ADDRESS_PER_MIN)


async def test_what_a_client_writes_in_front_of_the_proxys_word_is_not_believed(target):
    own = f"203.0.113.{next(_hosts)}"
    async with httpx.AsyncClient(base_url=target.server.http) as client:
        statuses = [
            (await client.get("/v1/users/me", headers={"X-Forwarded-For": f"{claim}, {own}"})).status_code
            for claim in ["127.0.0.1", "unknown", "", "::1", *map(str, range(ADDRESS_PER_MIN))]
        ]
    assert statuses.index(429) in about(ADDRESS_PER_MIN)


async def test_an_account_has_one_bucket_from_all_its_addresses(target):
    async with caller(target) as one, caller(target) as other:
        headers, others = await signed_in(target, one), await signed_in(target, other)
        assert await counted(one, **headers) in about(ACCOUNT_PER_MIN)
        assert code_of(await other.get("/v1/users/me", headers=headers)) == TOO_MANY
        assert (await one.get("/v1/users/me", headers=others)).status_code == 200


async def test_the_developer_key_lifts_limits_on_this_machine_only(target):
    headers = {"Overworld-Key": target.server.key}
    async with caller(target) as elsewhere:
        assert await counted(elsewhere, **headers) in about(ADDRESS_PER_MIN)
    async with httpx.AsyncClient(base_url=target.server.http, headers=headers) as here:
        statuses = {(await here.get("/v1/users/me")).status_code for _ in range(2 * ADDRESS_PER_MIN)}
    assert statuses == {401}


async def test_five_failures_lock_an_account_also_for_the_right_password_and_from_elsewhere(target):
    async with caller(target) as owner:
        email, _ = await registered(owner)
        for _ in range(ACCOUNT_FAILURES_MAX):
            async with caller(target) as guesser:
                assert code_of(await tried(guesser, email)) == BAD_CREDENTIALS
        locked = await tried(owner, email.upper(), PASSWORD)
        assert code_of(locked) == LOCKED_OUT
        assert 1 <= int(locked.headers["Retry-After"]) <= 60


async def test_an_unknown_account_locks_like_a_known_one(target):
    email = f"{uuid4().hex}@example.org"
    codes = []
    for _ in range(ACCOUNT_FAILURES_MAX + 1):
        async with caller(target) as guesser:
            codes.append(code_of(await tried(guesser, email)))
    assert codes == [BAD_CREDENTIALS] * ACCOUNT_FAILURES_MAX + [LOCKED_OUT]


async def test_ten_failures_lock_an_address_for_every_account(target):
    async with caller(target) as client, caller(target) as other:
        email, _ = await registered(other)
        codes = [code_of(await tried(client, f"{uuid4().hex}@example.org")) for _ in range(ADDRESS_FAILURES_MAX)]
        assert codes == [BAD_CREDENTIALS] * ADDRESS_FAILURES_MAX
        assert code_of(await tried(client, email, PASSWORD)) == LOCKED_OUT
        assert (await tried(other, email, PASSWORD)).status_code == 200


async def test_an_address_registers_five_times_an_hour(target):
    async with caller(target) as client, caller(target) as other:
        replies = [(await registered(client))[1] for _ in range(REGISTRATIONS_MAX)]
        assert {reply.status_code for reply in replies} == {201}
        _, refused = await registered(client)
        assert code_of(refused) == (429, "accounts.too_many_registrations")
        assert 0 < int(refused.headers["Retry-After"]) <= 3_600
        assert (await registered(other))[1].status_code == 201


async def test_accounts_made_with_the_tokens_of_accounts_are_bounded_too(target):
    """Each new account brings a bucket of its own, which could pay for the next ones."""
    async with caller(target) as client:
        made, headers = 0, await signed_in(target, client)
        while made < 2 * NEW_DEVICES_MAX:
            reply = await client.post("/v1/auth/device", json={"device_id": f"intruder-{uuid4()}"}, headers=headers)
            if reply.status_code == 429:
                break
            made += 1
            headers = {"Authorization": f"Bearer {reply.json()['access_token']}"}
    assert code_of(reply) == (429, "accounts.too_many_registrations")
    assert made == NEW_DEVICES_MAX - 1
