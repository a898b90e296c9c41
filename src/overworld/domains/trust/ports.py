"""What trust needs from elsewhere, beside the kernel's `Outbox` and `AuditTrail`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID


class Directory(Protocol):
    """Who is who; another domain keeps it."""

    async def found(self, names: Sequence[str]) -> Sequence[UUID | None]:
        """The players with these account ids or usernames, aligned; None where there is none. One round trip."""
        ...
