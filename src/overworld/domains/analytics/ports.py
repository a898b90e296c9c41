"""What analytics needs from elsewhere."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from overworld.domains.analytics.messages import RankedBoard
from overworld.geo.columns import F64, U64
from overworld.kernel.audit import AuditEntry


class Columns(Protocol):
    """The store of events, for reading."""

    async def rows(
        self,
        sql: str,
        values: Mapping[str, Any] | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Sequence[Mapping[str, Any]]:
        """The answer, a mapping per row; `{events}` stands for the events of `[since, until)`. Raises: Fault, Busy."""
        ...

    async def columns(
        self,
        sql: str,
        values: Mapping[str, Any] | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Mapping[str, Any]:
        """The same as NumPy columns by their names."""
        ...


class Pseudonyms(Protocol):
    """Under which names players stand in the store."""

    async def of_id(self, player: UUID) -> bytes:
        """The pseudonym of a player, 16 bytes."""
        ...


class Levels(Protocol):
    """How far players have come in the game."""

    async def level_of(self, player_id: UUID) -> int:
        """The level of a player; that of a beginner for who has not played."""
        ...


class Boards(Protocol):
    """Gameplay's leaderboards."""

    def names(self) -> Sequence[str]:
        """The boards of the game that are asked for by a name of their own."""
        ...

    async def board(self, name: str, *, player_id: UUID, limit: int, start: int = 0) -> RankedBoard:
        """Places of a board from `start` (0 is the best) on, and the player's own. Raises: NoBoard; Fault, Busy."""
        ...


class Wallets(Protocol):
    """What players hold."""

    def currencies(self) -> Collection[str]:
        """The currencies of the game."""
        ...

    async def held(self, currency: str) -> tuple[U64, F64]:
        """First halves of all pseudonyms with a wallet, ascending, and what each holds in minor units; aligned, (n,).

        Raises: Fault, Busy.
        """
        ...


class Looks(Protocol):
    """Keeps that somebody of the staff looked at a player."""

    async def record(self, entry: AuditEntry) -> None:
        """Keeps the entry in the audit log; what was looked at may be told then. Raises: Fault."""
        ...


class Supply(Protocol):
    """How much of value there is."""

    async def in_hands(self) -> float:
        """What all wallets hold together, in minor units of all currencies."""
        ...
