"""Headers and certificates: what is signed is what stands in them."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace

from overworld.domains.ledger.audit import headers
from overworld.domains.ledger.audit.headers import Header

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(32, 64)))
HEADER = Header(
    number=5,
    previous=bytes([1]) * 32,
    first_index=40,
    count=2,
    tree_size=42,
    root=bytes([2]) * 32,
    time_s=1_790_000_040,
    key_id=headers.key_id(KEY.public_key().public_bytes_raw()),
)
CHANGES = {
    "number": 6,
    "previous": bytes(32),
    "first_index": 41,
    "count": 3,
    "tree_size": 43,
    "root": bytes(32),
    "time_s": 1_790_000_100,
    "key_id": bytes(16),
}


@pytest.mark.parametrize("field", CHANGES)
def test_every_field_of_a_header_is_signed_and_hashed(field):
    signed = headers.sign(HEADER, KEY)
    changed = replace(HEADER, **{field: CHANGES[field]})
    public = KEY.public_key().public_bytes_raw()

    assert headers.signed_by(public, signed.signature, HEADER.canonical())
    assert not headers.signed_by(public, signed.signature, changed.canonical())
    assert changed.hash() != HEADER.hash()
    assert set(CHANGES) == set(Header.__struct_fields__)


def test_a_signature_is_of_one_key_and_of_one_purpose():
    signed = headers.sign(HEADER, KEY)

    assert not headers.signed_by(OTHER.public_key().public_bytes_raw(), signed.signature, HEADER.canonical())
    assert not headers.signed_by(b"no key", signed.signature, HEADER.canonical())
    assert HEADER.canonical().startswith(b"overworld.ledger.block")


@pytest.mark.parametrize("change", [{"number": 2}, {"from_block": 8}, {"made_at_s": 4}, {"public_key": bytes(32)}])
def test_every_field_of_a_certificate_is_signed(change):
    certificate = headers.certify(OTHER, number=1, from_block=7, made_at_s=3, issuer=KEY)
    issuer = KEY.public_key().public_bytes_raw()

    assert certificate.issuer_id == headers.key_id(issuer)
    assert headers.signed_by(issuer, certificate.signature, certificate.canonical())
    assert not headers.signed_by(issuer, certificate.signature, replace(certificate, **change).canonical())
