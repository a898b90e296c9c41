"""What trust needs from elsewhere, beside the kernel's `Outbox` and `AuditTrail`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from overworld.kernel.ports import Tx


class Directory(Protocol):
    """Who is who; another domain keeps it."""

    async def found(self, names: Sequence[str]) -> Sequence[UUID | None]:
        """The players with these account ids or usernames, aligned; None where there is none. One round trip."""
        ...


class Progress(Protocol):
    """How far the fold of the log into standings has come."""

    async def judged_until(self, tx: Tx, now: datetime) -> datetime | None:
        """Until when everything is judged that happened, `now` when nothing waits; None before it has begun."""
        ...
