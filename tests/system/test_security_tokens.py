"""Who may come in: forged, foreign, expired and revoked tokens get nowhere, on either server of one database."""

from __future__ import annotations

import asyncio
import hmac
import json
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio
from joserfc import jws
from joserfc.jwk import RSAKey
from msgspec import Struct

from bench.servers import overworld
from overworld.client import Refused, Socket
from tests.system.target import Intruder, Target, code_of, under_attack

pytestmark = [
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("security: tokens"),
]

REVOKED_WITHIN_S = 1


class Servers(Struct, frozen=True):
    """Two servers on one database, and the key that both sign with."""

    first: Target
    second: Target
    signing_key: RSAKey
    kid: str


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def servers(empty_database, tmp_path_factory) -> AsyncIterator[Servers]:
    folder = tmp_path_factory.mktemp("tokens")
    async with AsyncExitStack() as stack:
        dsn = await stack.enter_async_context(empty_database())
        first = await stack.enter_async_context(under_attack(folder / "1", dsn=dsn))
        second = await stack.enter_async_context(under_attack(folder / "2", dsn=dsn, migrate=False))
        database = await asyncpg.connect(dsn)
        [(kid, pem)] = await database.fetch("SELECT kid, private_pem FROM accounts.signing_key")
        await database.close()
        first.learn(pem)
        yield Servers(first, second, RSAKey.import_key(pem), kid)


