"""Accounts elsewhere, wallets and ways in over HTTP: decode, call, encode."""

from __future__ import annotations

from typing import Annotated, Any, cast

from litestar import delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import Parameter
from litestar.response import Response

from overworld.domains.accounts.errors import (
    AccountSuspended,
    BadUsername,
    LastWay,
    SecondFactorNeeded,
    TokenRevoked,
    TooManyRegistrations,
)
from overworld.domains.accounts.external.errors import (
    AlreadyLinked,
    BadAnswer,
    ExternalTaken,
    NoSuchProvider,
    NotLinked,
    NotProved,
    ProviderUnavailable,
    RedirectRefused,
)
from overworld.domains.accounts.external.messages import (
    BeginVisit,
    Challenge,
    LinkWay,
    ProviderSeen,
    SignInExternal,
    SignInWallet,
    Visit,
    WaySeen,
)
from overworld.domains.accounts.external.service import External
from overworld.domains.accounts.external.visits import Visits
from overworld.domains.accounts.messages import Entered, Grant, InCookies
from overworld.domains.accounts.pages import Pages
from overworld.domains.accounts.routes import origin_of
from overworld.kernel.identity import Scope
from overworld.platform.http import Caller, Page, needs, open_to_all

_BEGIN = (NoSuchProvider, RedirectRefused, ProviderUnavailable)
_WALLET = (AccountSuspended, NoSuchProvider, NotProved, BadUsername, TooManyRegistrations)
_SOCIAL = (AccountSuspended, *_WALLET, BadAnswer, ProviderUnavailable)
_UNLINK = (SecondFactorNeeded, NotLinked, LastWay, TokenRevoked)
_LINK = (
    SecondFactorNeeded,
    NoSuchProvider,
    BadAnswer,
    NotProved,
    ProviderUnavailable,
    ExternalTaken,
    AlreadyLinked,
    TokenRevoked,
)
_KNOWN = {200: ResponseSpec(data_container=cast("type[Any]", Grant | InCookies), description="The account is known")}

ProviderPath = Annotated[str, Parameter(max_length=32, description="The provider's name in the settings.")]
WayPath = Annotated[
    str, Parameter(max_length=32, description="`password`, `device`, `wallet`, or a provider's name in the settings.")
]


def routes(*, external: External, visits: Visits, pages: Pages) -> list[HTTPRouteHandler]:
    """The handlers under `/v1/auth/social`, `/v1/auth/wallet` and `/v1/auth/link`."""
    return [*_sign_in_routes(external, visits, pages), *_link_routes(external, visits)]


def _sign_in_routes(external: External, visits: Visits, pages: Pages) -> list[HTTPRouteHandler]:
    @get("/v1/auth/social", opt=open_to_all())
    async def list_providers() -> Page[ProviderSeen]:
        """The providers that people may sign in with; always one page."""
        return Page(external.providers)

    @post("/v1/auth/social/{provider:str}/begin", opt=open_to_all(refusals=_BEGIN), status_code=201)
    async def begin_social(provider: ProviderPath, data: BeginVisit) -> Visit:
        """Begins a visit to a provider: where to send the browser, and what to keep until it is back."""
        return await visits.begin(provider, data.redirect_uri, account_id=None)

    @post("/v1/auth/social/{provider:str}", opt=open_to_all(refusals=_SOCIAL, gives_session=True), responses=_KNOWN)
    async def sign_in_social(
        caller: Caller, provider: ProviderPath, data: SignInExternal
    ) -> Response[Grant | InCookies]:
        """Signs in by what came back from a provider; the first time makes an account."""
        return _reply(await external.sign_in(provider, data, origin=origin_of(caller)), caller, pages)

    @post("/v1/auth/wallet/begin", opt=open_to_all(refusals=(NoSuchProvider,)), status_code=201)
    async def begin_wallet() -> Challenge:
        """A nonce for a wallet's message, good once."""
        return await visits.challenge(account_id=None)

    @post("/v1/auth/wallet", opt=open_to_all(refusals=_WALLET, gives_session=True), responses=_KNOWN)
    async def sign_in_wallet(caller: Caller, data: SignInWallet) -> Response[Grant | InCookies]:
        """Signs in with Ethereum; the first time makes an account."""
        return _reply(await external.sign_in_wallet(data, origin=origin_of(caller)), caller, pages)

    return [list_providers, begin_social, sign_in_social, begin_wallet, sign_in_wallet]


def _link_routes(external: External, visits: Visits) -> list[HTTPRouteHandler]:
    @get("/v1/auth/link", opt=needs(Scope.ACCOUNT_SELF, refusals=(TokenRevoked,)))
    async def list_ways(caller: Caller) -> Page[WaySeen]:
        """The ways into your account; always one page."""
        return Page(await external.ways(caller.principal.account_id))

    @post("/v1/auth/link/wallet/begin", opt=needs(Scope.ACCOUNT_SELF, refusals=(NoSuchProvider,)), status_code=201)
    async def begin_link_wallet(caller: Caller) -> Challenge:
        """A nonce for the message of a wallet that you will link."""
        return await visits.challenge(account_id=caller.principal.account_id)

    @post("/v1/auth/link/{way:str}/begin", opt=needs(Scope.ACCOUNT_SELF, refusals=_BEGIN), status_code=201)
    async def begin_link(caller: Caller, way: ProviderPath, data: BeginVisit) -> Visit:
        """Begins a visit to a provider whose account you will link."""
        return await visits.begin(way, data.redirect_uri, account_id=caller.principal.account_id)

    @post("/v1/auth/link/{way:str}", opt=needs(Scope.ACCOUNT_SELF, refusals=_LINK), status_code=200)
    async def link_way(caller: Caller, way: WayPath, data: LinkWay) -> Page[WaySeen]:
        """Adds a way into your account: a device, a wallet, or an account elsewhere."""
        return Page(await external.link(caller.principal, way, data, origin=origin_of(caller)))

    @delete("/v1/auth/link/{way:str}", opt=needs(Scope.ACCOUNT_SELF, refusals=_UNLINK))
    async def unlink_way(caller: Caller, way: WayPath) -> None:
        """Takes a way in from your account and ends the other sessions that it opened; never the last one."""
        await external.unlink(caller.principal, way, origin=origin_of(caller))

    return [list_ways, begin_link_wallet, begin_link, link_way, unlink_way]


def _reply(entered: Entered, caller: Caller, pages: Pages) -> Response[Grant | InCookies]:
    return pages.given(entered.grant, caller, status=201 if entered.is_new else 200)
