"""What sharing takes from elsewhere."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from overworld.domains.world.messages import Fix


class Directory(Protocol):
    """Who is who; another domain keeps it."""

    async def found(self, names: Sequence[str]) -> Sequence[UUID | None]:
        """The players with these account ids or usernames, aligned; None where there is none. One round trip."""
        ...


class Places(Protocol):
    """Where players are."""

    async def places(self, player_ids: Sequence[UUID]) -> Sequence[Fix | None]:
        """Their last accepted fixes of the last 5 minutes, aligned. One round trip at most. Raises: Fault."""
        ...


class Sockets(Protocol):
    """The socket's door in this process."""

    @property
    def accounts(self) -> Collection[UUID]:
        """Who is connected here."""
        ...

    def listens(self, channel: str) -> bool:
        """Whether anybody here listens to a channel."""
        ...

    def publish(self, channel: str, message: Struct | bytes) -> None:
        """Sends an event to all who listen to the channel."""
        ...
