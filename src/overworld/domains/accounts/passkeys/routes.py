"""Passkeys over HTTP: decode, call, encode."""

from __future__ import annotations

from uuid import UUID

from litestar import delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.response import Response

from overworld.domains.accounts.errors import AccountSuspended, LastWay, SecondFactorNeeded, TokenRevoked
from overworld.domains.accounts.messages import Grant, InCookies
from overworld.domains.accounts.pages import Pages
from overworld.domains.accounts.passkeys.errors import (
    BadPasskey,
    CeremonyOver,
    NoSuchPasskey,
    PasskeyKnown,
    PasskeyRefused,
    TooManyPasskeys,
)
from overworld.domains.accounts.passkeys.messages import AddPasskey, BeginPasskey, Begun, PasskeySeen, SignInPasskey
from overworld.domains.accounts.passkeys.service import Passkeys
from overworld.domains.accounts.routes import origin_of
from overworld.kernel.identity import Scope
from overworld.platform.http import Caller, Page, needs, open_to_all

_BEGIN_REFUSALS = (TokenRevoked, SecondFactorNeeded, TooManyPasskeys)
_ADD_REFUSALS = (CeremonyOver, PasskeyRefused, TokenRevoked, SecondFactorNeeded, TooManyPasskeys, PasskeyKnown)
_LOGIN_REFUSALS = (CeremonyOver, BadPasskey, AccountSuspended)
_FORGET_REFUSALS = (TokenRevoked, SecondFactorNeeded, NoSuchPasskey, LastWay)


def routes(service: Passkeys, *, pages: Pages) -> list[HTTPRouteHandler]:
    """The handlers under `/v1/auth/passkey` and `/v1/auth/passkeys`."""
    return [*_ceremonies(service, pages), *_kept(service)]


def _ceremonies(service: Passkeys, pages: Pages) -> list[HTTPRouteHandler]:
    @post("/v1/auth/passkey/register/begin", opt=needs(Scope.ACCOUNT_SELF, refusals=_BEGIN_REFUSALS), status_code=200)
    async def begin_adding_passkey(caller: Caller, data: BeginPasskey | None = None) -> Begun:
        """Begins to add a passkey to your account: what to ask the authenticator."""
        return await service.begin_adding(caller.principal)

    @post("/v1/auth/passkey/register/finish", opt=needs(Scope.ACCOUNT_SELF, refusals=_ADD_REFUSALS))
    async def add_passkey(caller: Caller, data: AddPasskey) -> PasskeySeen:
        """Adds the passkey that the authenticator made; the session that began has to bring it."""
        return await service.add(data, caller.principal)

    @post("/v1/auth/passkey/login/begin", opt=open_to_all(), status_code=200)
    async def begin_passkey_login(data: BeginPasskey | None = None) -> Begun:
        """Begins to sign in by a passkey: what to ask the authenticator. No name is needed."""
        return await service.begin_signing_in()

    @post(
        "/v1/auth/passkey/login/finish",
        opt=open_to_all(refusals=_LOGIN_REFUSALS, gives_session=True),
        status_code=200,
    )
    async def log_in_by_passkey(caller: Caller, data: SignInPasskey) -> Response[Grant | InCookies]:
        """Signs in by what the authenticator signed."""
        return pages.given(await service.sign_in(data, origin=origin_of(caller)), caller)

    return [begin_adding_passkey, add_passkey, begin_passkey_login, log_in_by_passkey]


def _kept(service: Passkeys) -> list[HTTPRouteHandler]:
    @get("/v1/auth/passkeys", opt=needs(Scope.ACCOUNT_SELF))
    async def list_passkeys(caller: Caller) -> Page[PasskeySeen]:
        """Your passkeys, the oldest first; always one page."""
        return Page(await service.listed(caller.principal))

    @delete("/v1/auth/passkeys/{passkey_id:uuid}", opt=needs(Scope.ACCOUNT_SELF, refusals=_FORGET_REFUSALS))
    async def forget_passkey(caller: Caller, passkey_id: UUID) -> None:
        """Forgets one of your passkeys; sessions that it opened go on."""
        await service.forget(caller.principal, passkey_id)

    return [list_passkeys, forget_passkey]
