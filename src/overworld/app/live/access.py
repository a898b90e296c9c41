"""Who may look at the live map."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from litestar.datastructures import Headers
from msgspec import Struct

from overworld.kernel.identity import Scope
from overworld.kernel.ports import Limit, Limiter
from overworld.platform.http import Caller
from overworld.platform.http.addresses import is_loopback, limited_as
from overworld.platform.http.errors import Forbidden, TooManyRequests, Unauthenticated

_FORWARDING = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
_LIMIT = Limit(per_s=20.0, burst=100)


class Viewers(Struct, frozen=True, kw_only=True):
    """Lets in whoever holds the scope `world.read`, by token or by developer key alone; and without any of these
    everybody when `everybody` says so, else callers on this machine when `machine` does. `everybody` sees where players
    are, and not what they hold.

    A proxy on this machine makes strangers look like neighbours, and a page on the web can have a name of its own
    resolve to this machine, or be let in by `http.cors_origins`. So a neighbour is believed only when the request was
    not passed on, names this machine as its host, and comes from no page of elsewhere. An address may spend 20 looks a
    second, 100 at once; the page takes two, and five more while it shows a player.
    """

    everybody: bool
    machine: bool
    limiter: Limiter
    limits_enabled: bool

    async def admit(self, caller: Caller, headers: Headers, *, looks: int = 1) -> None:
        """Passes when the caller may look; what is more work counts as several looks.

        Raises: TooManyRequests, Unauthenticated, Forbidden.
        """
        await self.count(caller, looks=looks)
        if not self.everybody:
            self._require(caller, headers)

    async def admit_to_follow(self, caller: Caller, headers: Headers, *, looks: int) -> None:
        """Passes when the caller may see what any player holds: not for everybody, whoever may see where they are.

        Raises: TooManyRequests, Unauthenticated, Forbidden.
        """
        await self.count(caller, looks=looks)
        self._require(caller, headers)

    async def count(self, caller: Caller, *, looks: int) -> None:
        """Takes looks off what the caller's address may spend. Raises: TooManyRequests."""
        if self.limits_enabled:
            taken = await self.limiter.take(f"live:{limited_as(caller.address)}", _LIMIT, cost=looks)
            if not taken.allowed:
                raise TooManyRequests(retry_after_s=max(1, round(taken.retry_after_s)), kind="live")

    def trusts(self, caller: Caller, headers: Headers) -> bool:
        """Whether the caller has the scope, or is a neighbour to be believed."""
        return Scope.WORLD_READ in caller.scopes or self._is_neighbour(caller, headers)

    def is_open_to(self, caller: Caller, headers: Headers) -> bool:
        """Whether the caller may look without any scope."""
        return self.everybody or self._is_neighbour(caller, headers)

    def _is_neighbour(self, caller: Caller, headers: Headers) -> bool:
        return self.machine and is_loopback(caller.address) and _is_from_here(headers)

    def _require(self, caller: Caller, headers: Headers) -> None:
        if self.trusts(caller, headers):
            return
        if caller.maybe is not None:
            raise Forbidden(scope=Scope.WORLD_READ)
        raise Unauthenticated("The live map needs a token or a developer key with the scope world.read")


def _is_from_here(headers: Headers) -> bool:
    if any(name in headers for name in _FORWARDING):
        return False
    # Of two hosts, nobody knows which one a proxy went by.
    hosts, origins = headers.getall("host", []), headers.getall("origin", [])
    return len(hosts) == 1 and all(_is_here(url) for url in (f"//{hosts[0]}", *origins))


def _is_here(url: str) -> bool:
    try:
        host = urlsplit(url).hostname
        return host is not None and (host == "localhost" or ip_address(host).is_loopback)
    except ValueError:
        return False
