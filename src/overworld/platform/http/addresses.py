"""Which address a request came from, behind proxies that are trusted and those that are not."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

_IPV6_HOME_BITS = 64
_KEPT_MAX = 4_096
UNKNOWN = "unknown"


class Addresses:
    """Finds the caller's address: the nearest hop that is not one of our own proxies.

    Raises: ValueError when a network is not one.
    """

    def __init__(self, trusted_proxies: Sequence[str]) -> None:
        self._trusted = [ip_network(network) for network in trusted_proxies]

    def caller(self, peer: str, forwarded_for: bytes | None) -> str:
        """The address of who called. `forwarded_for` is believed only as far as trusted hops vouch for it."""
        address = _canonical(peer)
        if not self._trusted or forwarded_for is None:
            return address
        for hop in reversed(forwarded_for.decode("latin-1").split(",")):
            if not self._is_trusted(address):
                return address
            parsed = _parsed(hop.strip())
            if parsed is None:
                return address
            address = str(parsed)
        return address

    def _is_trusted(self, address: str) -> bool:
        parsed = _parsed(address)
        return parsed is not None and any(parsed in network for network in self._trusted)


def limited_as(address: str) -> str:
    """Whose bucket an address counts against: itself, or its /64 network when it is IPv6 (one home, one bucket)."""
    if ":" not in address:
        return address
    parsed = _parsed(address)
    if not isinstance(parsed, IPv6Address):
        return address if parsed is None else str(parsed)
    return f"{IPv6Address(int(parsed) >> _IPV6_HOME_BITS << _IPV6_HOME_BITS)}/{_IPV6_HOME_BITS}"


def is_loopback(address: str) -> bool:
    """Whether an address is this machine's own."""
    parsed = _parsed(address)
    return parsed is not None and parsed.is_loopback


@lru_cache(maxsize=_KEPT_MAX)
def _canonical(peer: str) -> str:
    known = _parsed(peer)
    return peer if known is None else str(known)


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    """The address that a text is; one of IPv4 in the form of IPv6, as sockets for both give it, is itself."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
