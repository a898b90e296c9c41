"""What the socket needs of the rest of the house. It knows messages and channels; what they mean is decided there."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID

from msgspec import Raw, Struct

from overworld.kernel.identity import Answer, Principal


class KeyScopes(Protocol):
    """What a developer key adds to a token."""

    def scopes(self, key: str) -> frozenset[str]:
        """The scopes the key adds; none when it is not one. Compared in constant time."""
        ...


class Judged(Protocol):
    """A verdict on a fix: a Struct with wire.md's fields."""

    @property
    def accepted(self) -> bool:
        """Whether the fix moved the player."""
        ...


class Locations(Protocol):
    """Where fixes go."""

    def report(self, player_id: UUID, data: Raw, *, own_timeline: bool) -> asyncio.Future[Any]:
        """The coming verdict (`Judged`, a Struct) on a fix, still encoded as JSON. Judged in the order of the calls.

        `own_timeline` leaves out the comparison with the server's clock. Raises: a Refusal when the data is malformed,
        whatever its bytes; `Busy` when no more fixes are taken.
        """
        ...


class PlayerSeen(Protocol):
    """A player as others see one: a Struct, encoded as it is, that tells who it is."""

    @property
    def id(self) -> UUID | str:
        """The account id; its own sockets do not get the entry."""
        ...


class CellViews(Protocol):
    """What is to be seen in a room cell."""

    def players(self, cell: int) -> Sequence[PlayerSeen]:
        """The players in the cell as strangers see them, bounded, in a stable order. Asked at every publish: no I/O."""
        ...

    async def collectibles(self, cells: Sequence[int], *, player_id: UUID) -> Sequence[Struct]:
        """What the player could collect in the cells."""
        ...


class Sight(Protocol):
    """Keeps players from looking at places they are not near."""

    def require_in_sight(self, player_id: UUID, lat_deg: float, lng_deg: float, scopes: frozenset[str]) -> None:
        """Nothing when the place is near the player's last accepted fix. Raises: a Refusal when it is not."""
        ...


class ActionHandler(Protocol):
    """Carries out one kind of `game.action`."""

    async def __call__(self, principal: Principal, target: str, request_id: str | None, data: Raw) -> Answer[Any]:
        """The answer (a Struct). `data` is the whole action, still encoded; `request_id` is the idempotency key.

        Raises: Refusals. It runs to its end also when the connection goes away meanwhile.
        """
        ...


Actions = Mapping[str, ActionHandler]
