"""What is signed: the headers of blocks and the certificates of the keys that sign them. Ed25519 (RFC 8032).

A header commits to everything up to it: the root is that of the whole log, and each header names the one before. Keys
take turns: a certificate says from which block on a key signs, and is signed by the key before it; the first by itself.
"""

from __future__ import annotations

from hashlib import sha256
from struct import Struct as Layout

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Struct
from msgspec.structs import replace

HEADER_VERSION = 1
NO_HEADER = bytes(32)
MINUTE_S = 60

_HEADER_TAG, _KEY_TAG = b"overworld.ledger.block", b"overworld.ledger.key"
_HEADER = Layout(">BQ32sQIQ32sQ16s")
_CERTIFICATE = Layout(">BIQQ32s16s")


class Header(Struct, frozen=True, kw_only=True):
    """A block: leaves `first_index` up to `tree_size`, and the root of all leaves before `tree_size`.

    `time_s` is in whole minutes since 1970, in seconds. `previous` is the hash of the header before, zeros for the
    first. `key_id` is that of the key that signed.
    """

    number: int
    previous: bytes
    first_index: int
    count: int
    tree_size: int
    root: bytes
    time_s: int
    key_id: bytes

    def canonical(self) -> bytes:
        """The bytes that are hashed and signed."""
        return _HEADER_TAG + _HEADER.pack(
            HEADER_VERSION,
            self.number,
            self.previous,
            self.first_index,
            self.count,
            self.tree_size,
            self.root,
            self.time_s,
            self.key_id,
        )

    def hash(self) -> bytes:
        """What the next header names."""
        return sha256(self.canonical()).digest()


class SignedHeader(Struct, frozen=True):
    """A header and the signature over it."""

    header: Header
    signature: bytes


class Certificate(Struct, frozen=True, kw_only=True):
    """Which key signs from which block on, by the word of the key before it; key 0 vouches for itself."""

    number: int
    from_block: int
    made_at_s: int
    public_key: bytes
    issuer_id: bytes
    signature: bytes = b""

    @property
    def key_id(self) -> bytes:
        """How headers name the key."""
        return key_id(self.public_key)

    def canonical(self) -> bytes:
        """The bytes that the issuer signs."""
        return _KEY_TAG + _CERTIFICATE.pack(
            HEADER_VERSION, self.number, self.from_block, self.made_at_s, self.public_key, self.issuer_id
        )


def key_id(public_key: bytes) -> bytes:
    """SHA-256 of the public key's 32 bytes, cut to 16."""
    return sha256(public_key).digest()[:16]


def sign(header: Header, key: Ed25519PrivateKey) -> SignedHeader:
    """The header with its signature."""
    return SignedHeader(header, key.sign(header.canonical()))


def certify(
    key: Ed25519PrivateKey, *, number: int, from_block: int, made_at_s: int, issuer: Ed25519PrivateKey
) -> Certificate:
    """The certificate of a key, signed by its issuer."""
    unsigned = Certificate(
        number=number,
        from_block=from_block,
        made_at_s=made_at_s,
        public_key=key.public_key().public_bytes_raw(),
        issuer_id=key_id(issuer.public_key().public_bytes_raw()),
    )
    return replace(unsigned, signature=issuer.sign(unsigned.canonical()))


def signed_by(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether the signature over the message is this key's."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
