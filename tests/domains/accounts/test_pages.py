"""Sessions of pages: tokens in cookies from sign-in to sign-out, behind the real edge."""

from __future__ import annotations

from base64 import b32decode
from contextlib import asynccontextmanager
from datetime import timedelta
from http.cookies import SimpleCookie
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from overworld.domains.accounts import SCHEMA
from overworld.domains.accounts.second_factor import codes
from overworld.platform.http import HttpSettings, LimitSettings, build_http
from overworld.platform.observability import Metrics
from tests.domains.accounts.test_routes import DEVICE, REGISTER, NoKeys

OURS = {"sec-fetch-site": "same-origin"}
WISH = OURS | {"overworld-tokens": "cookie"}
ACCESS, REFRESH, CSRF = "overworld-access", "overworld-refresh", "overworld-csrf"


@asynccontextmanager
async def page_of(house, *, tls: bool = False):
    """A browser at our own page: it keeps cookies, and shows the CSRF token that it finds there."""

    async def show(request: httpx.Request) -> None:
        token = next((value for name, value in client.cookies.items() if name.endswith(CSRF)), None)
        if token is not None and "x-csrf-token" not in request.headers:
            request.headers["x-csrf-token"] = token

    app: Any = build_http(
        routes=house.accounts.routes,
        verifier=house.accounts.verifier,
        csrf=house.accounts.csrf,
        plain_cookies=True,
        keys=NoKeys(),
        limiter=house.limiter,
        settings=HttpSettings(tls=tls),
        limits=LimitSettings(enabled=False),
        metrics=Metrics(CollectorRegistry()),
    )
    base = "https://play.example" if tls else "http://localhost:7400"
    transport = httpx.ASGITransport(app, client=("203.0.113.9", 5000))
    async with httpx.AsyncClient(
        transport=transport, base_url=base, headers=OURS, event_hooks={"request": [show]}
    ) as client:
        yield client


@pytest.fixture
async def page(house):
    async with page_of(house) as client:
        yield client


def cookies_set(reply) -> dict[str, Any]:
    parsed: SimpleCookie = SimpleCookie()
    for line in reply.headers.get_list("set-cookie"):
        parsed.load(line)
    return dict(parsed)


async def sign_in(page: httpx.AsyncClient) -> httpx.Response:
    return await page.post("/v1/auth/device", json=DEVICE, headers=WISH)


def holding(page, **cookies: str) -> dict[str, str]:
    """Headers of the browser with other cookies than it has by now."""
    kept = dict(page.cookies.items()) | {name.replace("_", "-"): value for name, value in cookies.items()}
    return {"cookie": "; ".join(f"{name}={value}" for name, value in kept.items())}


async def test_a_page_that_asks_for_cookies_gets_no_token_to_see(page):
    reply = await sign_in(page)
    assert reply.status_code == 201
    assert set(reply.json()) == {"expires_in", "user", "token_type"}
    assert reply.json()["token_type"] == "Cookie"
    assert (await page.get("/v1/users/me")).json()["id"] == reply.json()["user"]["id"]


@pytest.mark.parametrize("tls", [False, True])
async def test_the_cookies_are_as_strict_as_they_can_be(house, tls):
    async with page_of(house, tls=tls) as page:
        cookies = cookies_set(await sign_in(page))
    host, secure = ("__Host-", "__Secure-") if tls else ("", "")
    assert set(cookies) == {host + ACCESS, secure + REFRESH, host + CSRF}
    for name, path, life_s, hidden in (
        (host + ACCESS, "/", 900, True),
        (secure + REFRESH, "/v1/auth/", 2_592_000, True),
        (host + CSRF, "/", 2_592_000, False),
    ):
        one = cookies[name]
        assert (one["path"], int(one["max-age"]), one["samesite"].lower(), one["domain"]) == (
            path,
            life_s,
            "strict",
            "",
        )
        assert (bool(one["httponly"]), bool(one["secure"])) == (hidden, tls)


async def test_every_way_in_by_password_may_answer_with_cookies(page):
    assert (await page.post("/v1/auth/register", json=REGISTER, headers=WISH)).status_code == 201
    page.cookies.clear()
    login = {name: REGISTER[name] for name in ("email", "password")}
    assert set(cookies_set(await page.post("/v1/auth/login", json=login, headers=WISH))) == {ACCESS, REFRESH, CSRF}


