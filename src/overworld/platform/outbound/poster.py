"""POST to a URL that somebody typed in, with everything bounded: where to, how long, how much comes back."""

from __future__ import annotations

import asyncio
import ssl
from collections import OrderedDict
from collections.abc import Mapping
from time import perf_counter

import httpx
from msgspec import Struct

from overworld.platform.outbound.addresses import NoSuchHost, PrivateAddress, resolved

_READ_BYTES_MAX = 64 * 1024
_ORIGINS_MAX = 256
_PORTS = {"http": 80, "https": 443}
_DESCRIBED_MAX = 200


class Posted(Struct, frozen=True, kw_only=True):
    """What came of a request: the status, or None with the reason why there is none.

    `retry_after_s` is what the answer asks to wait for, when it says so in seconds.
    """

    status: int | None
    error: str = ""
    took_s: float = 0.0
    retry_after_s: float = 0.0


class Poster:
    """Posts, and says what came of it; it never raises for what the other side does.

    A name is resolved for each request and the connection made to the address that was judged, under the name's own
    certificate. No proxy of the environment is used, no redirect followed, and of an answer no more read than keeps a
    connection alive. Connections are kept by origin, so that no host is spoken to over another's.
    """

    def __init__(
        self,
        *,
        private_allowed: bool = False,
        timeout_s: float = 15.0,
        connections_max: int = 8,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._private_allowed = private_allowed
        self._timeout_s = timeout_s
        self._connections_max = connections_max
        self._tls = tls or ssl.create_default_context()
        self._clients: OrderedDict[str, httpx.AsyncClient] = OrderedDict()
        self._in_use: dict[str, int] = {}

    async def post(self, url: str, *, headers: Mapping[str, str], body: bytes) -> Posted:
        """What came of posting `body`; within the time-out, whatever the other side does."""
        started_s = perf_counter()
        try:
            async with asyncio.timeout(self._timeout_s):
                status, retry_after_s = await self._post(httpx.URL(url), headers, body)
        except TimeoutError:
            return _failed(f"no answer within {self._timeout_s:g} s", started_s)
        except PrivateAddress:
            return _failed("the host has no address that may be reached", started_s)
        except NoSuchHost:
            return _failed("the host has no address", started_s)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            return _failed(f"{type(error).__name__}: {error}"[:_DESCRIBED_MAX], started_s)
        return Posted(status=status, took_s=perf_counter() - started_s, retry_after_s=retry_after_s)

    async def close(self) -> None:
        """Closes every connection."""
        clients = list(self._clients.values())
        self._clients.clear()
        await asyncio.gather(*(client.aclose() for client in clients))

    async def _post(self, url: httpx.URL, headers: Mapping[str, str], body: bytes) -> tuple[int, float]:
        port = url.port or _PORTS[url.scheme]
        addresses = await resolved(url.raw_host.decode("ascii"), port, private_allowed=self._private_allowed)
        origin = f"{url.scheme}://{url.netloc.decode('ascii')}"
        self._in_use[origin] = self._in_use.get(origin, 0) + 1
        try:
            client = await self._client(origin)
            for address in addresses[:-1]:
                try:
                    return await _once(client, url, address, headers, body)
                except httpx.ConnectError:
                    continue
            return await _once(client, url, addresses[-1], headers, body)
        finally:
            self._in_use[origin] -= 1

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
        for gone in idle[: max(0, len(self._clients) - _ORIGINS_MAX)]:
            self._in_use.pop(gone, None)
            await self._clients.pop(gone).aclose()
        return client


async def _once(
    client: httpx.AsyncClient, url: httpx.URL, address: str, headers: Mapping[str, str], body: bytes
) -> tuple[int, float]:
    """Sends to one address under the URL's own name, for the `Host` header and the certificate."""
    request = client.build_request(
        "POST",
        url.copy_with(host=address),
        headers={**headers, "Host": url.netloc.decode("ascii")},
        content=body,
        extensions={"sni_hostname": url.raw_host.decode("ascii")},
    )
    answer = await client.send(request, stream=True)
    try:
        read = 0
        async for part in answer.aiter_raw():
            read += len(part)
            if read > _READ_BYTES_MAX:
                break
        return answer.status_code, _seconds(answer.headers.get("retry-after", ""))
    finally:
        await answer.aclose()


def _seconds(text: str) -> float:
    return float(text) if text.isdecimal() and text.isascii() and len(text) <= 9 else 0.0  # noqa: PLR2004


def _failed(error: str, started_s: float) -> Posted:
    return Posted(status=None, error=error, took_s=perf_counter() - started_s)
