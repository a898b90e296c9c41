"""The commands, and the shapes that clients read. Those of the browser are named as the W3C names them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import Meta, Struct

from overworld.domains.accounts.passkeys.types import Passkey
from overworld.kernel.secretive import Secretive

NAME_LENGTH_MAX = 64

_W3C = {
    "raw_id": "rawId",
    "client_data_json": "clientDataJSON",
    "attestation_object": "attestationObject",
    "authenticator_data": "authenticatorData",
    "user_handle": "userHandle",
}

_IdText = Annotated[str, Meta(min_length=1, max_length=1364, description="Up to 1,023 bytes in base64url.")]
_Base64Text = Annotated[str, Meta(max_length=16_384, description="Base64url.")]
_Transport = Annotated[str, Meta(max_length=32)]
CeremonyText = Annotated[str, Meta(min_length=1, max_length=64, description="As it was given at the beginning.")]
PasskeyName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=NAME_LENGTH_MAX,
        pattern=r"^[^\x00-\x1f\x7f]+$",
        description="What its owner calls it, to tell it from others.",
    ),
]


class Attestation(Secretive, frozen=True, kw_only=True, rename=_W3C):
    """`AuthenticatorAttestationResponseJSON`; members that are not needed are passed over."""

    client_data_json: _Base64Text
    attestation_object: _Base64Text
    transports: Annotated[tuple[_Transport, ...], Meta(max_length=16)] = ()


class NewCredential(Secretive, frozen=True, kw_only=True, rename=_W3C):
    """`RegistrationResponseJSON`: what `credential.toJSON()` gives after `navigator.credentials.create()`."""

    id: _IdText
    raw_id: _IdText
    response: Attestation
    type: Literal["public-key"]


class Assertion(Secretive, frozen=True, kw_only=True, rename=_W3C):
    """`AuthenticatorAssertionResponseJSON`; members that are not needed are passed over."""

    client_data_json: _Base64Text
    authenticator_data: _Base64Text
    signature: _Base64Text
    user_handle: Annotated[str, Meta(max_length=128, description="Base64url.")] | None = None


class SigningCredential(Secretive, frozen=True, kw_only=True, rename=_W3C):
    """`AuthenticationResponseJSON`: what `credential.toJSON()` gives after `navigator.credentials.get()`."""

    id: _IdText
    raw_id: _IdText
    response: Assertion
    type: Literal["public-key"]


class BeginPasskey(Struct, frozen=True, forbid_unknown_fields=True):
    """The body that begins a ceremony: nothing."""


class AddPasskey(Secretive, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody brings a new passkey for their account."""

    ceremony: CeremonyText
    credential: NewCredential
    name: PasskeyName = "Passkey"


class SignInPasskey(Secretive, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody signs in by a passkey, which says by itself whose it is."""

    ceremony: CeremonyText
    credential: SigningCredential


class Begun(Secretive, frozen=True, kw_only=True):
    """A ceremony: give `public_key` to the browser, and what it answers back with `ceremony`, within `expires_in` s.

    `public_key` is what `PublicKeyCredential.parseCreationOptionsFromJSON` or `parseRequestOptionsFromJSON` takes.
    """

    ceremony: str
    public_key: dict[str, Any]
    expires_in: int


class PasskeySeen(Struct, frozen=True, kw_only=True):
    """A passkey as its owner reads it; `synced` ones have a copy elsewhere."""

    id: UUID
    name: str
    transports: tuple[str, ...]
    synced: bool
    created_at: datetime
    used_at: datetime | None

    @classmethod
    def of(cls, passkey: Passkey) -> PasskeySeen:
        """What is shown of a passkey."""
        return cls(
            id=passkey.id,
            name=passkey.name,
            transports=passkey.transports,
            synced=passkey.is_synced,
            created_at=passkey.made_at,
            used_at=passkey.used_at,
        )