async def test_without_the_wish_a_page_gets_tokens_and_no_cookie(page):
    reply = await page.post("/v1/auth/device", json=DEVICE)
    assert "refresh_token" in reply.json()
    assert "set-cookie" not in reply.headers


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"sec-fetch-site": "same-site"}, "http.not_our_page"),
        ({"sec-fetch-site": "cross-site", "origin": "http://localhost:7400"}, "http.not_our_page"),
        ({"overworld-tokens": "cookies"}, "http.bad_request"),
        ({"host": "play.example"}, "http.cookies_need_tls"),
    ],
)
async def test_no_other_page_signs_a_visitor_in_and_nothing_is_made_then(house, page, headers, code):
    reply = await page.post("/v1/auth/device", json=DEVICE, headers=WISH | headers)
    assert reply.json()["code"] == code
    assert "set-cookie" not in reply.headers
    async with house.database.read() as tx:
        assert await tx.fetchval("SELECT count(*) FROM accounts.session") == 0


async def test_a_form_cannot_sign_in(page):
    reply = await page.post("/v1/auth/device", data=DEVICE, headers=WISH)
    assert (reply.status_code, reply.json()["code"]) == (415, "http.unsupported_media_type")


async def test_a_sign_in_makes_another_session_and_adopts_no_cookie_that_is_there(page):
    await sign_in(page)
    before = dict(page.cookies.items())
    planted = holding(page, overworld_csrf="planted")
    assert (await page.post("/v1/auth/device", json=DEVICE, headers=WISH | planted)).status_code == 200
    after = dict(page.cookies.items())
    assert all(after[name] != before[name] for name in (ACCESS, REFRESH, CSRF))
    sessions = (await page.get("/v1/auth/sessions")).json()["items"]
    assert len(sessions) == 2


async def test_a_change_by_cookie_needs_the_csrf_token_of_this_very_session(house, page):
    await sign_in(page)
    async with page_of(house) as elsewhere:
        await sign_in(elsewhere)
        others = elsewhere.cookies[CSRF]
    lying = holding(page, overworld_csrf=others) | {"x-csrf-token": others}
    for headers in ({"x-csrf-token": ""}, {"x-csrf-token": others}, lying):
        reply = await page.post("/v1/auth/logout", headers=headers)
        assert (reply.status_code, reply.json()["code"]) == (403, "http.bad_csrf_token")
    assert (await page.get("/v1/users/me")).status_code == 200


async def test_signing_out_ends_the_session_and_takes_the_cookies_back(page):
    await sign_in(page)
    stolen = page.cookies[ACCESS]
    reply = await page.post("/v1/auth/logout")
    assert reply.status_code == 204
    assert {(one["max-age"], one.value) for one in cookies_set(reply).values()} == {("0", "")}
    assert dict(page.cookies.items()) == {}
    assert (await page.get("/v1/users/me")).json()["code"] == "http.unauthenticated"
    again = await page.get("/v1/users/me", headers={"cookie": f"{ACCESS}={stolen}"})
    assert again.json()["code"] == "accounts.token_revoked"


async def test_signing_a_bearer_out_leaves_the_pages_session(page):
    await sign_in(page)
    grant = (await page.post("/v1/auth/device", json=DEVICE)).json()
    reply = await page.post("/v1/auth/logout", headers={"authorization": f"Bearer {grant['access_token']}"})
    assert (reply.status_code, "set-cookie" in reply.headers) == (204, False)
    assert (await page.get("/v1/users/me")).status_code == 200


async def test_a_refresh_turns_all_cookies_over_and_needs_no_access_token(house, page):
    await sign_in(page)
    before = dict(page.cookies.items())
    house.clock.advance(timedelta(minutes=20))
    page.cookies.delete(ACCESS)
    reply = await page.post("/v1/auth/refresh/cookie")
    after = dict(page.cookies.items())
    assert (reply.status_code, reply.json()["token_type"]) == (200, "Cookie")
    assert after[REFRESH] != before[REFRESH] and after[CSRF] == before[CSRF]
    assert (await page.get("/v1/users/me")).status_code == 200


