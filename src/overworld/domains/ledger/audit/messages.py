"""The log as strangers read it, in exports and over HTTP. Hashes and keys are hexadecimal, records base64."""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec import Struct

from overworld.domains.ledger.audit.headers import Certificate, SignedHeader


class BlockItem(Struct, frozen=True, kw_only=True):
    """A block's header: `count` transfers from `first_index` on; `root` is that of the tree of `tree_size` leaves.

    `previous` is the `hash` of the block before; `time` is in whole minutes.
    """

    number: int
    previous: str
    first_index: int
    count: int
    tree_size: int
    root: str
    time: datetime
    key_id: str
    hash: str
    signature: str


class BlockBody(Struct, frozen=True, kw_only=True):
    """A block with its records, 128 bytes for each transfer, one behind the other."""

    block: BlockItem
    records: bytes


class ProofItem(Struct, frozen=True, kw_only=True):
    """That a transfer is in the log: leaf `index` of the tree of its block, whose root `path` leads to (RFC 6962)."""

    index: int
    record: str
    leaf: str
    path: list[str]
    block: BlockItem


class ConsistencyItem(Struct, frozen=True, kw_only=True):
    """That the tree of `to_block` begins with the tree of `from_block`, by `path` (RFC 6962)."""

    from_block: BlockItem
    to_block: BlockItem
    path: list[str]


class KeyItem(Struct, frozen=True, kw_only=True):
    """A key that signs from `from_block` on, vouched for by the key `issuer_id`; key 0 vouches for itself."""

    number: int
    key_id: str
    public_key: str
    from_block: int
    made_at: datetime
    issuer_id: str
    signature: str


class Keys(Struct, frozen=True):
    """Every signing key of the log, the newest last."""

    items: list[KeyItem]


def block_item(signed: SignedHeader) -> BlockItem:
    """A header as strangers read it."""
    header = signed.header
    return BlockItem(
        number=header.number,
        previous=header.previous.hex(),
        first_index=header.first_index,
        count=header.count,
        tree_size=header.tree_size,
        root=header.root.hex(),
        time=datetime.fromtimestamp(header.time_s, UTC),
        key_id=header.key_id.hex(),
        hash=header.hash().hex(),
        signature=signed.signature.hex(),
    )


def key_item(certificate: Certificate) -> KeyItem:
    """A certificate as strangers read it."""
    return KeyItem(
        number=certificate.number,
        key_id=certificate.key_id.hex(),
        public_key=certificate.public_key.hex(),
        from_block=certificate.from_block,
        made_at=datetime.fromtimestamp(certificate.made_at_s, UTC),
        issuer_id=certificate.issuer_id.hex(),
        signature=certificate.signature.hex(),
    )
