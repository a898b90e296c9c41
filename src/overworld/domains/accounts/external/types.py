"""What signing in with accounts elsewhere decides over, and what an operator sets about it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Struct, field

from overworld.kernel.secretive import Secretive

SUBJECT_LENGTH_MAX = 255
SECRET_LENGTH = 43
"""A flow's secret as text: 32 random bytes in base64url."""

WALLET = "wallet"
WALLET_ISSUER = "eip155"
"""The namespace of Ethereum's accounts. Source: CAIP-2."""
DEVICE = "device"
DEVICES_MAX = 32
OWN_WAYS = ("password", DEVICE, "passkey", WALLET)
"""What no provider may be called."""

ProviderName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
Preset = Literal["apple", "discord", "google", "steam", "x"]
Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA"]
"""Algorithms whose verifying key is public. What is verified with a shared secret can be forged with a public one."""


class ProviderSettings(Secretive, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One provider. With a `preset` only the client's own data is needed; without one it is an OIDC `issuer`.

    `audiences` are further client ids whose ID tokens are taken: those of native apps. Apple's secret is made anew from
    `team_id`, `key_id` and `private_key` (PEM).
    """

    preset: Preset | None = None
    issuer: Annotated[str, Meta(max_length=255)] = ""
    client_id: Annotated[str, Meta(max_length=255)] = ""
    client_secret: Annotated[str, Meta(max_length=4_096)] = ""
    client_auth: Literal["basic", "post"] = "basic"
    audiences: Annotated[tuple[str, ...], Meta(max_length=16)] = ()
    scopes: Annotated[tuple[str, ...], Meta(max_length=32)] = ()
    algorithms: Annotated[tuple[Algorithm, ...], Meta(min_length=1)] = ("RS256", "ES256")
    team_id: Annotated[str, Meta(max_length=255)] = ""
    key_id: Annotated[str, Meta(max_length=255)] = ""
    private_key: Annotated[str, Meta(max_length=16_384)] = ""


class SignInSettings(Secretive, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The section `sign_in`: accounts elsewhere, and wallets, that people may sign in with."""

    providers: Annotated[
        dict[ProviderName, ProviderSettings],
        Meta(description="Providers by name; docs/concepts/sign-in.md says what each needs.", extra={"secret": True}),
    ] = field(default_factory=dict)
    redirect_uris: Annotated[
        tuple[str, ...], Meta(description="Pages that providers may send people back to, exactly as written.")
    ] = ()
    private_addresses: Annotated[
        bool, Meta(description="Providers may be on private addresses, and answer by plain HTTP.")
    ] = False
    flow_s: Annotated[int, Meta(ge=30, le=3_600, description="How long a visit to a provider or wallet may take.")] = (
        600
    )
    wallet_domains: Annotated[
        tuple[str, ...],
        Meta(description="Domains, with their port if any, whose pages ask wallets to sign in; none: no wallet may."),
    ] = ()
    wallet_chains: Annotated[
        tuple[int, ...], Meta(min_length=1, description="Ids of the chains that a wallet may sign in on.")
    ] = (1,)

    def __post_init__(self) -> None:
        for name, provider in self.providers.items():
            if name in OWN_WAYS:
                raise ValueError(f"providers: {name} is the name of another way in")
            if fault := _fault(name, provider):
                raise ValueError(f"providers.{name}: {fault}")


class Flow(Struct, frozen=True, kw_only=True):
    """A visit to a provider that was begun: to sign in, or with `account_id` to link."""

    provider: str
    redirect_uri: str | None
    account_id: UUID | None
    ends_at: datetime


class Asked(Secretive, frozen=True, kw_only=True):
    """What a provider is asked with, all but `redirect_uri` following from the flow's secret."""

    state: str
    nonce: str
    verifier: str
    redirect_uri: str


class Answer(Secretive, frozen=True, kw_only=True):
    """What came back from a provider: a code, an ID token, or the fields of OpenID 2.0."""

    code: str | None = None
    state: str | None = None
    iss: str | None = None
    id_token: str | None = None
    openid: dict[str, str] | None = None


class Elsewhere(Struct, frozen=True, kw_only=True):
    """An account elsewhere that was proved: who vouches for it, and what they call it for ever."""

    issuer: str
    subject: str
    provider: str


class Linked(Struct, frozen=True, kw_only=True):
    """An account elsewhere and whose it is here."""

    provider: str
    subject: str
    account_id: UUID
    linked_at: datetime


class Held(Struct, frozen=True, kw_only=True):
    """The ways in that an account has here: a password, devices, and accounts elsewhere."""

    has_password: bool
    devices: int
    linked: tuple[Linked, ...]


def preset_of(name: str, provider: ProviderSettings) -> str | None:
    """The preset of a provider: the one it names, else the one it is called like, unless it has an issuer."""
    known = ("apple", "discord", "google", "steam", "x")
    return provider.preset or (name if name in known and not provider.issuer else None)


def _fault(name: str, provider: ProviderSettings) -> str | None:
    preset = preset_of(name, provider)
    if preset and provider.issuer:
        return "a preset knows its issuer: leave one of them out"
    if preset is None and not provider.issuer:
        return "an issuer or a preset is needed"
    if preset != "steam" and not provider.client_id:
        return "a client_id is needed"
    if preset == "apple" and provider.client_secret:
        return "Apple's secret is made from team_id, key_id and private_key"
    return None
