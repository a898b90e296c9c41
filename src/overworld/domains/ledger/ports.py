"""What the ledger needs from elsewhere, most of it so that players can send each other something."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol
from uuid import UUID

from overworld.kernel.ports import Tx
from overworld.kernel.standing import Standing


class Directory(Protocol):
    """Who is who; another domain keeps it."""

    async def found(self, names: Sequence[str]) -> Sequence[UUID | None]:
        """The players with these account ids or usernames, aligned; None where there is none. One round trip."""
        ...


class Trust(Protocol):
    """How far players are to be trusted."""

    async def standings(self, player_ids: Sequence[UUID]) -> Sequence[Standing]:
        """The standings, aligned with `player_ids`. No round trip when all are known in this process, one at most."""
        ...


class Advance(Protocol):
    """How far a player has come."""

    @property
    def level(self) -> int: ...


class Progress(Protocol):
    """How far players have come; another domain keeps it."""

    async def progress(self, account_ids: Sequence[UUID]) -> Sequence[Advance]:
        """Where they are, aligned with `account_ids`; who never played has the first level. One round trip at most."""
        ...


Beside = Callable[[Tx], Awaitable[None]]
"""What somebody else writes in a transaction of the ledger that did something, and only then."""


async def nothing(_tx: Tx) -> None:
    """Nobody writes anything beside it."""
