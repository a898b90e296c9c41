"""Asking HTTP servers that an operator named, with everything bounded: where to, how long, how much comes back."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from urllib.parse import urlencode

import httpx

from overworld.kernel.secretive import Secretive
from overworld.platform.outbound.addresses import NoSuchHost, PrivateAddress
from overworld.platform.outbound.connections import Connections

_BODY_BYTES_MAX = 256 * 1024
_DESCRIBED_MAX = 200
_PLAIN = {"Accept": "application/json", "Accept-Encoding": "identity"}


class Fetched(Secretive, frozen=True):
    """An answer, whole."""

    status: int
    body: bytes


class FetchFailed(Exception):
    """There is no answer, and why."""


class Fetcher:
    """Gets answers, by HTTPS alone unless private addresses are allowed; requests go as `Connections` lets them."""

    def __init__(
        self, *, private_allowed: bool = False, timeout_s: float = 10.0, tls: ssl.SSLContext | None = None
    ) -> None:
        self._private_allowed = private_allowed
        self._timeout_s = timeout_s
        self._connections = Connections(
            private_allowed=private_allowed, timeout_s=timeout_s, connections_max=8, tls=tls
        )

    def may_go(self, url: str) -> bool:
        """Whether a URL is one that requests go to, as far as its text tells."""
        try:
            parsed = httpx.URL(url)
        except httpx.InvalidURL:
            return False
        schemes = ("https", "http") if self._private_allowed else ("https",)
        return parsed.scheme in schemes and bool(parsed.host) and not parsed.userinfo

    async def get(self, url: str, *, headers: Mapping[str, str] | None = None) -> Fetched:
        """The answer to a GET. Raises: FetchFailed."""
        return await self._bounded("GET", url, headers or {}, b"")

    async def post_form(
        self, url: str, form: Mapping[str, str], *, headers: Mapping[str, str] | None = None
    ) -> Fetched:
        """The answer to a form. Raises: FetchFailed."""
        content = {"Content-Type": "application/x-www-form-urlencoded"}
        return await self._bounded("POST", url, content | dict(headers or {}), urlencode(form).encode())

    async def close(self) -> None:
        """Closes every connection."""
        await self._connections.close()

    async def _bounded(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Fetched:
        if not self.may_go(url):
            raise FetchFailed("the URL is not one that may be asked")
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._fetch(method, httpx.URL(url), _PLAIN | dict(headers), body)
        except TimeoutError as error:
            raise FetchFailed(f"no answer within {self._timeout_s:g} s") from error
        except PrivateAddress as error:
            raise FetchFailed("the host has no address that may be reached") from error
        except NoSuchHost as error:
            raise FetchFailed("the host has no address") from error
        except (httpx.HTTPError, OSError, ValueError) as error:
            raise FetchFailed(f"{type(error).__name__}: {error}"[:_DESCRIBED_MAX]) from error

    async def _fetch(self, method: str, url: httpx.URL, headers: Mapping[str, str], body: bytes) -> Fetched:
        async with self._connections.sent(method, url, headers=headers, body=body) as answer:
            if answer.headers.get("content-encoding", "identity") != "identity":
                raise FetchFailed("the answer is compressed, which was not asked for")
            read = bytearray()
            async for part in answer.aiter_raw():
                read += part
                if len(read) > _BODY_BYTES_MAX:
                    raise FetchFailed(f"the answer has more than {_BODY_BYTES_MAX} bytes")
            return Fetched(answer.status_code, bytes(read))
