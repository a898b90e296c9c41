"""The keys that sign blocks: made, opened, and turned."""

from __future__ import annotations

from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from msgspec import Struct

from overworld.domains.ledger.audit.headers import Certificate, certify
from overworld.kernel.refusals import Fault

_ENCRYPTED = "BEGIN ENCRYPTED PRIVATE KEY"


class LedgerKeyLocked(Fault):
    """The key that signs the ledger's log cannot be opened with `ledger.signing_key_secret`."""

    code = "ledger.signing_key_locked"
    retryable = False


class KeptKey(Struct, frozen=True):
    """A signing key as it is kept: its certificate, and its private half while it is the newest."""

    certificate: Certificate
    private_pem: str | None


def first_key(*, secret: str, at: datetime) -> KeptKey:
    """Key 0, which vouches for itself."""
    key = Ed25519PrivateKey.generate()
    certificate = certify(key, number=0, from_block=0, made_at_s=int(at.timestamp()), issuer=key)
    return KeptKey(certificate, _pem(key, secret))


def next_key(issuer: KeptKey, *, from_block: int, secret: str, at: datetime) -> KeptKey:
    """The key after this one, vouched for by it. Raises: LedgerKeyLocked."""
    key = Ed25519PrivateKey.generate()
    certificate = certify(
        key,
        number=issuer.certificate.number + 1,
        from_block=from_block,
        made_at_s=int(at.timestamp()),
        issuer=opened(issuer, secret=secret),
    )
    return KeptKey(certificate, _pem(key, secret))


def opened(kept: KeptKey, *, secret: str) -> Ed25519PrivateKey:
    """The private key. Raises: LedgerKeyLocked when the secret does not open it."""
    pem = kept.private_pem or ""
    try:
        key = load_pem_private_key(pem.encode(), secret.encode() if _ENCRYPTED in pem else None)
    except (TypeError, ValueError) as error:
        raise LedgerKeyLocked(number=kept.certificate.number) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise LedgerKeyLocked(number=kept.certificate.number)
    return key


def _pem(key: Ed25519PrivateKey, secret: str) -> str:
    how: KeySerializationEncryption = BestAvailableEncryption(secret.encode()) if secret else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how).decode()
