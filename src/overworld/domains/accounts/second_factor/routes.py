"""Second factors over HTTP: decode, call, encode."""

from __future__ import annotations

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.response import Response

from overworld.domains.accounts.errors import SecondFactorNeeded, TokenRevoked
from overworld.domains.accounts.pages import Pages
from overworld.domains.accounts.routes import origin_of
from overworld.domains.accounts.second_factor.errors import (
    BadCode,
    NoSecondFactor,
    SecondFactorForStaff,
    SecondFactorLocked,
    SecondFactorSet,
    TooManyCodes,
)
from overworld.domains.accounts.second_factor.messages import (
    BeginFactor,
    Confirmed,
    ConfirmedInCookie,
    FactorSecret,
    FactorSeen,
    GiveCode,
    Proved,
    ProvedInCookie,
    RecoveryCodes,
)
from overworld.domains.accounts.second_factor.service import SecondFactors
from overworld.kernel.identity import Scope
from overworld.platform.http import Caller, needs

_CODE_REFUSALS = (SecondFactorNeeded, NoSecondFactor, TooManyCodes, BadCode, SecondFactorLocked)
_SET_UP_REFUSALS = (SecondFactorNeeded, TokenRevoked, SecondFactorForStaff, SecondFactorSet)


def routes(service: SecondFactors, *, pages: Pages) -> list[HTTPRouteHandler]:
    """The handlers under `/v1/auth/totp`."""
    return [*_set_up(service, pages), *_used(service, pages)]


def _set_up(service: SecondFactors, pages: Pages) -> list[HTTPRouteHandler]:
    @get("/v1/auth/totp", opt=needs(Scope.ACCOUNT_SELF, refusals=(TokenRevoked,)))
    async def second_factor(caller: Caller) -> FactorSeen:
        """Whether you have a second factor, and whether this session proved it."""
        return await service.seen(caller.principal)

    @post("/v1/auth/totp", opt=needs(Scope.ACCOUNT_SELF, refusals=_SET_UP_REFUSALS), status_code=200)
    async def set_up_second_factor(caller: Caller, data: BeginFactor | None = None) -> FactorSecret:
        """Begins to set up a second factor: a secret for an app that makes codes."""
        return await service.set_up(caller.principal)

    @post(
        "/v1/auth/totp/confirm",
        opt=needs(Scope.ACCOUNT_SELF, refusals=(*_CODE_REFUSALS, SecondFactorSet, TokenRevoked)),
        status_code=200,
    )
    async def confirm_second_factor(caller: Caller, data: GiveCode) -> Response[Confirmed | ConfirmedInCookie]:
        """Confirms the second factor by a code of the app; it is asked for from then on."""
        confirmed = await service.confirm(data, caller.principal, staff=caller.staff, origin=origin_of(caller))
        cookies = pages.access(confirmed.access_token, life_s=confirmed.expires_in, caller=caller)
        if cookies is None:
            return Response(confirmed)
        kept = ConfirmedInCookie(expires_in=confirmed.expires_in, recovery_codes=confirmed.recovery_codes)
        return Response(kept, cookies=cookies)

    return [second_factor, set_up_second_factor, confirm_second_factor]


def _used(service: SecondFactors, pages: Pages) -> list[HTTPRouteHandler]:
    @post(
        "/v1/auth/totp/verify",
        opt=needs(Scope.ACCOUNT_SELF, refusals=(*_CODE_REFUSALS, TokenRevoked)),
        status_code=200,
    )
    async def prove_second_factor(caller: Caller, data: GiveCode) -> Response[Proved | ProvedInCookie]:
        """An access token with what staff may do, for a code of the app or a recovery code."""
        proved = await service.prove(data, caller.principal, staff=caller.staff, origin=origin_of(caller))
        cookies = pages.access(proved.access_token, life_s=proved.expires_in, caller=caller)
        if cookies is None:
            return Response(proved)
        return Response(ProvedInCookie(expires_in=proved.expires_in), cookies=cookies)

    @post("/v1/auth/totp/recovery", opt=needs(Scope.ACCOUNT_SELF, refusals=_CODE_REFUSALS), status_code=200)
    async def renew_recovery_codes(caller: Caller, data: GiveCode) -> RecoveryCodes:
        """New recovery codes, for a code of the app; all others are over."""
        return await service.renew(data, caller.principal, staff=caller.staff, origin=origin_of(caller))

    @post("/v1/auth/totp/remove", opt=needs(Scope.ACCOUNT_SELF, refusals=_CODE_REFUSALS), status_code=204)
    async def remove_second_factor(caller: Caller, data: GiveCode) -> None:
        """Gives the second factor up, for a code of the app or a recovery code."""
        await service.remove(data, caller.principal, staff=caller.staff, origin=origin_of(caller))

    return [prove_second_factor, renew_recovery_codes, remove_second_factor]
