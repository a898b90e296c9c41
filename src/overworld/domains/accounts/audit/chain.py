"""How the hash of an entry is made: pure, and simple enough to be done again by anybody."""

from __future__ import annotations

from hashlib import sha256

from overworld.domains.accounts.audit.types import Kept
from overworld.kernel.clock import rfc3339

BEGINNING = sha256(b"overworld audit log 1").digest()
"""What stands before the first entry."""

_ABSENT = b"\xff\xff\xff\xff"


def hash_of(kept: Kept, *, previous: bytes) -> bytes:
    """The hash of an entry that follows another: SHA-256 of the hash before and the entry's ten fields.

    Each field is its length, 4 bytes, big-endian, and its bytes: texts in UTF-8, ids and times as the API writes them,
    digests as they are. An absent field is four bytes 0xff.
    """
    entry = kept.entry
    fields = (
        str(kept.id),
        rfc3339(kept.at),
        None if entry.actor_id is None else str(entry.actor_id),
        entry.action,
        entry.target,
        entry.before,
        entry.after,
        entry.address,
        entry.trace_id,
        entry.note,
    )
    return sha256(previous + b"".join(map(_field, fields))).digest()


def _field(value: str | bytes | None) -> bytes:
    if value is None:
        return _ABSENT
    raw = value.encode() if isinstance(value, str) else value
    return len(raw).to_bytes(4, "big") + raw
