"""What webhooks need from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Posted(Protocol):
    """What came of a request."""

    @property
    def status(self) -> int | None: ...

    @property
    def error(self) -> str: ...

    @property
    def retry_after_s(self) -> float: ...


class Poster(Protocol):
    """Sends to URLs that somebody typed in, and lets none of them harm us."""

    async def post(self, url: str, *, headers: Mapping[str, str], body: bytes) -> Posted:
        """What came of it, within the time-out; it does not raise for what the other side does."""
        ...
