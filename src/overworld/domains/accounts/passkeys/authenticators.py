"""What authenticators are asked, and whether their answers are good. Source: Web Authentication level 2, section 7."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import base64url_to_bytes, options_to_json_dict, parse_attestation_object, parse_client_data_json
from webauthn.helpers.structs import (
    AttestationFormat,
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    CredentialDeviceType,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from overworld.domains.accounts.passkeys.errors import BadPasskey, PasskeyRefused
from overworld.domains.accounts.passkeys.messages import NewCredential, SigningCredential
from overworld.domains.accounts.passkeys.types import Made, Passkey, Signed
from overworld.domains.accounts.types import Account, AccountsSettings

_FORMATS = (AttestationFormat.NONE, AttestationFormat.PACKED)
_TRANSPORTS = {transport.value: transport for transport in AuthenticatorTransport}
_CREDENTIAL_ID_BYTES_MAX = 1023
_REASON_LENGTH_MAX = 200


class Authenticators:
    """Speaks with authenticators for one relying party, as the settings name it. No I/O; up to a millisecond each."""

    def __init__(self, settings: AccountsSettings) -> None:
        self._rp_id = settings.passkey_rp_id
        self._rp_name = settings.passkey_rp_name
        self._origins = list(settings.passkey_origins)
        self._verification = UserVerificationRequirement(settings.passkey_user_verification)
        self._is_verification_required = self._verification is UserVerificationRequirement.REQUIRED
        self._life_ms = settings.passkey_ceremony_s * 1_000

    def to_make(self, account: Account, known: Sequence[Passkey], *, challenge: bytes) -> dict[str, Any]:
        """What `navigator.credentials.create()` is given: make a discoverable key pair, unless you hold a known one."""
        options = generate_registration_options(
            rp_id=self._rp_id,
            rp_name=self._rp_name,
            user_id=account.id.bytes,
            user_name=account.username,
            challenge=challenge,
            timeout=self._life_ms,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED, user_verification=self._verification
            ),
            exclude_credentials=[
                PublicKeyCredentialDescriptor(
                    id=passkey.credential_id, transports=[_TRANSPORTS[name] for name in passkey.transports]
                )
                for passkey in known
            ],
        )
        return options_to_json_dict(options)

    def to_sign(self, *, challenge: bytes) -> dict[str, Any]:
        """What `navigator.credentials.get()` is given: sign by any key pair of ours; the player picks one."""
        options = generate_authentication_options(
            rp_id=self._rp_id, challenge=challenge, timeout=self._life_ms, user_verification=self._verification
        )
        return options_to_json_dict(options)

    def made(self, credential: NewCredential, *, challenge: bytes) -> Made:
        """What is kept of a new key pair. Attestation says who made the authenticator, and is not asked for.

        Raises: PasskeyRefused.
        """
        response = credential.response
        try:
            self._require_own_page(response.client_data_json)
            _require_simple(response.attestation_object)
            verified = verify_registration_response(
                credential=_as_json(credential),
                expected_challenge=challenge,
                expected_rp_id=self._rp_id,
                expected_origin=self._origins,
                require_user_verification=self._is_verification_required,
            )
        except Exception as error:  # the parsers below raise whatever hostile bytes make them stumble over
            raise PasskeyRefused(reason=str(error)[:_REASON_LENGTH_MAX]) from error
        if len(verified.credential_id) > _CREDENTIAL_ID_BYTES_MAX:
            raise PasskeyRefused(reason="the credential's id is too long")
        return Made(
            credential_id=verified.credential_id,
            public_key=verified.credential_public_key,
            sign_count=verified.sign_count,
            transports=tuple(dict.fromkeys(name for name in response.transports if name in _TRANSPORTS)),
            is_synced=verified.credential_device_type is CredentialDeviceType.MULTI_DEVICE,
        )

    def signed(self, credential: SigningCredential, passkey: Passkey, *, challenge: bytes) -> Signed:
        """What an authenticator says by signing the challenge with a passkey's private half.

        Whether its count grew is left to the caller, who is to know it of good signatures only. Raises: BadPasskey.
        """
        try:
            self._require_own_page(credential.response.client_data_json)
            _require_owner(credential.response.user_handle, passkey.account_id)
            verified = verify_authentication_response(
                credential=_as_json(credential),
                expected_challenge=challenge,
                expected_rp_id=self._rp_id,
                expected_origin=self._origins,
                credential_public_key=passkey.public_key,
                credential_current_sign_count=0,
                require_user_verification=self._is_verification_required,
            )
        except Exception as error:  # the parsers below raise whatever hostile bytes make them stumble over
            raise BadPasskey(reason=str(error)[:_REASON_LENGTH_MAX]) from error
        return Signed(
            passkey_id=passkey.id,
            account_id=passkey.account_id,
            sign_count=verified.new_sign_count,
            is_synced=verified.credential_device_type is CredentialDeviceType.MULTI_DEVICE,
            is_user_verified=verified.user_verified,
        )

    def _require_own_page(self, client_data_json: str) -> None:
        """Raises: ValueError when the page was shown inside of another one, which could lay itself over ours."""
        if parse_client_data_json(base64url_to_bytes(client_data_json)).cross_origin:
            raise ValueError("the page was in a frame of another origin")


def _require_simple(attestation_object: str) -> None:
    """Raises: ValueError for an attestation that nobody asked for: its certificates would be parsed for nothing."""
    found = parse_attestation_object(base64url_to_bytes(attestation_object))
    if found.fmt not in _FORMATS or found.att_stmt.x5c:
        raise ValueError(f"an attestation of the form {found.fmt} was not asked for")


def _require_owner(user_handle: str | None, account_id: UUID) -> None:
    """Raises: ValueError when the key pair was made for another account, or does not say for which."""
    if user_handle is None or not hmac.compare_digest(base64url_to_bytes(user_handle), account_id.bytes):
        raise ValueError("the key pair is of another account")


def _as_json(credential: NewCredential | SigningCredential) -> dict[str, Any]:
    members: dict[str, Any] = msgspec.to_builtins(credential)
    return members
