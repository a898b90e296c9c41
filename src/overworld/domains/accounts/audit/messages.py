"""What the audit log tells, to staff and to the log of events."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from msgspec import Struct

from overworld.domains.accounts.audit.types import Kept
from overworld.kernel.clock import rfc3339
from overworld.kernel.events import Event


class AuditSealed(Event, frozen=True, kw_only=True):
    """Entries of the audit log were sealed, up to `number`. `hash`, in hexadecimal, stands for all of them.

    Whoever keeps it elsewhere can tell later whether anything before it was changed.
    """

    topic: ClassVar[str] = "events.audit.sealed"

    number: int
    count: int
    hash: str


class AuditItem(Struct, frozen=True, kw_only=True):
    """An action of staff. Digests and the hash are hexadecimal; `number` and `hash` are null until it is sealed."""

    id: UUID
    at: str
    actor_id: UUID | None
    action: str
    target: str
    before: str | None
    after: str | None
    address: str
    trace_id: str
    note: str
    number: int | None
    hash: str | None


def item_of(kept: Kept) -> AuditItem:
    """An entry as staff read it."""
    entry = kept.entry
    return AuditItem(
        id=kept.id,
        at=rfc3339(kept.at),
        actor_id=entry.actor_id,
        action=entry.action,
        target=entry.target,
        before=_hex(entry.before),
        after=_hex(entry.after),
        address=entry.address,
        trace_id=entry.trace_id,
        note=entry.note,
        number=kept.number,
        hash=_hex(kept.hash),
    )


def _hex(raw: bytes | None) -> str | None:
    return None if raw is None else raw.hex()
