"""How many requests a caller may make: per account with a token, per address without one."""

from __future__ import annotations

import math

from msgspec import Struct

from overworld.kernel.ports import Limit, Limiter, Taken
from overworld.platform.http.addresses import is_loopback, limited_as
from overworld.platform.http.caller import Caller
from overworld.platform.http.errors import TooManyRequests
from overworld.platform.http.settings import LimitSettings

LIMITED = ("/v1/", "/graphql")
_ADMIN = "admin"
_MINUTE_S = 60


class Rate(Struct, frozen=True):
    """What the limits said of one request: the `RateLimit-*` headers of its reply, and the refusal if there is one."""

    headers: list[tuple[bytes, bytes]]
    refusal: TooManyRequests | None = None


_UNLIMITED = Rate(headers=[])


class Rates:
    """Counts requests against their caller's limit, those of `LIMITED` paths; those under `own_limits` see to it."""

    def __init__(self, *, limiter: Limiter, settings: LimitSettings, own_limits: tuple[str, ...] = ()) -> None:
        self._limiter = limiter
        self._own_limits = own_limits
        self.apply(settings)

    def apply(self, settings: LimitSettings) -> None:
        """From now on these limits hold; what was already spent counts against them."""
        self._enabled = settings.enabled
        self._account = per_minute(settings.account_per_min)
        self._admin = per_minute(settings.admin_per_min)
        self._address = per_minute(settings.address_per_min)

    async def take(self, path: str, caller: Caller, *, holds_key: bool) -> Rate:
        """Counts one request; without headers where nothing is limited.

        A developer key lifts the limits for callers on this machine. Paths count as the router reads them: a second
        slash in front changes nothing.
        """
        path = f"/{path.lstrip('/')}"
        is_limited = self._enabled and path.startswith(LIMITED) and not path.startswith(self._own_limits)
        if not is_limited or (holds_key and is_loopback(caller.address)):
            return _UNLIMITED
        principal = caller.maybe
        if principal is None:
            kind, who, limit = "address", limited_as(caller.address), self._address
        else:
            kind, who = "account", str(principal.account_id)
            limit = self._admin if principal.role == _ADMIN else self._account
        taken = await self._limiter.take(f"http:{kind}:{who}", limit)
        headers = _headers(limit, taken)
        if taken.allowed:
            return Rate(headers)
        return Rate(headers, TooManyRequests(retry_after_s=max(1, math.ceil(taken.retry_after_s)), kind=kind))


def per_minute(count: int) -> Limit:
    """A bucket that holds `count` and fills in a minute."""
    return Limit(per_s=count / _MINUTE_S, burst=count)


def _headers(limit: Limit, taken: Taken) -> list[tuple[bytes, bytes]]:
    return [
        (b"ratelimit-limit", b"%d" % limit.burst),
        (b"ratelimit-remaining", b"%d" % taken.remaining),
        (b"ratelimit-reset", b"%d" % math.ceil(taken.reset_s)),
    ]
