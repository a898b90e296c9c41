"""What memberships need from elsewhere, beside the kernel's `Ledger` and `Outbox`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID


class Proofs(Protocol):
    """Which accounts elsewhere belong to whom, as the others have confirmed it."""

    def can_prove(self, way: str) -> bool:
        """Whether accounts of that kind can be linked here at all."""
        ...

    async def linked(self, account_ids: Sequence[UUID], way: str) -> Sequence[str | None]:
        """The account elsewhere, by what its host names it for ever, of each account, (n,); None without one.

        Only for what can be proved. Two accounts never give the same. One round trip at most. Asked outside of
        transactions.
        """
        ...
