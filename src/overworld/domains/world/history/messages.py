"""What clients read of history, and the event that ends it."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from msgspec import Struct

from overworld.kernel.events import Event


class PlaceRecorded(Struct, frozen=True, kw_only=True):
    """Where the player was at a time; at a coarse place no accuracy is told."""

    recorded_at: datetime
    lat: float
    lng: float
    accuracy_m: float | None
    cell: str


class HistoryErased(Event, frozen=True, kw_only=True):
    """A player's history was erased. Every server forgets what it has not written yet."""

    topic: ClassVar[str] = "events.history.erased"

    player_id: UUID

    @property
    def key(self) -> str:
        return str(self.player_id)
