"""A player's quest moved on, or was completed: they hear of it, on the channel of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from overworld.domains.gameplay.quests.messages import QuestCompleted, QuestProgressed
from overworld.kernel.events import Envelope

TOPICS = (QuestCompleted.topic, QuestProgressed.topic)


class Publisher(Protocol):
    """The socket's door."""

    def publish(self, channel: str, message: Struct | bytes, *, except_account: UUID | None = None) -> None:
        """Sends an event to all who listen to the channel."""
        ...


class Progress(Struct, frozen=True):
    """How far a run of a quest is: `counts` beside `goals`, an entry for each objective."""

    id: str
    run: int
    counts: tuple[int, ...]
    goals: tuple[int, ...]
    met: bool


class ProgressEvent(Struct, frozen=True):
    """The event on the socket."""

    data: Progress
    type: str = "quest.progress"


class Completed(Struct, frozen=True):
    """Which run of which quest was completed."""

    id: str
    run: int


class CompletedEvent(Struct, frozen=True):
    """The event on the socket."""

    data: Completed
    type: str = "quest.completed"


class QuestsToSockets:
    """Tells the sockets of this process about quests, wherever they moved on."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def handle(self, envelopes: Sequence[Envelope]) -> None:
        """Publishes each to its player; of several steps of one quest the last."""
        latest: dict[tuple[UUID, str, int], Struct] = {}
        for envelope in envelopes:
            event = envelope.decode()
            if isinstance(event, QuestProgressed):
                told = Progress(event.quest, event.run, event.counts, event.goals, event.met)
                latest[event.player_id, event.quest, event.run] = ProgressEvent(told)
            elif isinstance(event, QuestCompleted):
                self._publisher.publish(f"user:{event.player_id}", CompletedEvent(Completed(event.quest, event.run)))
        for (player_id, _, _), message in latest.items():
            self._publisher.publish(f"user:{player_id}", message)