def claims_of(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    claims: dict[str, Any] = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


def part(value: object) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def signed(
    servers: Servers, token: str, *, key: Any = None, header: dict[str, Any] | None = None, **claims: Any
) -> str:
    """The token with other claims (None leaves one out), signed anew with the servers' own key, or another."""
    payload = {name: value for name, value in (claims_of(token) | claims).items() if value is not None}
    head = {"alg": "RS256", "kid": servers.kid, "typ": "JWT"} | (header or {})
    algorithms = [head["alg"]]
    return jws.serialize_compact(head, json.dumps(payload), key or servers.signing_key, algorithms=algorithms)


def with_public_key_as_secret(servers: Servers, token: str) -> str:
    signed_part = f"{part({'alg': 'HS256', 'kid': servers.kid, 'typ': 'JWT'})}.{token.split('.')[1]}"
    mac = hmac.digest(servers.signing_key.as_pem(private=False), signed_part.encode(), "sha256")
    return f"{signed_part}.{urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def without_algorithm(servers: Servers, token: str) -> str:
    return f"{part({'alg': 'none', 'kid': servers.kid, 'typ': 'JWT'})}.{token.split('.')[1]}."


def with_key_inside(servers: Servers, token: str) -> str:
    own = RSAKey.generate_key(2_048)
    return signed(servers, token, key=own, header={"jwk": own.as_dict(private=False)})


def tampered(servers: Servers, token: str) -> str:
    head, _, signature = token.split(".")
    return f"{head}.{part(claims_of(token) | {'role': 'admin', 'scope': 'world.read'})}.{signature}"


FORGED: dict[str, Callable[[Servers, str], str]] = {
    "alg none": without_algorithm,
    "public key as a secret": with_public_key_as_secret,
    "key of another server": lambda servers, token: signed(servers, token, key=RSAKey.generate_key(2_048)),
    "key in the header": with_key_inside,
    "unknown kid": lambda servers, token: signed(servers, token, header={"kid": "unknown"}),
    "no kid": lambda servers, token: f"{part({'alg': 'RS256', 'typ': 'JWT'})}.{token.split('.', 1)[1]}",
    "kid that is a path": lambda servers, token: signed(servers, token, header={"kid": "../../etc/passwd"}),
    "kid that is SQL": lambda servers, token: signed(servers, token, header={"kid": f"{servers.kid}' OR '1'='1"}),
    "kid of another case": lambda servers, token: signed(servers, token, header={"kid": servers.kid.swapcase() + "x"}),
    "kid that is an address": lambda servers, token: signed(servers, token, header={"kid": "http://127.0.0.1/key"}),
    "kid with a zero byte": lambda servers, token: signed(servers, token, header={"kid": f"{servers.kid}\0x"}),
    "keys elsewhere": lambda servers, token: signed(servers, token, header={"jku": "https://example.org/jwks.json"}),
    "certificate inside": lambda servers, token: signed(servers, token, header={"x5c": ["MIIB"]}),
    "another type": lambda servers, token: signed(servers, token, header={"typ": "at+jwt"}),
    "PS256": lambda servers, token: signed(servers, token, header={"alg": "PS256"}),
    "not yet": lambda servers, token: signed(servers, token, nbf=int(time.time()) + 60),
    "not before as text": lambda servers, token: signed(servers, token, nbf="later"),
    "critical extension": lambda servers, token: signed(servers, token, header={"x5u": "https://example.org/key"}),
    "RS512": lambda servers, token: signed(servers, token, header={"alg": "RS512"}),
    "tampered claims": tampered,
    "other issuer": lambda servers, token: signed(servers, token, iss="https://example.org"),
    "other audience": lambda servers, token: signed(servers, token, aud="another-game"),
    "list of audiences": lambda servers, token: signed(servers, token, aud=["overworld"]),
    "no end": lambda servers, token: signed(servers, token, exp=None),
    "end as text": lambda servers, token: signed(servers, token, exp="never"),
    "no session": lambda servers, token: signed(servers, token, sid=None),
    "subject that is no id": lambda servers, token: signed(servers, token, sub="' OR 1=1 --"),
    "signature cut": lambda servers, token: token[:-10],
    "signature of zeros": lambda servers, token: f"{token.rsplit('.', 1)[0]}.{'A' * 342}",
    "two parts": lambda servers, token: token.rsplit(".", 1)[0],
    "five parts": lambda servers, token: f"{token}.a.b",
    "dots": lambda servers, token: "..",
    "text": lambda servers, token: "token",
    "too long": lambda servers, token: token + "A" * 8_000,
}


async def refusals(target: Target, token: str) -> tuple[tuple[int, str], str]:
    """How a token is refused over HTTP and by the socket."""
    over_http = await target.http.get("/v1/users/me", headers={"Authorization": f"Bearer {token}"})
    with pytest.raises(Refused) as over_socket:
        await target.socket(token)
    return code_of(over_http), over_socket.value.code


@pytest.mark.parametrize("forge", FORGED.values(), ids=list(FORGED))
async def test_a_forged_token_is_refused_by_http_and_the_socket(servers, forge):
    intruder = await servers.first.player()
    token = forge(servers, intruder.token)
    over_http, over_socket = await refusals(servers.first, token)
    if len(token) > 8_192:
        assert (over_http[0], over_socket) == (401, "realtime.bad_frame")
    else:
        assert (over_http, over_socket) == ((401, "accounts.bad_token"), "accounts.bad_token")


async def test_what_is_signed_as_the_servers_sign_is_taken(servers):
    """So each forgery above fails by what is wrong with it."""
    intruder = await servers.first.player()
    token = signed(servers, intruder.token, jti=str(uuid4()))
    for target in (servers.first, servers.second):
        reply = await target.http.get("/v1/users/me", headers={"Authorization": f"Bearer {token}"})
        assert reply.json()["id"] == intruder.id


async def test_an_expired_token_is_refused(servers):
    intruder = await servers.first.player()
    token = signed(servers, intruder.token, exp=int(time.time()) - 1)
    assert await refusals(servers.first, token) == ((401, "accounts.token_expired"), "accounts.token_expired")


async def test_a_token_of_an_account_that_never_was_opens_nothing(servers):
    intruder = await servers.first.player()
    nobody = {"Authorization": f"Bearer {signed(servers, intruder.token, sub=str(uuid4()))}"}
    assert code_of(await servers.first.http.get("/v1/users/me", headers=nobody)) == (401, "accounts.token_revoked")


async def test_a_refresh_token_is_no_access_token_and_the_other_way_round(servers):
    intruder = await servers.first.player()
    assert (await refusals(servers.first, intruder.grant["refresh_token"]))[0] == (401, "accounts.bad_token")
    reply = await servers.first.http.post("/v1/auth/refresh", json={"refresh_token": intruder.token[:255]})
    assert code_of(reply) == (401, "accounts.bad_refresh_token")


@pytest.mark.parametrize("header", ["", "Bearer", "bearer x", "Basic dXNlcjpwYXNz", "Token x", "Bearer a b"])
async def test_no_form_of_the_header_lets_anybody_in(servers, header):
    reply = await servers.first.http.get("/v1/users/me", headers={"Authorization": header})
    assert code_of(reply) in {(401, "http.unauthenticated"), (401, "accounts.bad_token")}
    assert reply.headers["WWW-Authenticate"] == "Bearer"


async def test_published_keys_have_no_private_part(servers):
    keys = (await servers.first.http.get("/.well-known/jwks.json")).json()["keys"]
    assert [key["kid"] for key in keys] == [servers.kid]
    assert all(set(key) == {"kty", "n", "e", "kid", "use", "alg"} for key in keys)


async def is_let_in(target: Target, token: str) -> bool:
    reply = await target.http.get("/v1/users/me", headers={"Authorization": f"Bearer {token}"})
    if reply.status_code == 200:
        return True
    assert code_of(reply) == (401, "accounts.token_revoked")
    return False


async def is_out_everywhere(servers: Servers, *sockets: Socket, token: str) -> None:
    """Returns when the token's session has ended on both servers. Raises: TimeoutError when that takes too long."""
    async with asyncio.timeout(REVOKED_WITHIN_S):
        for socket in sockets:
            assert (await socket.ended).code == 4401
        for target in (servers.first, servers.second):
            while await is_let_in(target, token):
                pass


async def on_both(servers: Servers, token: str) -> tuple[Socket, Socket]:
    """A socket of the token on each server."""
    first = await servers.first.socket(token)
    return first, await servers.second.socket(token)


WAYS_OUT: dict[str, Callable[[Target, Intruder], Any]] = {
    "log out": lambda target, intruder: intruder.post("/v1/auth/logout"),
    "log out everywhere": lambda target, intruder: intruder.post("/v1/auth/logout", {"all": True}),
}


@pytest.mark.parametrize("leave", WAYS_OUT.values(), ids=list(WAYS_OUT))
async def test_a_session_that_ended_is_over_within_a_second_on_both_servers(servers, leave):
    intruder = await servers.first.player()
    sockets = await on_both(servers, intruder.token)
    assert await is_let_in(servers.second, intruder.token)
    assert (await leave(servers.first, intruder)).status_code == 204
    await is_out_everywhere(servers, *sockets, token=intruder.token)
    for target in (servers.first, servers.second):
        with pytest.raises(Refused):
            await target.socket(intruder.token)
        reply = await target.http.post("/v1/auth/refresh", json={"refresh_token": intruder.grant["refresh_token"]})
        assert code_of(reply) == (401, "accounts.bad_refresh_token")


async def test_one_session_ends_another_of_its_account_and_stays(servers):
    device_id = f"intruder-{uuid4()}"
    kept, ended = [await servers.first.player(device_id=device_id) for _ in range(2)]
    sockets = await on_both(servers, ended.token)
    stays = await servers.second.socket(kept.token)
    sid = claims_of(ended.token)["sid"]
    reply = await servers.first.http.delete(f"/v1/auth/sessions/{sid}", headers=kept.headers)
    assert reply.status_code == 204
    await is_out_everywhere(servers, *sockets, token=ended.token)
    assert await is_let_in(servers.first, kept.token)
    assert await is_let_in(servers.second, kept.token)
    await stays.ask("ping")
    await stays.close()


async def refresh(target: Target, token: str) -> tuple[int, str]:
    """The status and the new refresh token, or the code of the refusal."""
    reply = await target.http.post("/v1/auth/refresh", json={"refresh_token": token})
    if reply.status_code != 200:
        return code_of(reply)
    target.learn(reply.json()["refresh_token"], reply.json()["access_token"])
    return 200, reply.json()["refresh_token"]


async def test_a_refresh_token_that_is_used_a_third_time_ends_the_session_for_everybody(servers):
    """Once more within ten seconds is a lost reply; then somebody else has it."""
    intruder = await servers.first.player()
    sockets = await on_both(servers, intruder.token)
    stolen = intruder.grant["refresh_token"]
    _, following = await refresh(servers.first, stolen)
    assert (await refresh(servers.second, stolen))[0] == 200
    assert await refresh(servers.first, stolen) == (401, "accounts.bad_refresh_token")
    await is_out_everywhere(servers, *sockets, token=intruder.token)
    assert await refresh(servers.first, following) == (401, "accounts.bad_refresh_token")


async def test_refreshes_at_once_on_two_servers_make_two_tokens_at_most(servers):
    intruder = await servers.first.player()
    token = intruder.grant["refresh_token"]
    outcomes = await asyncio.gather(*(refresh(target, token) for target in (servers.first, servers.second)))
    assert [status for status, _ in outcomes] == [200, 200]
    assert outcomes[0][1] != outcomes[1][1]

    crowd = await servers.first.player()
    token = crowd.grant["refresh_token"]
    tries = [refresh(target, token) for target in (servers.first, servers.second) for _ in range(5)]
    outcomes = await asyncio.gather(*tries)
    assert sorted(status for status, _ in outcomes) == [200] * 2 + [401] * 8
    await is_out_everywhere(servers, token=crowd.token)


@pytest.mark.parametrize("token", ["x", "x" * 255, "A" * 43, "\N{SNOWMAN}" * 43, "' OR 1=1 --"])
async def test_a_refresh_token_that_is_none_is_refused(servers, token):
    assert await refresh(servers.first, token) == (401, "accounts.bad_refresh_token")


async def staff_of(servers: Servers, name: str) -> Intruder:
    """An administrator of the first server, appointed by the command on the machine; player until then."""
    device_id = f"intruder-{uuid4()}"
    await servers.first.player(device_id=device_id, username=name)
    ran = await overworld("accounts", "role", name, "admin", "--database", servers.first.server.dsn)
    assert ran.code == 0, ran.err
    return await servers.first.player(device_id=device_id)


async def status_of(target: Target, bearer: str, path: str) -> int:
    return (await target.http.get(path, headers={"Authorization": f"Bearer {bearer}"})).status_code


async def is_refused_everywhere(servers: Servers, bearer: str, path: str) -> None:
    """Returns when both servers answer 401. Raises: TimeoutError when that takes too long."""
    async with asyncio.timeout(REVOKED_WITHIN_S):
        for target in (servers.first, servers.second):
            while await status_of(target, bearer, path) != 401:
                pass


async def made_key(servers: Servers, admin: Intruder, *scopes: str) -> tuple[str, str]:
    """A key's id and secret; returns when the second server knows it too."""
    reply = await admin.post("/v1/admin/keys", {"name": "shop", "scopes": list(scopes)})
    assert reply.status_code == 201, reply.text
    secret = reply.json()["secret"]
    servers.first.learn(secret)
    servers.second.learn(secret)
    async with asyncio.timeout(REVOKED_WITHIN_S):
        while await status_of(servers.second, secret, "/v1/admin/audit") == 401:
            pass
    return reply.json()["key"]["id"], secret


async def test_a_revoked_key_is_over_within_a_second_on_both_servers(servers):
    admin = await staff_of(servers, "keeper of keys")
    key_id, secret = await made_key(servers, admin, "audit.read")
    for target in (servers.first, servers.second):
        assert await status_of(target, secret, "/v1/admin/audit") == 200
        assert await status_of(target, secret, "/v1/users/me") == 403
    assert (await servers.first.http.delete(f"/v1/admin/keys/{key_id}", headers=admin.headers)).status_code == 204
    await is_refused_everywhere(servers, secret, "/v1/admin/audit")


async def test_who_is_suspended_is_out_within_a_second_on_both_servers_with_every_key(servers):
    admin, suspect = await staff_of(servers, "who suspends"), await staff_of(servers, "who is suspended")
    _, secret = await made_key(servers, suspect, "audit.read")
    sockets = await on_both(servers, suspect.token)
    reply = await admin.post(f"/v1/admin/users/{suspect.id}/suspend", {"why": "a test"})
    assert reply.status_code == 200, reply.text
    await is_out_everywhere(servers, *sockets, token=suspect.token)
    await is_refused_everywhere(servers, secret, "/v1/admin/audit")


async def test_a_stolen_signing_key_ends_within_a_second_on_both_servers_and_refreshing_goes_on(servers):
    """The last test of this file: the key that the others forge with is gone afterwards."""
    intruder = await servers.first.player()
    ran = await overworld("accounts", "rotate-key", "--at-once", "--database", servers.first.server.dsn)
    assert ran.code == 0, ran.err
    await is_refused_everywhere(servers, intruder.token, "/v1/users/me")
    reply = await servers.second.http.post("/v1/auth/refresh", json={"refresh_token": intruder.grant["refresh_token"]})
    assert reply.status_code == 200
    servers.second.learn(reply.json()["access_token"], reply.json()["refresh_token"])
    async with asyncio.timeout(REVOKED_WITHIN_S):
        for target in (servers.first, servers.second):
            while await status_of(target, reply.json()["access_token"], "/v1/users/me") != 200:
                pass
