"""A few HTTP connections for thousands of bots: requests wait for one that is free."""

from __future__ import annotations

import asyncio
import ssl
from urllib.parse import urlsplit

from overworld.client.raw_http import Cut, HttpLine, request

_TRIES = 3
_PAUSE_S = 0.2


class Pool:
    """Asks a server, so many requests at once at most."""

    def __init__(self, url: str, *, at_once: int, tls: ssl.SSLContext | None) -> None:
        self._url = url
        self._host = urlsplit(url).netloc
        self._tls = tls
        self._free: asyncio.LifoQueue[HttpLine | None] = asyncio.LifoQueue()
        for _ in range(at_once):
            self._free.put_nowait(None)

    async def ask(self, method: str, path: str, *, token: str = "", body: str = "") -> tuple[int, bytes]:
        """Status and body of an answer; a line that breaks is made anew and asked again, as all we ask may be.

        Raises: OSError; Cut.
        """
        wanted = request(method, path, token=token, body=body, host=self._host).encode()
        for left in reversed(range(_TRIES)):
            try:
                return await self._ask(wanted)
            except (Cut, OSError):
                if not left:
                    raise
            await asyncio.sleep(_PAUSE_S)
        raise Cut

    async def _ask(self, wanted: bytes) -> tuple[int, bytes]:
        line, kept = await self._free.get(), None
        try:
            if line is None or not line.is_open:
                line = await HttpLine.connect(self._url, tls=self._tls)
            answer = await line.ask(wanted)
            kept = line
        finally:
            if kept is None and line is not None:
                line.close()
            self._free.put_nowait(kept)
        return answer

    def close(self) -> None:
        """Ends the connections."""
        while not self._free.empty():
            line = self._free.get_nowait()
            if line is not None:
                line.close()
