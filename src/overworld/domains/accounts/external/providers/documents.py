"""What an issuer publishes about itself: its metadata and its keys, remembered, and read anew for an unknown key."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from msgspec import Struct

from overworld.domains.accounts.external.errors import ProviderUnavailable
from overworld.kernel.clock import Clock
from overworld.platform.outbound import Fetched, Fetcher, FetchFailed

FRESH_S = 3_600.0
STALE_S = 86_400.0
"""How long what was read is used while the issuer does not answer."""
BETWEEN_LOOKS_S = 30.0
"""An unknown key makes nobody look more often: anybody may write one into a token."""
_RETRY_FIRST_S = 1.0
_RETRY_MAX_S = 60.0
_WELL_KNOWN = "/.well-known/openid-configuration"
_OK = 200

D = TypeVar("D")


class Metadata(Struct, frozen=True, kw_only=True):
    """Where an issuer answers. Source: OpenID Connect Discovery 1.0, section 3."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    authorization_response_iss_parameter_supported: bool = False


class Kept(Generic[D]):
    """One document: read when it is asked for, by one reader at a time, and kept.

    A failure is remembered as well, for a second first and up to a minute in the end; meanwhile the old document goes
    on serving for a day.
    """

    def __init__(self, read: Callable[[], Awaitable[D]], *, clock: Clock) -> None:
        self._read = read
        self._clock = clock
        self._one_reader = asyncio.Lock()
        self._document: D | None = None
        self._read_at_s = 0.0
        self._retry_at_s = 0.0
        self._retry_s = _RETRY_FIRST_S

    async def get(self, *, older_than_s: float = FRESH_S) -> D:
        """The document, read anew when it is older than that. Raises: ProviderUnavailable."""
        if (document := self._young(older_than_s)) is not None:
            return document
        async with self._one_reader:
            if (document := self._young(older_than_s)) is not None:
                return document
            if self._clock.monotonic_s() >= self._retry_at_s:
                await self._renew()
        document = self._young(STALE_S)
        if document is None:
            raise ProviderUnavailable(reason="its documents cannot be read")
        return document

    def _young(self, age_s: float) -> D | None:
        return self._document if self._clock.monotonic_s() - self._read_at_s < age_s else None

    async def _renew(self) -> None:
        try:
            document = await self._read()
        except (FetchFailed, msgspec.MsgspecError, JoseError, ValueError, TypeError, KeyError):
            self._retry_at_s = self._clock.monotonic_s() + self._retry_s
            self._retry_s = min(self._retry_s * 2, _RETRY_MAX_S)
            return
        self._document, self._read_at_s = document, self._clock.monotonic_s()
        self._retry_at_s, self._retry_s = 0.0, _RETRY_FIRST_S


class Documents:
    """The metadata and the keys of one issuer."""

    def __init__(self, issuer: str, *, fetcher: Fetcher, clock: Clock) -> None:
        self.issuer = issuer
        self._fetcher = fetcher
        self._metadata = Kept(self._read_metadata, clock=clock)
        self._keys = Kept(self._read_keys, clock=clock)

    async def metadata(self) -> Metadata:
        """Where the issuer answers. Raises: ProviderUnavailable."""
        return await self._metadata.get()

    async def keys(self) -> KeySet:
        """The issuer's keys. Raises: ProviderUnavailable."""
        return await self._keys.get()

    async def newer_keys(self) -> KeySet:
        """The issuer's keys, for who misses one: read anew, unless that was done moments ago.

        Raises: ProviderUnavailable.
        """
        return await self._keys.get(older_than_s=BETWEEN_LOOKS_S)

    async def _read_metadata(self) -> Metadata:
        found = await self._fetcher.get(self.issuer.rstrip("/") + _WELL_KNOWN)
        metadata = _decoded(found, Metadata)
        if metadata.issuer != self.issuer:
            raise ValueError("the metadata is another issuer's")
        asked = (metadata.authorization_endpoint, metadata.token_endpoint, metadata.jwks_uri)
        if not all(map(self._fetcher.may_go, asked)):
            raise ValueError("the metadata names a URL that may not be asked")
        return metadata

    async def _read_keys(self) -> KeySet:
        found = await self._fetcher.get((await self._metadata.get()).jwks_uri)
        keys = _decoded(found, dict[str, Any])["keys"]
        public = [{**key} for key in keys if key.get("kty") in {"RSA", "EC", "OKP"} and key.get("use", "sig") == "sig"]
        return KeySet.import_key_set({"keys": public})


def _decoded(found: Fetched, kind: type[D]) -> D:
    if found.status != _OK:
        raise FetchFailed(f"answered {found.status}")
    return msgspec.json.decode(found.body, type=kind)
