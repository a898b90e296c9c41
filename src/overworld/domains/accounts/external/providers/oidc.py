"""Any issuer of OpenID Connect, Google and Apple among them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from overworld.domains.accounts.external.errors import NotProved
from overworld.domains.accounts.external.providers.documents import Documents
from overworld.domains.accounts.external.providers.id_tokens import Expected, KeyUnknown, subject_of
from overworld.domains.accounts.external.providers.redeem import Client, Tokens, authorization_url, redeem
from overworld.domains.accounts.external.types import Answer, Asked
from overworld.kernel.clock import Clock
from overworld.platform.outbound import Fetcher


class Oidc:
    """Signs in by the authorisation code flow with PKCE, or by an ID token that an app got for our nonce."""

    takes_id_tokens = True

    def __init__(
        self,
        *,
        documents: Documents,
        client: Client,
        audiences: Sequence[str],
        scopes: Sequence[str],
        algorithms: Sequence[str],
        fetcher: Fetcher,
        clock: Clock,
    ) -> None:
        self.issuer = documents.issuer
        self._documents = documents
        self._client = client
        self._audiences = frozenset((client.id, *audiences))
        self._scopes = tuple(dict.fromkeys(("openid", *scopes)))
        self._algorithms = tuple(algorithms)
        self._fetcher = fetcher
        self._clock = clock

    async def url(self, asked: Asked) -> str:
        metadata = await self._documents.metadata()
        return authorization_url(
            metadata.authorization_endpoint, client_id=self._client.id, scopes=self._scopes, asked=asked, nonce=True
        )

    async def proved(self, asked: Asked, answer: Answer) -> str:
        if answer.id_token is not None:
            return await self._subject(Tokens(id_token=answer.id_token), asked, self._audiences)
        if answer.code is None:
            raise NotProved(reason="neither a code nor an ID token")
        metadata = await self._documents.metadata()
        is_theirs = answer.iss == self.issuer
        if not is_theirs and (answer.iss is not None or metadata.authorization_response_iss_parameter_supported):
            raise NotProved(reason="the code is another issuer's")
        tokens = await redeem(
            self._fetcher, metadata.token_endpoint, code=answer.code, asked=asked, client=self._client
        )
        return await self._subject(tokens, asked, frozenset((self._client.id,)))

    async def _subject(self, tokens: Tokens, asked: Asked, audiences: frozenset[str]) -> str:
        if tokens.id_token is None:
            raise NotProved(reason="no ID token")
        expected = Expected(
            issuer=self.issuer,
            client_ids=audiences,
            nonce=asked.nonce,
            algorithms=self._algorithms,
            access_token=tokens.access_token,
        )
        now_s = self._clock.now_us() / 1e6
        with suppress(KeyUnknown):
            return subject_of(tokens.id_token, await self._documents.keys(), expected, now_s=now_s)
        try:
            return subject_of(tokens.id_token, await self._documents.newer_keys(), expected, now_s=now_s)
        except KeyUnknown as error:
            raise NotProved(reason="ID token: unknown key") from error
