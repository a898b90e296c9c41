"""An authenticator in software: makes key pairs, keeps them, counts, and signs as WebAuthn says, by cryptography alone.

It does what it is told, also what a real one never would: other origins, other relying parties, a count that stands
still. Source: Web Authentication level 2, sections 5.8.1, 6.1 and 6.5; RFC 8949 (CBOR); RFC 9053 (COSE).
"""

from __future__ import annotations

import base64
import json
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

ORIGIN = "http://localhost:7400"
RP_ID = "localhost"

USER_PRESENT, USER_VERIFIED, BACKUP_ELIGIBLE, BACKED_UP, HAS_CREDENTIAL = 0x01, 0x04, 0x08, 0x10, 0x40

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


class Authenticator:
    """One credential at most. `kind` is the algorithm of its key: ES256, EdDSA or RS256."""

    def __init__(self, kind: str = "ES256", *, credential_id: bytes = b"a software credential", counts: bool = True):
        self.kind = kind
        self.credential_id = credential_id
        self.count = 1 if counts else 0
        self.step = 1 if counts else 0
        self.key = _new_key(kind)
        self.user_handle = b""
        self.rp_id = RP_ID
        self.origin = ORIGIN
        self.flags = USER_PRESENT | USER_VERIFIED

    def create(self, options: dict[str, Any], *, fmt: str = "none", **client_data: Any) -> dict[str, Any]:
        """What the browser gives after `navigator.credentials.create()`; more members of the client data by keyword."""
        self.user_handle = _bytes(options["user"]["id"])
        attested = bytes(16) + len(self.credential_id).to_bytes(2, "big") + self.credential_id + cbor(self._cose())
        statement = {} if fmt == "none" else {"x5c": [b"certificate"], "sig": b"signature", "alg": -7}
        attestation = {
            "fmt": fmt,
            "attStmt": statement,
            "authData": self._data(self.flags | HAS_CREDENTIAL) + attested,
        }
        return self._credential(
            {
                "clientDataJSON": _text(self._client_data("webauthn.create", options, client_data)),
                "attestationObject": _text(cbor(attestation)),
                "transports": ["internal", "hybrid", "not-yet-known"],
                "publicKeyAlgorithm": -7,
            }
        )

    def get(self, options: dict[str, Any], **client_data: Any) -> dict[str, Any]:
        """What the browser gives after `navigator.credentials.get()`; more members of the client data by keyword."""
        self.count += self.step
        data = self._data(self.flags)
        client = self._client_data("webauthn.get", options, client_data)
        return self._credential(
            {
                "clientDataJSON": _text(client),
                "authenticatorData": _text(data),
                "signature": _text(self._sign(data + sha256(client).digest())),
                "userHandle": _text(self.user_handle),
            }
        )

    def _credential(self, response: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": _text(self.credential_id),
            "rawId": _text(self.credential_id),
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {"credProps": {"rk": True}},
            "response": response,
        }

    def _data(self, flags: int) -> bytes:
        return sha256(self.rp_id.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big")

    def _client_data(self, kind: str, options: dict[str, Any], more: dict[str, Any]) -> bytes:
        members = {"type": kind, "challenge": options["challenge"], "origin": self.origin, "crossOrigin": False}
        return json.dumps(members | more).encode()

    def _sign(self, message: bytes) -> bytes:
        if isinstance(self.key, ec.EllipticCurvePrivateKey):
            return self.key.sign(message, ec.ECDSA(SHA256()))
        if isinstance(self.key, rsa.RSAPrivateKey):
            return self.key.sign(message, padding.PKCS1v15(), SHA256())
        return self.key.sign(message)

    def _cose(self) -> dict[int, Any]:
        if isinstance(self.key, ec.EllipticCurvePrivateKey):
            point = self.key.public_key().public_numbers()
            return {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")}
        if isinstance(self.key, rsa.RSAPrivateKey):
            numbers = self.key.public_key().public_numbers()
            return {1: 3, 3: -257, -1: numbers.n.to_bytes(256, "big"), -2: numbers.e.to_bytes(3, "big")}
        return {1: 1, 3: -8, -1: 6, -2: self.key.public_key().public_bytes_raw()}


def cbor(value: Any) -> bytes:
    """A value in CBOR, of the few kinds that authenticators write."""
    match value:
        case int():
            return _head(0, value) if value >= 0 else _head(1, -1 - value)
        case bytes():
            return _head(2, len(value)) + value
        case str():
            return _head(3, len(value.encode())) + value.encode()
        case list():
            return _head(4, len(value)) + b"".join(map(cbor, value))
        case dict():
            return _head(5, len(value)) + b"".join(cbor(key) + cbor(each) for key, each in value.items())
    raise TypeError(type(value))


def _head(major: int, count: int) -> bytes:
    if count < 24:
        return bytes([major << 5 | count])
    if count < 256:
        return bytes([major << 5 | 24, count])
    return bytes([major << 5 | 25]) + count.to_bytes(2, "big")


def _new_key(kind: str) -> PrivateKey:
    match kind:
        case "ES256":
            return ec.generate_private_key(ec.SECP256R1())
        case "RS256":
            return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ed25519.Ed25519PrivateKey.generate()


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
