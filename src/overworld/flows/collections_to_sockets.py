"""A collectible was taken: everyone who watches its cell hears of it, its new owner excepted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from overworld.domains.gameplay.messages import CollectibleCollected
from overworld.geo import cells
from overworld.kernel.events import Envelope

TOPICS = (CollectibleCollected.topic,)


class Publisher(Protocol):
    """The socket's door."""

    def publish(self, channel: str, message: Struct | bytes, *, except_account: UUID | None = None) -> None:
        """Sends an event to all who listen to the channel."""
        ...


class Gone(Struct, frozen=True):
    """What others learn: which collectible is gone. Not who has it, for that would tell where somebody stands."""

    id: str
    type: str


class GoneEvent(Struct, frozen=True):
    """The event on the socket; `type` is `NOUN.collected`."""

    type: str
    data: Gone


class CollectionsToSockets:
    """Tells the sockets of this process about collections made in any process."""

    def __init__(self, *, publisher: Publisher, noun: str, room_level: int) -> None:
        self._publisher = publisher
        self._type = f"{noun}.collected"
        self._room_level = room_level

    async def handle(self, envelopes: Sequence[Envelope]) -> None:
        """Publishes each collection to the channel of its room cell. Personal collectibles concern nobody else."""
        for envelope in envelopes:
            event = envelope.decode()
            if not isinstance(event, CollectibleCollected) or event.mode != "shared":
                continue
            room = cells.cell_of(event.lat_deg, event.lng_deg, self._room_level)
            self._publisher.publish(
                f"location:cell:{cells.token(room)}",
                GoneEvent(self._type, Gone(event.collectible_id, event.type)),
                except_account=event.player_id,
            )
