"""POST to a URL that somebody typed in, with everything bounded: where to, how long, how much comes back."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from time import perf_counter

import httpx
from msgspec import Struct

from overworld.platform.outbound.addresses import NoSuchHost, PrivateAddress
from overworld.platform.outbound.connections import Connections

_READ_BYTES_MAX = 64 * 1024
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

    Requests go as `Connections` lets them, and of an answer no more is read than keeps a connection alive.
    """

    def __init__(
        self,
        *,
        private_allowed: bool = False,
        timeout_s: float = 15.0,
        connections_max: int = 8,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._timeout_s = timeout_s
        self._connections = Connections(
            private_allowed=private_allowed, timeout_s=timeout_s, connections_max=connections_max, tls=tls
        )

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
        await self._connections.close()

    async def _post(self, url: httpx.URL, headers: Mapping[str, str], body: bytes) -> tuple[int, float]:
        async with self._connections.sent("POST", url, headers=headers, body=body) as answer:
            read = 0
            async for part in answer.aiter_raw():
                read += len(part)
                if read > _READ_BYTES_MAX:
                    break
            return answer.status_code, _seconds(answer.headers.get("retry-after", ""))


def _seconds(text: str) -> float:
    return float(text) if text.isdecimal() and text.isascii() and len(text) <= 9 else 0.0  # noqa: PLR2004


def _failed(error: str, started_s: float) -> Posted:
    return Posted(status=None, error=error, took_s=perf_counter() - started_s)
