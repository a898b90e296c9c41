"""Accounts over HTTP, behind the real edge: the shapes of the wire, and what bad input gets."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from overworld.domains.accounts import SCHEMA
from overworld.platform.http import HttpSettings, LimitSettings, build_http
from overworld.platform.observability import Metrics

REGISTER = {"email": "ann@example.org", "username": "Ann", "password": "correct horse"}
DEVICE = {"device_id": "device-of-somebody"}
GRANT = {"access_token", "refresh_token", "token_type", "expires_in", "user"}
USER = {"id", "username", "level", "experience", "memberships", "created_at"}


class NoKeys:
    def scopes(self, key):
        return frozenset()


def client_of(house, **headers):
    app: Any = build_http(
        routes=house.accounts.routes,
        verifier=house.accounts.verifier,
        keys=NoKeys(),
        limiter=house.limiter,
        settings=HttpSettings(),
        limits=LimitSettings(enabled=False),
        metrics=Metrics(CollectorRegistry()),
    )
    transport = httpx.ASGITransport(app, client=("203.0.113.9", 5000))
    return httpx.AsyncClient(transport=transport, base_url="http://test", headers={"user-agent": "sdk/1"} | headers)


@pytest.fixture
async def ask(house):
    async with client_of(house) as client:
        yield client


async def signed_in(ask):
    grant = (await ask.post("/v1/auth/device", json=DEVICE)).json()
    return grant, {"authorization": f"Bearer {grant['access_token']}"}


async def test_register_and_login_answer_as_the_wire_says(ask):
    registered = await ask.post("/v1/auth/register", json=REGISTER)
    logged_in = await ask.post("/v1/auth/login", json={k: REGISTER[k] for k in ("email", "password")})
    assert (registered.status_code, logged_in.status_code) == (201, 200)
    for reply in (registered, logged_in):
        grant = reply.json()
        assert (set(grant), set(grant["user"])) == (GRANT, USER)
        assert (grant["token_type"], grant["expires_in"], grant["user"]["memberships"]) == ("Bearer", 900, [])
        assert grant["user"]["created_at"] == "2026-06-01T12:00:00Z"
        assert reply.headers["cache-control"] == "no-store"


async def test_a_device_is_new_once(ask):
    replies = [await ask.post("/v1/auth/device", json=DEVICE | {"username": "Ann"}) for _ in range(2)]
    assert [reply.status_code for reply in replies] == [201, 200]
    assert [set(reply.json()) for reply in replies] == [GRANT, GRANT]
    assert replies[1].json()["user"]["username"] == "Ann"


async def test_refresh_answers_like_a_sign_in(ask):
    grant, _ = await signed_in(ask)
    reply = await ask.post("/v1/auth/refresh", json={"refresh_token": grant["refresh_token"]})
    assert reply.status_code == 200
    assert set(reply.json()) == GRANT
    assert reply.json()["user"] == grant["user"]


async def test_me_shows_what_only_the_owner_sees(ask):
    grant = (await ask.post("/v1/auth/register", json=REGISTER)).json()
    reply = await ask.get("/v1/users/me", headers={"authorization": f"Bearer {grant['access_token']}"})
    me = reply.json()
    own = {"email", "email_verified", "wallet_address", "did", "settings", "locale", "avatar", "badges", "privacy"}
    assert set(me) == USER | own
    assert {name: me[name] for name in USER} == grant["user"]
    assert (me["email"], me["wallet_address"], me["settings"]) == ("ann@example.org", None, {})


async def test_me_is_not_sent_again_while_it_is_the_same(ask):
    _, headers = await signed_in(ask)
    tag = (await ask.get("/v1/users/me", headers=headers)).headers["etag"]
    again = await ask.get("/v1/users/me", headers=headers | {"if-none-match": f'"other", W/{tag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert (await ask.get("/v1/users/me", headers=headers | {"if-none-match": '"other"'})).status_code == 200


@pytest.mark.parametrize("body", [None, {}, {"all": False}])
async def test_logout_ends_this_session_with_or_without_a_body(ask, body):
    _, headers = await signed_in(ask)
    _, others = await signed_in(ask)
    reply = await ask.post("/v1/auth/logout", headers=headers, **({} if body is None else {"json": body}))
    assert (reply.status_code, reply.content) == (204, b"")
    refused = await ask.get("/v1/users/me", headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (401, "accounts.token_revoked")
    assert refused.headers["www-authenticate"] == "Bearer"
    assert (await ask.get("/v1/users/me", headers=others)).status_code == 200


async def test_logout_of_all_ends_all(ask):
    _, headers = await signed_in(ask)
    _, others = await signed_in(ask)
    assert (await ask.post("/v1/auth/logout", headers=headers, json={"all": True})).status_code == 204
    assert (await ask.get("/v1/users/me", headers=others)).status_code == 401


async def test_sessions_are_listed_and_ended(ask):
    _, headers = await signed_in(ask)
    _, others = await signed_in(ask)
    page = (await ask.get("/v1/auth/sessions", headers=headers)).json()
    assert page["cursor"] is None
    assert [session["current"] for session in page["items"]] == [False, True]
    shown = page["items"][0]
    assert (shown["way"], shown["address"], shown["device"]) == ("device", "203.0.113.9", "sdk/1")
    assert {"created_at", "used_at", "ends_at"} < set(shown)
    for status in (204, 404):
        assert (await ask.delete(f"/v1/auth/sessions/{shown['id']}", headers=headers)).status_code == status
    assert (await ask.get("/v1/users/me", headers=others)).status_code == 401


async def test_the_public_keys_can_be_read_and_kept_a_while(ask, signing_key):
    reply = await ask.get("/.well-known/jwks.json")
    assert reply.json() == {"keys": [signing_key.public_jwk]}
    assert reply.headers["cache-control"] == "public, max-age=300"


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("register", REGISTER | {"email": "ANN@example.org", "username": "Bea"}, 409, "accounts.email_taken"),
        ("register", REGISTER | {"email": "bea@example.org", "username": "ANN"}, 409, "accounts.username_taken"),
        ("register", REGISTER | {"email": "nobody"}, 400, "accounts.bad_email"),
        ("register", REGISTER | {"username": "a\u200bb"}, 400, "accounts.bad_username"),
        ("register", REGISTER | {"password": "short"}, 400, "http.bad_request"),
        ("register", REGISTER | {"password": "x" * 1025}, 400, "http.bad_request"),
        ("register", REGISTER | {"role": "admin"}, 400, "http.bad_request"),
        ("register", {"email": "bea@example.org"}, 400, "http.bad_request"),
        ("login", {"email": "ann@example.org", "password": "wrong password"}, 401, "accounts.bad_credentials"),
        ("login", {"email": "bea@example.org", "password": "wrong password"}, 401, "accounts.bad_credentials"),
        ("login", {"email": ["ann@example.org"], "password": "correct horse"}, 400, "http.bad_request"),
        ("device", {"device_id": "x" * 15}, 400, "http.bad_request"),
        ("device", {"device_id": "x" * 256}, 400, "http.bad_request"),
        ("device", {"device_id": 1234567890123456}, 400, "http.bad_request"),
        ("refresh", {"refresh_token": "unknown"}, 401, "accounts.bad_refresh_token"),
        ("refresh", {"refresh_token": ""}, 400, "http.bad_request"),
        ("refresh", {"refresh_token": None}, 400, "http.bad_request"),
    ],
)
async def test_what_cannot_be_done_is_refused_by_a_code(ask, path, body, status, code):
    await ask.post("/v1/auth/register", json=REGISTER)
    reply = await ask.post(f"/v1/auth/{path}", json=body)
    assert (reply.status_code, reply.json()["code"]) == (status, code)
    assert reply.headers["content-type"] == "application/problem+json"
    assert REGISTER["password"] not in reply.text


@pytest.mark.parametrize("token", ["", "x", "e30.e30.e30", "\xff", "a" * 5000])
async def test_a_bad_token_is_401_where_one_is_needed_and_ignored_where_not(ask, token):
    headers = {"authorization": f"Bearer {token}".encode("latin-1")}
    assert (await ask.get("/v1/users/me", headers=headers)).status_code == 401
    assert (await ask.post("/v1/auth/device", json=DEVICE, headers=headers)).status_code == 201


async def test_a_token_that_is_over_says_so(ask, house):
    _, headers = await signed_in(ask)
    house.clock.advance(timedelta(seconds=900))
    assert (await ask.get("/v1/users/me", headers=headers)).json()["code"] == "accounts.token_expired"


async def test_being_locked_out_says_for_how_long(open_database, open_house):
    wrong = {"email": "ann@example.org", "password": "wrong password"}
    async with (
        open_database(SCHEMA) as database,
        open_house(database, limits_enabled=True) as house,
        client_of(house) as ask,
    ):
        replies = [await ask.post("/v1/auth/login", json=wrong) for _ in range(6)]
    assert [reply.status_code for reply in replies] == [401] * 5 + [429]
    assert replies[-1].headers["retry-after"] == "12"
    assert (replies[-1].json()["code"], replies[-1].json()["retryable"]) == ("accounts.locked_out", True)


@pytest.mark.parametrize("session_id", ["nonsense", "00000000-0000-0000-0000-000000000001"])
async def test_a_session_that_is_not_there_is_404(ask, session_id):
    _, headers = await signed_in(ask)
    assert (await ask.delete(f"/v1/auth/sessions/{session_id}", headers=headers)).status_code == 404


async def test_an_account_that_is_gone_is_signed_out(ask, house):
    _, headers = await signed_in(ask)
    async with house.database.transaction() as tx:
        await tx.execute("TRUNCATE accounts.account CASCADE")
    assert (await ask.get("/v1/users/me", headers=headers)).json()["code"] == "accounts.token_revoked"
