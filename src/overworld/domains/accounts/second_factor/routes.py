"""Second factors over HTTP: decode, call, encode."""

from __future__ import annotations

from litestar import get, post
from litestar.handlers import HTTPRouteHandler

from overworld.domains.accounts.errors import SecondFactorNeeded, TokenRevoked
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
    FactorSecret,
    FactorSeen,
    GiveCode,
    Proved,
    RecoveryCodes,
)
from overworld.domains.accounts.second_factor.service import SecondFactors
from overworld.kernel.identity import Scope
from overworld.platform.http import Caller, needs

_CODE_REFUSALS = (SecondFactorNeeded, NoSecondFactor, TooManyCodes, BadCode, SecondFactorLocked)
_SET_UP_REFUSALS = (SecondFactorNeeded, TokenRevoked, SecondFactorForStaff, SecondFactorSet)


def routes(service: SecondFactors) -> list[HTTPRouteHandler]:
    """The handlers under `/v1/auth/totp`."""
    return [*_set_up(service), *_used(service)]


def _set_up(service: SecondFactors) -> list[HTTPRouteHandler]:
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
    async def confirm_second_factor(caller: Caller, data: GiveCode) -> Confirmed:
        """Confirms the second factor by a code of the app; it is asked for from then on."""
        return await service.confirm(data, caller.principal, staff=caller.staff, origin=origin_of(caller))

    return [second_factor, set_up_second_factor, confirm_second_factor]


def _used(service: SecondFactors) -> list[HTTPRouteHandler]:
    @post(
        "/v1/auth/totp/verify",
        opt=needs(Scope.ACCOUNT_SELF, refusals=(*_CODE_REFUSALS, TokenRevoked)),
        status_code=200,
    )
    async def prove_second_factor(caller: Caller, data: GiveCode) -> Proved:
        """An access token with what staff may do, for a code of the app or a recovery code."""
        return await service.prove(data, caller.principal, staff=caller.staff, origin=origin_of(caller))

    @post("/v1/auth/totp/recovery", opt=needs(Scope.ACCOUNT_SELF, refusals=_CODE_REFUSALS), status_code=200)
    async def renew_recovery_codes(caller: Caller, data: GiveCode) -> RecoveryCodes:
        """New recovery codes, for a code of the app; all others are over."""
        return await service.renew(data, caller.principal, staff=caller.staff, origin=origin_of(caller))

    @post("/v1/auth/totp/remove", opt=needs(Scope.ACCOUNT_SELF, refusals=_CODE_REFUSALS), status_code=204)
    async def remove_second_factor(caller: Caller, data: GiveCode) -> None:
        """Gives the second factor up, for a code of the app or a recovery code."""
        await service.remove(data, caller.principal, staff=caller.staff, origin=origin_of(caller))

    return [prove_second_factor, renew_recovery_codes, remove_second_factor]
