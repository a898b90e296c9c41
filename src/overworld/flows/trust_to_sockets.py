"""A player's gate opened or closed: they hear of it, on the channel of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol
from uuid import UUID

from msgspec import Struct

from overworld.domains.trust.messages import TrustChanged
from overworld.domains.trust.words import MEANINGS
from overworld.kernel.events import Envelope
from overworld.kernel.standing import Gate

TOPICS = (TrustChanged.topic,)


class Publisher(Protocol):
    """The socket's door."""

    def publish(self, channel: str, message: Struct | bytes, *, except_account: UUID | None = None) -> None:
        """Sends an event to all who listen to the channel."""
        ...


class Changed(Struct, frozen=True):
    """Where a player stands now, and what that means. Why, says `GET /v1/users/me/standing`."""

    gate: Gate
    gate_before: Gate
    meaning: str


class ChangedEvent(Struct, frozen=True):
    """The event on the socket."""

    data: Changed
    type: Literal["standing.changed"] = "standing.changed"


class TrustToSockets:
    """Tells the sockets of this process when a gate changed, wherever it was decided."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def handle(self, envelopes: Sequence[Envelope]) -> None:
        """Publishes each change of a gate to its player; scores are told to nobody."""
        for envelope in envelopes:
            event = envelope.decode()
            if isinstance(event, TrustChanged) and event.gate is not event.gate_before:
                told = Changed(event.gate, event.gate_before, MEANINGS[event.gate])
                self._publisher.publish(f"user:{event.player_id}", ChangedEvent(told))
