"""Writes what staff do into the audit log, in the transaction that does it."""

from __future__ import annotations

from collections.abc import Sequence

from overworld.domains.accounts.audit import store
from overworld.kernel.audit import AuditEntry
from overworld.kernel.clock import Clock
from overworld.kernel.ids import IdSource
from overworld.kernel.ports import Tx

_TARGET_LENGTH_MAX = 256
_ADDRESS_LENGTH_MAX = 256
_NOTE_LENGTH_MAX = 1000


class Trail:
    """The kernel's `AuditTrail` on the table `accounts.audit`. Texts that are too long are cut, never refused."""

    def __init__(self, *, clock: Clock, ids: IdSource) -> None:
        self._clock = clock
        self._ids = ids

    async def record(self, tx: Tx, entries: Sequence[AuditEntry]) -> None:
        """Keeps the entries when `tx` commits; the sealer puts them in the chain. One round trip."""
        if entries:
            kept = [_cut(entry) for entry in entries]
            await store.add(tx, self._ids.many(len(kept)), kept, self._clock.now())


def _cut(entry: AuditEntry) -> AuditEntry:
    return AuditEntry(
        actor_id=entry.actor_id,
        action=entry.action,
        target=_text(entry.target, _TARGET_LENGTH_MAX),
        before=entry.before,
        after=entry.after,
        address=_text(entry.address, _ADDRESS_LENGTH_MAX),
        trace_id=entry.trace_id,
        note=_text(entry.note, _NOTE_LENGTH_MAX),
    )


def _text(text: str, length_max: int) -> str:
    """As PostgreSQL takes it and a hash can be made of it: no NUL, no half of a surrogate pair."""
    return text[:length_max].replace("\x00", "").encode("utf-8", "replace").decode()
