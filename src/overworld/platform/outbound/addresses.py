"""Which addresses a request may go to that somebody else chose the target of."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

_GLOBAL_UNICAST = ip_network("2000::/3")
_TRANSLATED = ip_network("64:ff9b::/96")
_OF_CLOUDS = frozenset({ip_address("168.63.129.16")})
"""Public by number, yet answered by the host that a virtual machine runs on (Azure)."""


class NoSuchHost(Exception):
    """The name has no address."""


class PrivateAddress(Exception):
    """Every address of the name is one that nobody outside may be sent to."""


async def resolved(host: str, port: int, *, private_allowed: bool) -> list[str]:
    """The addresses of a host that a request may go to, in the resolver's order.

    Connect to one of these and not to the name: it may have another address a moment later.
    Raises: NoSuchHost; PrivateAddress.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise NoSuchHost(host) from error
    addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
    allowed = [one for one in addresses if private_allowed or is_public(one)]
    if not allowed:
        raise PrivateAddress(host)
    return allowed


def is_public(address: str) -> bool:
    """Whether an IP address is of the open internet.

    It is not when it is loopback, private, link-local (where clouds answer with credentials), shared, reserved or
    multicast, or an IPv6 form that leads to such an IPv4 address.
    """
    ip = ip_address(address.partition("%")[0])
    inner = _inside(ip) if isinstance(ip, IPv6Address) else None
    if inner is not None:
        return is_public(str(inner))
    if isinstance(ip, IPv6Address) and ip not in _GLOBAL_UNICAST:
        return False
    return ip.is_global and not ip.is_multicast and ip not in _OF_CLOUDS


def _inside(ip: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 address stands for: mapped, 6to4, Teredo's client, or NAT64."""
    if ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    if ip.sixtofour is not None:
        return ip.sixtofour
    if ip.teredo is not None:
        return ip.teredo[1]
    if ip in _TRANSLATED:
        return IPv4Address(int(ip) & 0xFFFF_FFFF)
    return None
