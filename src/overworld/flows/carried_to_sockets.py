"""What a player carries has changed: they hear of it, on the channel of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, get_args
from uuid import UUID

from msgspec import Struct

from overworld.domains.gameplay.carry.messages import (
    BadgeEarned,
    ItemGranted,
    ItemUsed,
    ToolEquipped,
    ToolGranted,
    ToolRepaired,
    ToolUpgraded,
    UpgradeFailed,
)
from overworld.kernel.events import Envelope

Told = BadgeEarned | ItemGranted | ItemUsed | ToolEquipped | ToolGranted | ToolRepaired | ToolUpgraded | UpgradeFailed
TOPICS = tuple(event.topic for event in get_args(Told))


class Publisher(Protocol):
    """The socket's door."""

    def publish(self, channel: str, message: Struct | bytes, *, except_account: UUID | None = None) -> None:
        """Sends an event to all who listen to the channel."""
        ...


class Held(Struct, frozen=True):
    """How many of something are there now: of a stack, whose id is its type, or of a unique item (0 or 1)."""

    id: str
    type: str
    count: int


class Changed(Struct, frozen=True):
    """What is not as it was: items as they are now, tools by their ids, badges that are new by their names."""

    items: list[Held]
    tools: list[UUID]
    badges: list[str]


class ChangedEvent(Struct, frozen=True):
    """The event on the socket."""

    data: Changed
    type: str = "inventory.changed"


class CarriedToSockets:
    """Tells the sockets of this process about changes that were made in any process."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def handle(self, envelopes: Sequence[Envelope]) -> None:
        """Publishes one message for each player, however much of theirs has changed."""
        changes: dict[UUID, list[Told]] = {}
        for envelope in envelopes:
            event = envelope.decode()
            if isinstance(event, Told):
                changes.setdefault(event.player_id, []).append(event)
        for player_id, events in changes.items():
            self._publisher.publish(f"user:{player_id}", ChangedEvent(_changed(events)))


def _changed(events: Sequence[Told]) -> Changed:
    items: dict[str, Held] = {}
    tools: dict[UUID, None] = {}
    badges: list[str] = []
    for event in events:
        if isinstance(event, ItemUsed):
            items[event.item_id] = Held(event.item_id, event.type, event.count)
        elif isinstance(event, ItemGranted):
            items[event.item_id] = Held(event.item_id, event.type, event.total)
        elif isinstance(event, BadgeEarned):
            badges.append(event.badge)
        else:
            tools[event.tool_id] = None
    return Changed(list(items.values()), list(tools), badges)
