"""Sessions in cookies at the edge: which requests of a browser they count for."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry

from overworld.kernel.identity import Principal, Scope
from overworld.platform.http import HttpSettings, LimitSettings, build_http
from overworld.platform.limiter import MemoryLimiter
from overworld.platform.observability import Metrics
from tests.platform.http.conftest import PLAYER, Edge, Keys, TokenForged, routes

SESSION, OTHERS = UUID(int=70), UUID(int=71)
SCOPES = frozenset({Scope.GAME_PLAY, Scope.GAME_READ})
MOVES = f"/v1/moves/{UUID(int=1)}"
PLACE = {"lat": 1, "lng": 2}
OURS = {"sec-fetch-site": "same-origin"}


class SessionTokens:
    """A verifier that knows a token of a session, and a key, which has none."""

    def verify(self, token: str) -> Principal:
        if token == "page":
            return Principal(account_id=PLAYER, role="player", scopes=SCOPES, sid=SESSION)
        if token == "key":
            return Principal(account_id=PLAYER, role="player", scopes=SCOPES)
        raise TokenForged


class ReadableTokens:
    """CSRF tokens that anybody can read, and nobody forges here."""

    def token(self, session_id: UUID) -> str:
        return f"for-{session_id.int}"

    def session(self, token: str) -> UUID | None:
        return UUID(int=int(token.removeprefix("for-"))) if token.startswith("for-") else None


def edge_of(clock, *, plain: bool = True, csrf: Any = None, **settings: Any) -> Edge:
    metrics = Metrics(CollectorRegistry())
    app = build_http(
        routes=routes(),
        verifier=SessionTokens(),
        keys=Keys(),
        limiter=MemoryLimiter(monotonic_s=clock.monotonic_s),
        settings=HttpSettings(**settings),
        limits=LimitSettings(enabled=False),
        metrics=metrics,
        csrf=csrf or ReadableTokens(),
        plain_cookies=plain,
    )
    return Edge(app, metrics, clock)


@pytest.fixture
async def page(clock):
    """A browser with a session, at a server on this machine."""
    headers = {"host": "localhost:7400", "cookie": "overworld-access=page; theme=dark; overworld-csrf=for-70"}
    async with edge_of(clock).client(**headers) as client:
        yield client


async def move(client, **headers: str):
    reply = await client.post(MOVES, json=PLACE, headers={"idempotency-key": "k"} | headers)
    return reply.status_code, reply.json().get("code") or reply.json()["account"]


PROVED = OURS | {"x-csrf-token": "for-70"}


async def test_a_change_from_our_own_page_with_its_token_counts(page):
    assert await move(page, **PROVED) == (201, str(PLAYER))


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none", "SAME-ORIGIN", ""])
async def test_a_change_from_any_other_page_does_not_whatever_else_it_has(page, site):
    headers = {"sec-fetch-site": site, "x-csrf-token": "for-70", "origin": "http://localhost:7400"}
    assert await move(page, **headers) == (403, "http.not_our_page")


@pytest.mark.parametrize(
    ("origin", "is_taken"),
    [
        ("http://localhost:7400", True),
        ("http://localhost:7401", False),
        ("https://localhost:7400", False),
        ("http://localhost", False),
        ("http://localhost:7400.evil.example", False),
        ("null", False),
        (None, False),
    ],
)
async def test_a_browser_without_fetch_metadata_is_judged_by_its_origin(page, origin, is_taken):
    headers = {"x-csrf-token": "for-70"} | ({"origin": origin} if origin else {})
    assert await move(page, **headers) == ((201, str(PLAYER)) if is_taken else (403, "http.not_our_page"))


@pytest.mark.parametrize("token", [None, "", "for-71", "for-7", "made up"])
async def test_a_change_needs_the_token_of_the_cookie_in_the_header(page, token):
    headers = OURS | ({} if token is None else {"x-csrf-token": token})
    assert await move(page, **headers) == (403, "http.bad_csrf_token")


@pytest.mark.parametrize("token", ["for-71", "made up"])
async def test_a_pair_that_matches_is_no_good_when_it_is_not_of_this_session(page, token):
    cookie = f"overworld-access=page; overworld-csrf={token}"
    assert await move(page, **OURS, **{"cookie": cookie, "x-csrf-token": token}) == (403, "http.bad_csrf_token")


async def test_of_two_cookies_with_one_name_neither_counts(page):
    twice = "overworld-access=page; overworld-access=forged; overworld-csrf=for-70"
    reply = await page.get("/v1/moves", headers=OURS | {"cookie": twice})
    assert (reply.status_code, reply.json()["code"]) == (401, "http.unauthenticated")
    assert await move(page, **PROVED, cookie="overworld-access=page; overworld-csrf=for-70; overworld-csrf=for-70") == (
        403,
        "http.bad_csrf_token",
    )


async def test_cookies_may_come_in_several_headers(clock):
    headers = [("host", "localhost:7400"), ("cookie", "overworld-access=page"), ("cookie", "theme=dark")]
    async with edge_of(clock).client() as client:
        assert (await client.get("/v1/moves", headers=headers)).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "none"}, 200),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"origin": "http://localhost:3000"}, 403),
    ],
)
async def test_reading_needs_no_token_and_no_other_page_reads(page, headers, status):
    assert (await page.get("/v1/moves", headers=headers)).status_code == status
    assert (await page.head("/v1/moves", headers=headers)).status_code == status


async def test_a_bearer_token_goes_before_cookies_and_needs_no_proof(page):
    assert await move(page, authorization="Bearer page", **{"sec-fetch-site": "cross-site"}) == (201, str(PLAYER))
    assert await move(page, authorization="Bearer forged", **PROVED) == (401, "test.token_forged")


async def test_an_open_route_does_not_know_who_is_there_without_the_proof(page):
    there = "/v1/places?lat=1"
    assert (await page.get(there, headers=OURS)).json()["items"][0] == str(PLAYER)
    reply = await page.get(there, headers={"sec-fetch-site": "cross-site"})
    assert (reply.status_code, reply.json()["items"][0]) == (200, "nobody")


@pytest.mark.parametrize("token", ["key", "forged"])
async def test_only_tokens_of_sessions_are_taken_from_cookies(page, token):
    reply = await page.get("/v1/moves", headers={"cookie": f"overworld-access={token}"})
    assert (reply.status_code, reply.json()["code"]) == (
        401,
        "http.unauthenticated" if token == "key" else "test.token_forged",
    )


async def test_with_tls_only_the_names_count_that_no_neighbour_can_set(clock):
    async with edge_of(clock, tls=True).client(host="play.example") as client:
        for prefix, status in (("__Host-", 200), ("", 401), ("__Secure-", 401)):
            reply = await client.get("/v1/moves", headers=OURS | {"cookie": f"{prefix}overworld-access=page"})
            assert reply.status_code == status
        cookie = "__Host-overworld-access=page; __Host-overworld-csrf=for-70"
        headers = {"cookie": cookie, "x-csrf-token": "for-70"}
        assert await move(client, **headers, origin="https://play.example") == (201, str(PLAYER))
        assert await move(client, **headers, origin="http://play.example") == (403, "http.not_our_page")


@pytest.mark.parametrize(
    ("plain", "host", "forwarded", "status"),
    [
        (True, "127.0.0.1:7400", {}, 200),
        (True, "[::1]:7400", {}, 200),
        (True, "game.localhost:7400", {}, 200),
        (True, "play.example", {}, 401),
        (True, "192.168.1.4:7400", {}, 401),
        (True, "localhost.evil.example", {}, 401),
        (True, "[", {}, 401),
        (True, "localhost:7400", {"x-forwarded-for": "203.0.113.1"}, 401),
        (False, "localhost:7400", {}, 401),
    ],
)
async def test_without_tls_cookies_count_where_somebody_develops_alone(clock, plain, host, forwarded, status):
    async with edge_of(clock, plain=plain).client(host=host, cookie="overworld-access=page") as client:
        assert (await client.get("/v1/moves", headers=forwarded)).status_code == status


@pytest.mark.parametrize("origins", [("*",), ("https://play.example",)])
async def test_no_origin_is_ever_let_in_with_credentials(clock, origins):
    async with edge_of(clock, cors_origins=origins).client(host="localhost:7400") as client:
        asked = {"origin": "https://play.example", "cookie": "overworld-access=page"}
        preflight = asked | {
            "access-control-request-method": "POST",
            "access-control-request-headers": "x-csrf-token, overworld-tokens",
        }
        for reply in (
            await client.get("/v1/places?lat=1", headers=asked),
            await client.options("/v1/places", headers=preflight),
        ):
            assert reply.headers["access-control-allow-origin"] == "https://play.example"
            assert "access-control-allow-credentials" not in reply.headers
            allowed = reply.headers.get("access-control-allow-headers", "")
            assert "csrf" not in allowed and "overworld" not in allowed


async def test_a_server_that_makes_no_csrf_tokens_changes_nothing_by_cookie(clock):
    from overworld.platform.http.browser import NoCsrfTokens

    async with edge_of(clock, csrf=NoCsrfTokens()).client(host="localhost:7400") as client:
        cookie = "overworld-access=page; overworld-csrf=for-70"
        assert await move(client, **PROVED, cookie=cookie) == (403, "http.bad_csrf_token")
