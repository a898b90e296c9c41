"""What staff did, as the audit log keeps it: who, what, to what, and what was changed by it."""

from __future__ import annotations

from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct


class AuditEntry(Struct, frozen=True, kw_only=True):
    """One action of staff.

    `action` is a domain and a verb (`gameplay.place`), `target` what it was done to: an id, or a name. `before` and
    `after` are `digest_of` what was there and what is; None where there was or is nothing, as for what was only read.
    `actor_id` is None for who acts on the machine itself, by a command or by the developer key alone; `address` says
    where from. `note` is for people: a reason, never a secret, and never what the digests stand for.
    """

    actor_id: UUID | None
    action: str
    target: str
    before: bytes | None = None
    after: bytes | None = None
    address: str = ""
    trace_id: str = ""
    note: str = ""


class Staff(Struct, frozen=True, kw_only=True):
    """Somebody of the staff who is about to act: the account, where the call came from, and its trace."""

    account_id: UUID | None
    address: str = ""
    trace_id: str = ""

    def did(self, action: str, target: object, *, before: Any = None, after: Any = None, note: str = "") -> AuditEntry:
        """The entry that says so; `before` and `after` are values, of which it keeps the digests."""
        return AuditEntry(
            actor_id=self.account_id,
            action=action,
            target=str(target),
            before=None if before is None else digest_of(before),
            after=None if after is None else digest_of(after),
            address=self.address,
            trace_id=self.trace_id,
            note=note,
        )


def digest_of(value: Any) -> bytes:
    """The SHA-256 of a value's JSON with its keys in order: 32 bytes, the same for equal values."""
    return sha256(msgspec.json.encode(value, order="deterministic")).digest()
