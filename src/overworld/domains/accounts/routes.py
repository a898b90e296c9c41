"""Accounts over HTTP: decode, call, encode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast
from uuid import UUID

from litestar import Request, delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.response import Response

from overworld.domains.accounts.errors import (
    AccountSuspended,
    BadCredentials,
    BadEmail,
    BadRefreshToken,
    BadUsername,
    EmailTaken,
    LockedOut,
    NoSuchSession,
    RefreshedElsewhere,
    TooManyRegistrations,
    UsernameTaken,
    WeakPassword,
)
from overworld.domains.accounts.messages import (
    Grant,
    InCookies,
    Jwks,
    LogIn,
    LogOut,
    Me,
    Refresh,
    Register,
    SessionSeen,
    SignInDevice,
)
from overworld.domains.accounts.pages import Pages
from overworld.domains.accounts.service import Profiles, Sessions, SignIn
from overworld.domains.accounts.types import Origin
from overworld.kernel.identity import Scope
from overworld.platform.http import UNCHANGED, Caller, Page, etag_reply, needs, open_to_all, renews_session
from overworld.platform.http.errors import Unauthenticated

_REGISTER_REFUSALS = (BadUsername, BadEmail, WeakPassword, TooManyRegistrations, EmailTaken, UsernameTaken)
_LOGIN_REFUSALS = (LockedOut, BadCredentials, AccountSuspended)
_DEVICE_REFUSALS = (BadUsername, TooManyRegistrations, AccountSuspended)
_KNOWN = {200: ResponseSpec(data_container=cast("type[Any]", Grant | InCookies), description="The device is known")}


def routes(
    *, sign_in: SignIn, sessions: Sessions, profiles: Profiles, pages: Pages, jwks: Callable[[], Jwks]
) -> list[HTTPRouteHandler]:
    """The handlers under `/v1/auth`, `/v1/users/me`, and the public keys."""
    return [
        *_ways_in(sign_in, pages),
        *_session_routes(sessions),
        *_renewing(sessions, pages),
        _me(profiles),
        _public_keys(jwks),
    ]


def _ways_in(service: SignIn, pages: Pages) -> list[HTTPRouteHandler]:
    @post("/v1/auth/register", opt=open_to_all(refusals=_REGISTER_REFUSALS, gives_session=True))
    async def register(caller: Caller, data: Register) -> Response[Grant | InCookies]:
        """A new account with an e-mail address and a password, signed in."""
        return pages.given(await service.register(data, origin=origin_of(caller)), caller, status=201)

    @post("/v1/auth/login", opt=open_to_all(refusals=_LOGIN_REFUSALS, gives_session=True), status_code=200)
    async def log_in(caller: Caller, data: LogIn) -> Response[Grant | InCookies]:
        """Signs in by e-mail address and password."""
        return pages.given(await service.log_in(data, origin=origin_of(caller)), caller)

    @post("/v1/auth/device", opt=open_to_all(refusals=_DEVICE_REFUSALS, gives_session=True), responses=_KNOWN)
    async def sign_in_device(caller: Caller, data: SignInDevice) -> Response[Grant | InCookies]:
        """Signs in by a device's own secret id; the first time makes an account."""
        found = await service.sign_in_device(data, origin=origin_of(caller))
        return pages.given(found.grant, caller, status=201 if found.is_new else 200)

    return [register, log_in, sign_in_device]


def _session_routes(service: Sessions) -> list[HTTPRouteHandler]:
    @post("/v1/auth/logout", opt=needs(Scope.ACCOUNT_SELF), status_code=204)
    async def log_out(caller: Caller, data: LogOut | None = None) -> Response[None]:
        """Ends this session, or with `{"all": true}` every session of the account; takes its cookies back."""
        await service.log_out(caller.principal, everywhere=data is not None and data.all)
        in_cookies = caller.browser if caller.is_by_cookie else None
        return Response(None, status_code=204, cookies=in_cookies.emptied() if in_cookies else None)

    @get("/v1/auth/sessions", opt=needs(Scope.ACCOUNT_SELF))
    async def list_sessions(caller: Caller) -> Page[SessionSeen]:
        """Where you are signed in, the last used first; always one page."""
        return Page(await service.running(caller.principal))

    @delete("/v1/auth/sessions/{session_id:uuid}", opt=needs(Scope.ACCOUNT_SELF, refusals=(NoSuchSession,)))
    async def end_session(caller: Caller, session_id: UUID) -> None:
        """Ends one of your sessions."""
        await service.end(caller.principal.account_id, session_id)

    return [log_out, list_sessions, end_session]


def _renewing(service: Sessions, pages: Pages) -> list[HTTPRouteHandler]:
    @post("/v1/auth/refresh", opt=open_to_all(refusals=(BadRefreshToken,)), status_code=200)
    async def refresh(caller: Caller, data: Refresh) -> Grant:
        """New tokens for a refresh token, which is then used up."""
        return await service.refresh(data, origin=origin_of(caller))

    @post(
        "/v1/auth/refresh/cookie",
        opt=renews_session(refusals=(BadRefreshToken, RefreshedElsewhere)),
        status_code=200,
    )
    async def refresh_cookies(caller: Caller) -> Response[InCookies]:
        """New tokens for the refresh token in the cookie, which is then used up; they are in cookies again."""
        if caller.browser is None:
            raise Unauthenticated("There is no refresh token in a cookie")
        renewal = caller.browser.renewal()
        command = Refresh(refresh_token=renewal.refresh_token)
        grant = await service.refresh_page(command, session_id=renewal.session_id, origin=origin_of(caller))
        return Response(InCookies.of(grant), cookies=pages.cookies(grant, caller.browser))

    return [refresh, refresh_cookies]


def _me(service: Profiles) -> HTTPRouteHandler:
    @get("/v1/users/me", opt=needs(Scope.ACCOUNT_SELF, hot=True), responses=UNCHANGED)
    async def me(caller: Caller, request: Request[Any, Any, Any]) -> Response[Me]:
        """Your account. Answers 304 when `If-None-Match` names what you would get."""
        mine = await service.me(caller.principal.account_id)
        return etag_reply(mine, request, edited=mine.edited)

    return me


def _public_keys(jwks: Callable[[], Jwks]) -> HTTPRouteHandler:
    @get("/.well-known/jwks.json", opt=open_to_all())
    async def public_keys() -> Response[Jwks]:
        """The keys that access tokens are verified with."""
        return Response(jwks(), headers={"Cache-Control": "public, max-age=300"})

    return public_keys


def origin_of(caller: Caller) -> Origin:
    """Where a command came from, as sessions and events keep it."""
    return Origin.of(caller.address, caller.user_agent)
