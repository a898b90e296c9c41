"""A player reached a level: they hear of it, on the channel of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from overworld.domains.gameplay.messages import LevelReached
from overworld.kernel.events import Envelope

TOPICS = (LevelReached.topic,)


class Publisher(Protocol):
    """The socket's door."""

    def publish(self, channel: str, message: Struct | bytes, *, except_account: UUID | None = None) -> None:
        """Sends an event to all who listen to the channel."""
        ...


class Reached(Struct, frozen=True):
    """The level, the one before, and the experience that lifted the player to it."""

    level: int
    level_before: int
    experience: int


class ReachedEvent(Struct, frozen=True):
    """The event on the socket."""

    data: Reached
    type: str = "level.reached"


class LevelsToSockets:
    """Tells the sockets of this process about levels that were reached in any process."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def handle(self, envelopes: Sequence[Envelope]) -> None:
        """Publishes each level to the channel of its player."""
        for envelope in envelopes:
            event = envelope.decode()
            if isinstance(event, LevelReached):
                reached = Reached(event.level, event.level_before, event.experience)
                self._publisher.publish(f"user:{event.player_id}", ReachedEvent(reached))
