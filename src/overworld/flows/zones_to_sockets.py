"""A player came to a fence, left, crossed or dwelt in it: they hear of it, on the channel of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType

from overworld.domains.world.fences.messages import ZoneCrossed, ZoneDwelt, ZoneEntered, ZoneLeft
from overworld.kernel.clock import rfc3339
from overworld.kernel.events import Envelope

TOPICS = (ZoneEntered.topic, ZoneLeft.topic, ZoneCrossed.topic, ZoneDwelt.topic)


class Publisher(Protocol):
    """The socket's door."""

    def publish(self, channel: str, message: Struct | bytes, *, except_account: UUID | None = None) -> None:
        """Sends an event to all who listen to the channel."""
        ...


class Zone(Struct, frozen=True, kw_only=True):
    """The fence, and when; of who left also why, and of who left or dwelt since when they had been inside."""

    fence_id: UUID
    name: str
    at: str
    entered_at: str | UnsetType = UNSET
    reason: str | UnsetType = UNSET


class ZoneEvent(Struct, frozen=True):
    """The event on the socket."""

    type: str
    data: Zone


class ZonesToSockets:
    """Tells the sockets of this process what any process saw of their players."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def handle(self, envelopes: Sequence[Envelope]) -> None:
        """Publishes each event to the channel of its player."""
        for envelope in envelopes:
            event = envelope.decode()
            if isinstance(event, ZoneEntered | ZoneLeft | ZoneCrossed | ZoneDwelt):
                told = ZoneEvent(event.topic.removeprefix("events."), _zone(event))
                self._publisher.publish(f"user:{event.player_id}", told)


def _zone(event: ZoneEntered | ZoneLeft | ZoneCrossed | ZoneDwelt) -> Zone:
    entered_at = event.entered_at if isinstance(event, ZoneLeft | ZoneDwelt) else None
    return Zone(
        fence_id=event.fence_id,
        name=event.name,
        at=rfc3339(event.at),
        entered_at=rfc3339(entered_at) if entered_at else UNSET,
        reason=event.reason if isinstance(event, ZoneLeft) else UNSET,
    )