async def test_a_refresh_goes_by_cookie_proof_and_token_alike(house, page):
    nothing = await page.post("/v1/auth/refresh/cookie")
    assert (nothing.status_code, nothing.json()["code"]) == (401, "http.unauthenticated")
    await sign_in(page)
    async with page_of(house) as elsewhere:
        await sign_in(elsewhere)
        others = elsewhere.cookies[CSRF]
    for headers, code in (
        ({"sec-fetch-site": "same-site"}, "http.not_our_page"),
        ({"x-csrf-token": ""}, "http.bad_csrf_token"),
        (holding(page, overworld_csrf=others) | {"x-csrf-token": others}, "accounts.bad_refresh_token"),
    ):
        reply = await page.post("/v1/auth/refresh/cookie", headers=headers)
        assert (reply.json()["code"], "set-cookie" in reply.headers) == (code, False)
    assert (await page.post("/v1/auth/refresh/cookie")).status_code == 200


async def test_any_number_of_tabs_may_refresh_at_once(page):
    await sign_in(page)
    shared = holding(page)
    replies = [await page.post("/v1/auth/refresh/cookie", headers=shared) for _ in range(5)]
    assert [reply.status_code for reply in replies] == [200, 200, 409, 409, 409]
    assert {reply.json()["code"] for reply in replies[2:]} == {"accounts.refreshed_elsewhere"}
    assert not any("set-cookie" in reply.headers for reply in replies[2:])
    assert (await page.post("/v1/auth/refresh/cookie")).status_code == 200


async def test_a_refresh_token_that_is_used_again_later_ends_the_session(house, page):
    await sign_in(page)
    stolen = holding(page)
    assert (await page.post("/v1/auth/refresh/cookie")).status_code == 200
    house.clock.advance(timedelta(seconds=11))
    reply = await page.post("/v1/auth/refresh/cookie", headers=stolen)
    assert (reply.status_code, reply.json()["code"]) == (401, "accounts.bad_refresh_token")
    assert (await page.get("/v1/users/me")).json()["code"] == "accounts.token_revoked"


async def test_a_new_password_gives_the_page_its_new_session_in_cookies(page):
    await page.post("/v1/auth/register", json=REGISTER, headers=WISH)
    change = {"current_password": REGISTER["password"], "password": "another horse battery"}
    reply = await page.put("/v1/auth/password", json=change)
    assert set(cookies_set(reply)) == {ACCESS, REFRESH, CSRF}
    assert "access_token" not in reply.json()
    assert (await page.get("/v1/auth/sessions")).json()["items"][0]["current"] is True


async def test_a_second_factor_gives_the_page_its_new_token_in_the_cookie(house, page):
    user = (await sign_in(page)).json()["user"]
    async with house.database.transaction() as tx:
        await tx.execute("UPDATE accounts.account SET role = 'moderator' WHERE id = $1", user["id"])
    await sign_in(page)
    secret = (await page.post("/v1/auth/totp")).json()["secret"]

    def code() -> dict[str, str]:
        return {"code": codes.code_at(b32decode(secret), codes.step_at(house.clock.now()))}

    before = page.cookies[ACCESS]
    confirmed = await page.post("/v1/auth/totp/confirm", json=code())
    assert set(confirmed.json()) == {"expires_in", "recovery_codes", "token_type"}
    assert set(cookies_set(confirmed)) == {ACCESS}
    assert page.cookies[ACCESS] != before
    house.clock.advance(timedelta(seconds=30))
    assert (await sign_in(page)).json()["second_factor"] == "needed"
    proved = await page.post("/v1/auth/totp/verify", json=code())
    assert (set(proved.json()), set(cookies_set(proved))) == ({"expires_in", "token_type"}, {ACCESS})
    scopes = house.accounts.verifier.verify(page.cookies[ACCESS]).scopes
    assert "users.suspend" in scopes


async def test_every_process_takes_the_csrf_tokens_of_the_others(open_database, open_house):
    async with (
        open_database(SCHEMA) as database,
        open_house(database, seed=1) as one,
        open_house(database, seed=2) as other,
        page_of(one) as page,
        page_of(other) as at_the_other,
    ):
        await sign_in(page)
        assert (
            await at_the_other.post("/v1/auth/logout", headers=holding(page) | {"x-csrf-token": page.cookies[CSRF]})
        ).status_code == 204
