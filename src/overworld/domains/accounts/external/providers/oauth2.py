"""Providers of OAuth 2.0 that say who it was only when they are asked: Discord and X."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from overworld.domains.accounts.external.errors import NotProved, ProviderUnavailable
from overworld.domains.accounts.external.providers.redeem import Client, authorization_url, redeem
from overworld.domains.accounts.external.types import SUBJECT_LENGTH_MAX, Answer, Asked
from overworld.platform.outbound import Fetcher, FetchFailed

_OK = 200


class Endpoints(Struct, frozen=True, kw_only=True):
    """Where a provider answers, and where in what it says of somebody their id stands."""

    issuer: str
    authorization: str
    token: str
    who: str
    subject: tuple[str, ...]
    scopes: tuple[str, ...]


DISCORD = Endpoints(
    issuer="https://discord.com",
    authorization="https://discord.com/oauth2/authorize",
    token="https://discord.com/api/oauth2/token",  # noqa: S106 - a URL
    who="https://discord.com/api/v10/users/@me",
    subject=("id",),
    scopes=("identify",),
)
X = Endpoints(
    issuer="https://x.com",
    authorization="https://x.com/i/oauth2/authorize",
    token="https://api.x.com/2/oauth2/token",  # noqa: S106 - a URL
    who="https://api.x.com/2/users/me",
    subject=("data", "id"),
    scopes=("users.read", "tweet.read"),
)


class OAuth2:
    """Signs in by the authorisation code flow with PKCE, and asks who the access token speaks for.

    Access tokens of apps are not taken: one given to any other app would open our accounts.
    """

    takes_id_tokens = False

    def __init__(self, *, endpoints: Endpoints, client: Client, scopes: Sequence[str], fetcher: Fetcher) -> None:
        self.issuer = endpoints.issuer
        self._endpoints = endpoints
        self._client = client
        self._scopes = tuple(scopes) or endpoints.scopes
        self._fetcher = fetcher

    async def url(self, asked: Asked) -> str:
        return authorization_url(
            self._endpoints.authorization, client_id=self._client.id, scopes=self._scopes, asked=asked, nonce=False
        )

    async def proved(self, asked: Asked, answer: Answer) -> str:
        if answer.code is None or answer.iss not in (None, self.issuer):
            raise NotProved(reason="no code of this provider")
        tokens = await redeem(self._fetcher, self._endpoints.token, code=answer.code, asked=asked, client=self._client)
        if tokens.access_token is None:
            raise NotProved(reason="no access token")
        return await self._who(tokens.access_token)

    async def _who(self, access_token: str) -> str:
        try:
            found = await self._fetcher.get(self._endpoints.who, headers={"Authorization": f"Bearer {access_token}"})
            if found.status != _OK:
                raise FetchFailed(f"answered {found.status}")  # noqa: TRY301 - as if it had not answered
            said: Any = msgspec.json.decode(found.body)
            for name in self._endpoints.subject:
                said = said[name]
        except (FetchFailed, msgspec.MsgspecError, KeyError, TypeError, ValueError, RecursionError) as failed:
            raise ProviderUnavailable(reason=f"who it was: {type(failed).__name__}") from failed
        if not isinstance(said, str) or not 0 < len(said) <= SUBJECT_LENGTH_MAX or "\0" in said:
            raise ProviderUnavailable(reason="who it was: no id")
        return said
