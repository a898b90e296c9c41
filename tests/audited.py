"""An audit trail that keeps what it was given, for tests of who records: implements the kernel's `AuditTrail`."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from overworld.kernel.audit import AuditEntry, Staff
from overworld.kernel.ports import Tx


class KeptTrail:
    """What was recorded, in order; also in transactions that were undone."""

    def __init__(self) -> None:
        self.entries: list[AuditEntry] = []

    async def record(self, tx: Tx, entries: Sequence[AuditEntry]) -> None:
        await tx.execute("SELECT")
        self.entries += entries

    @property
    def did(self) -> list[tuple[str, str]]:
        """The actions and what they were done to."""
        return [(entry.action, entry.target) for entry in self.entries]


def staff(account_id: UUID) -> Staff:
    """Somebody of the staff, at a desk."""
    return Staff(account_id=account_id, address="192.0.2.7", trace_id="0af7651916cd43dd8448eb211c80319c")
