"""Connections to URLs that somebody typed in: made to the address that was judged, and kept by origin."""

from __future__ import annotations

import ssl
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache

import httpx

from overworld.platform.outbound.addresses import resolved

_ORIGINS_MAX = 256
_PORTS = {"http": 80, "https": 443}


@cache
def _trusted() -> ssl.SSLContext:
    """The authorities of the system, read once: it takes 50 ms of a core, and each copy a megabyte."""
    return ssl.create_default_context()


class Connections:
    """Sends requests where they may go.

    A name is resolved for each request and the connection made to the address that was judged, under the name's own
    certificate. No proxy of the environment is used and no redirect followed. Connections are kept by origin, so that
    no host is spoken to over another's.
    """

    def __init__(
        self, *, private_allowed: bool, timeout_s: float, connections_max: int, tls: ssl.SSLContext | None = None
    ) -> None:
        self._private_allowed = private_allowed
        self._timeout_s = timeout_s
        self._connections_max = connections_max
        self._tls = tls or _trusted()
        self._clients: OrderedDict[str, httpx.AsyncClient] = OrderedDict()
        self._in_use: dict[str, int] = {}

    @asynccontextmanager
    async def sent(
        self, method: str, url: httpx.URL, *, headers: Mapping[str, str], body: bytes = b""
    ) -> AsyncIterator[httpx.Response]:
        """The answer to a request, its body not read yet.

        It is sent to an address under the URL's own name, for the `Host` header and the certificate.
        Raises: NoSuchHost, PrivateAddress; what httpx raises; KeyError for a scheme that is not HTTP's.
        """
        port = url.port or _PORTS[url.scheme]
        addresses = await resolved(url.raw_host.decode("ascii"), port, private_allowed=self._private_allowed)
        origin = f"{url.scheme}://{url.netloc.decode('ascii')}"
        self._in_use[origin] = self._in_use.get(origin, 0) + 1
        try:
            client = await self._client(origin)
            aimed = [
                client.build_request(
                    method,
                    url.copy_with(host=address),
                    headers={**headers, "Host": url.netloc.decode("ascii")},
                    content=body,
                    extensions={"sni_hostname": url.raw_host.decode("ascii")},
                )
                for address in addresses
            ]
            answer = await _first(client, aimed)
            try:
                yield answer
            finally:
                await answer.aclose()
        finally:
            self._in_use[origin] -= 1

    async def close(self) -> None:
        """Closes every connection."""
        while self._clients:
            await self._clients.popitem()[1].aclose()

    async def _client(self, origin: str) -> httpx.AsyncClient:
        """The client of an origin; one that was not used for longest goes when there are too many."""
        client = self._clients.get(origin)
        if client is None:
            client = httpx.AsyncClient(
                verify=self._tls,
                timeout=self._timeout_s,
                limits=httpx.Limits(max_connections=self._connections_max, keepalive_expiry=30.0),
                follow_redirects=False,
                trust_env=False,
            )
            self._clients[origin] = client
        self._clients.move_to_end(origin)
        idle = [each for each in self._clients if not self._in_use.get(each)]
        gone = idle[: max(0, len(self._clients) - _ORIGINS_MAX)]
        for closing in [self._forgotten(each) for each in gone]:  # all at once: others come in while one is closed
            await closing.aclose()
        return client

    def _forgotten(self, origin: str) -> httpx.AsyncClient:
        self._in_use.pop(origin, None)
        return self._clients.pop(origin)


async def _first(client: httpx.AsyncClient, requests: Sequence[httpx.Request]) -> httpx.Response:
    """The answer of the first address that can be reached."""
    for request in requests[:-1]:
        try:
            return await client.send(request, stream=True)
        except httpx.ConnectError:
            continue
    return await client.send(requests[-1], stream=True)
