"""`docs/ledger-audit.md`: its test vectors are made again, once by the house's code and once by what the page says."""

from __future__ import annotations

import hmac
import json
from hashlib import sha256
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from overworld.domains.ledger.audit import headers, merkle, records, verify
from overworld.domains.ledger.audit.blocks import OpenBlock
from overworld.domains.ledger.audit.tiles import Edge, perfect_in, tiles_of
from tests.docs.pages import read

PAGE = read("docs/ledger-audit.md")
VECTORS: dict[str, Any] = json.loads(next(block.text for block in PAGE.blocks if block.language == "json"))
TRANSFER = VECTORS["transfer"]
BLOCK = VECTORS["block"]


def given(name: str) -> bytes:
    return bytes.fromhex(VECTORS[name])


def cut(key: bytes, message: bytes) -> str:
    return hmac.digest(key, message, "sha256")[:16].hex()


def test_the_record_is_what_the_page_says():
    payer, payee, month = given("payer_key"), given("payee_key"), VECTORS["month"].encode()
    fields = {
        "id_hash": sha256(b"overworld.ledger.id" + bytes.fromhex(TRANSFER["id"])).hexdigest()[:32],
        "debit": cut(payer, b"pseudonym" + month),
        "credit": cut(payee, b"pseudonym" + month),
        "reference_hash": cut(payer + payee, b"reference" + bytes.fromhex(TRANSFER["reference"])),
    }
    head = bytes([1, 0, 0, 1, 0, 2, 0, 1]) + int(TRANSFER["amount_minor"]).to_bytes(8, "big")
    record = head + TRANSFER["currency"].encode().ljust(16, b"\0") + bytes.fromhex("".join(fields.values())) + bytes(32)

    assert {name: TRANSFER[name] for name in fields} == fields
    assert TRANSFER["record"] == record.hex()
    assert TRANSFER["leaf"] == sha256(b"\0" + record).hexdigest()


def test_the_server_seals_the_same_bytes():
    sides = records.sides(
        ids=np.array([1, 2]),
        codes=np.array([2, 1], np.uint16),
        currencies=np.tile(np.frombuffer(records.currency_field(TRANSFER["currency"]), np.uint8), (2, 1)),
        keys=np.frombuffer(given("payer_key") + given("payee_key"), np.uint8).reshape(2, 32),
        month=VECTORS["month"],
    )
    row = records.Rows(
        ids=np.frombuffer(bytes.fromhex(TRANSFER["id"]), np.uint8).reshape(1, 16),
        kinds=np.array([0], np.uint8),
        codes=np.array([1], np.uint16),
        amounts_minor=np.array([int(TRANSFER["amount_minor"])]),
        debit_ids=np.array([1]),
        credit_ids=np.array([2]),
        references=np.frombuffer(bytes.fromhex(TRANSFER["reference"]), np.uint8).reshape(1, 16),
        pending_ids=np.zeros((1, 16), np.uint8),
    )
    opened = OpenBlock(Edge(), sides, {})
    opened.add(row)
    key = Ed25519PrivateKey.from_private_bytes(given("signing_key"))

    block = opened.close(after=None, key=key, time_s=BLOCK["time_s"])

    assert block.records.hex() == TRANSFER["record"]
    assert block.signed.header.canonical().hex() == BLOCK["signed_bytes"]
    assert block.signed.header.hash().hex() == BLOCK["hash"]
    assert block.signed.signature.hex() == BLOCK["signature"]


def test_the_header_is_what_the_page_says():
    public = Ed25519PrivateKey.from_private_bytes(given("signing_key")).public_key().public_bytes_raw()
    key_id = sha256(public).digest()[:16]
    numbers = [(1, 1), (0, 8), (0, 32), (0, 8), (1, 4), (1, 8)]
    signed = b"overworld.ledger.block" + b"".join(value.to_bytes(size, "big") for value, size in numbers)
    signed += bytes.fromhex(TRANSFER["leaf"]) + BLOCK["time_s"].to_bytes(8, "big") + key_id

    assert (VECTORS["public_key"], VECTORS["key_id"]) == (public.hex(), key_id.hex())
    assert (BLOCK["signed_bytes"], BLOCK["hash"]) == (signed.hex(), sha256(signed).hexdigest())
    assert headers.signed_by(public, bytes.fromhex(BLOCK["signature"]), signed)


def test_the_certificate_is_what_the_page_says():
    key = Ed25519PrivateKey.from_private_bytes(given("signing_key"))
    made_at_s = VECTORS["certificate"]["made_at_s"]
    public, key_id = given("public_key"), given("key_id")
    signed = b"overworld.ledger.key" + bytes([1]) + bytes(4) + bytes(8) + made_at_s.to_bytes(8, "big") + public + key_id
    certificate = headers.certify(key, number=0, from_block=0, made_at_s=made_at_s, issuer=key)

    assert VECTORS["certificate"]["signed_bytes"] == signed.hex() == certificate.canonical().hex()
    assert VECTORS["certificate"]["signature"] == certificate.signature.hex()


def test_the_tree_is_that_of_rfc_6962():
    """The leaves and roots are Certificate Transparency's own; see also `tests/domains/ledger/audit/test_merkle.py`."""
    tree = VECTORS["tree"]
    leaves = [merkle.leaf_hash(bytes.fromhex(leaf)) for leaf in tree["leaves"]]
    edge = Edge()
    tiles = edge.append(b"".join(leaves))

    assert [merkle.root_of(leaves[:size]).hex() for size in range(9)] == tree["roots"]
    for spans, proof in (
        (merkle.inclusion_spans(5, 8), tree["inclusion_of_leaf_5_in_8"]),
        (merkle.consistency_spans(6, 8), tree["consistency_of_6_and_8"]),
    ):
        assert tiles_of(spans) <= set(tiles)
        assert [step.hex() for step in merkle.path(spans, perfect_in(tiles))] == proof


def test_the_tables_tell_the_layouts_that_are_packed():
    """The widths of the first column add up to what `struct` says."""
    for heading, size in (("A transfer", records.RECORD_BYTES), ("A block", len(given_header()))):
        covered = sum(width(part) for row in PAGE.rows(heading)[1:] for part in row[0].split(","))
        assert covered == size


def test_the_kinds_are_those_of_the_verifier():
    told = next(row[1] for row in PAGE.rows("A transfer") if row[1].startswith("kind"))

    assert told == "kind: " + ", ".join(f"{number} {name}" for number, name in enumerate(verify.KINDS))


def given_header() -> bytes:
    return bytes.fromhex(BLOCK["signed_bytes"]).removeprefix(b"overworld.ledger.block")


def width(part: str) -> int:
    first, _, last = part.strip().partition("-")
    return int(last or first) - int(first) + 1
