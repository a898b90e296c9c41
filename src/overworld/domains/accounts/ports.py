"""What accounts needs from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID


class Standing(Protocol):
    """How far a player has come."""

    @property
    def level(self) -> int: ...

    @property
    def experience(self) -> int: ...


class Progress(Protocol):
    """How far players have come; another domain keeps it."""

    async def progress(self, account_ids: Sequence[UUID]) -> Sequence[Standing]:
        """The standings, aligned with `account_ids`; those who never played have the first level.

        One round trip at most. Asked outside of transactions, so it may take a connection of its own.
        """
        ...


class Badges(Protocol):
    """Which badges players have; another domain keeps them."""

    async def badges_of(self, account_ids: Sequence[UUID]) -> Sequence[tuple[str, ...]]:
        """The names of the badges of each, aligned with `account_ids`, in the order that the game gives them.

        One round trip at most. Asked outside of transactions, so it may take a connection of its own.
        """
        ...
