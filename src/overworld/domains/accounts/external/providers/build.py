"""Makes the providers that an operator has set up."""

from __future__ import annotations

from collections.abc import Callable

from joserfc import jwt
from joserfc.jwk import ECKey

from overworld.domains.accounts.external.ports import Provider
from overworld.domains.accounts.external.providers.documents import Documents
from overworld.domains.accounts.external.providers.oauth2 import DISCORD, OAuth2, X
from overworld.domains.accounts.external.providers.oidc import Oidc
from overworld.domains.accounts.external.providers.redeem import Client
from overworld.domains.accounts.external.providers.steam import Steam
from overworld.domains.accounts.external.types import ProviderSettings, SignInSettings, preset_of
from overworld.kernel.clock import Clock
from overworld.platform.outbound import Fetcher

APPLE = "https://appleid.apple.com"
GOOGLE = "https://accounts.google.com"

_APPLE_SECRET_S = 300
_ISSUERS = {"apple": APPLE, "google": GOOGLE}
_OAUTH2 = {"discord": DISCORD, "x": X}


def build_providers(settings: SignInSettings, *, fetcher: Fetcher, clock: Clock) -> dict[str, Provider]:
    """The providers by name. Asks none of them yet."""
    return {name: _build(name, each, fetcher=fetcher, clock=clock) for name, each in settings.providers.items()}


def _build(name: str, settings: ProviderSettings, *, fetcher: Fetcher, clock: Clock) -> Provider:
    preset = preset_of(name, settings)
    if preset == "steam":
        return Steam(fetcher=fetcher, clock=clock)
    if endpoints := _OAUTH2.get(preset or ""):
        client = Client(id=settings.client_id, secret=lambda: settings.client_secret, auth=settings.client_auth)
        return OAuth2(endpoints=endpoints, client=client, scopes=settings.scopes, fetcher=fetcher)
    secret, auth = (lambda: settings.client_secret), settings.client_auth
    if preset == "apple":
        secret, auth = _apple_secret(settings, clock), "post"
    return Oidc(
        documents=Documents(_ISSUERS.get(preset or "", settings.issuer), fetcher=fetcher, clock=clock),
        client=Client(id=settings.client_id, secret=secret, auth=auth),
        audiences=settings.audiences,
        scopes=settings.scopes,
        algorithms=settings.algorithms,
        fetcher=fetcher,
        clock=clock,
    )


def _apple_secret(settings: ProviderSettings, clock: Clock) -> Callable[[], str]:
    """Makes Apple's client secret, a token of five minutes; empty without a key: then only ID tokens are taken.

    Source: Apple, "Creating a client secret".
    """

    def secret() -> str:
        if not settings.private_key:
            return ""
        now_s = clock.now_us() // 1_000_000
        claims = {
            "iss": settings.team_id,
            "iat": now_s,
            "exp": now_s + _APPLE_SECRET_S,
            "aud": APPLE,
            "sub": settings.client_id,
        }
        key = ECKey.import_key(settings.private_key)
        return jwt.encode({"alg": "ES256", "kid": settings.key_id}, claims, key, algorithms=["ES256"])

    return secret
