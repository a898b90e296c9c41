"""Turning an authorisation code into tokens. Source: RFC 6749, sections 4.1.3 and 2.3.1; RFC 7636, section 4.5."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Literal
from urllib.parse import quote_plus, urlencode, urlsplit

import msgspec

from overworld.domains.accounts.external import rules
from overworld.domains.accounts.external.errors import NotProved, ProviderUnavailable
from overworld.domains.accounts.external.types import Asked
from overworld.kernel.secretive import Secretive
from overworld.platform.outbound import Fetcher, FetchFailed

_OK = 200
_REFUSED = frozenset({"invalid_grant", "access_denied"})


class Client(Secretive, frozen=True, kw_only=True):
    """Who we are to a provider. `secret` gives the secret of the moment; an empty one means a public client."""

    id: str
    secret: Callable[[], str]
    auth: Literal["basic", "post"] = "basic"


class Tokens(Secretive, frozen=True):
    """What a token endpoint gives, as far as we use it."""

    access_token: str | None = None
    id_token: str | None = None


class _Refused(Secretive, frozen=True):
    error: str = ""


def authorization_url(endpoint: str, *, client_id: str, scopes: tuple[str, ...], asked: Asked, nonce: bool) -> str:
    """Where a browser asks for a code: with PKCE by S256, the state, and a `nonce` for OpenID Connect."""
    query = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": asked.redirect_uri,
        "scope": " ".join(scopes),
        "state": asked.state,
        "code_challenge": rules.pkce_challenge(asked.verifier),
        "code_challenge_method": "S256",
    }
    if nonce:
        query["nonce"] = asked.nonce
    return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(query)}"


async def redeem(fetcher: Fetcher, endpoint: str, *, code: str, asked: Asked, client: Client) -> Tokens:
    """The tokens for a code. Raises: NotProved when the provider refuses the code; ProviderUnavailable."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": asked.redirect_uri,
        "code_verifier": asked.verifier,
    }
    headers = {}
    secret = client.secret()
    if secret and client.auth == "basic":
        pair = f"{quote_plus(client.id)}:{quote_plus(secret)}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    else:
        form |= {"client_id": client.id} | ({"client_secret": secret} if secret else {})
    try:
        found = await fetcher.post_form(endpoint, form, headers=headers)
        if found.status == _OK:
            return msgspec.json.decode(found.body, type=Tokens)
        error = msgspec.json.decode(found.body, type=_Refused).error
    except (FetchFailed, msgspec.MsgspecError) as failed:
        raise ProviderUnavailable(reason=f"token endpoint: {failed}") from failed
    if error in _REFUSED:
        raise NotProved(reason=f"the code was refused: {error}")
    raise ProviderUnavailable(reason=f"token endpoint: {found.status} {error[:64]}")
