"""The command, the events, and the shapes that clients read."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from msgspec import Struct

from overworld.kernel.events import Event


class ClaimCollectible(Struct, frozen=True, kw_only=True):
    """A player wants a collectible. `key` is the idempotency key: header on HTTP, `request_id` on the socket."""

    player_id: UUID
    collectible_id: str
    key: str


class CollectBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a claim over HTTP: nothing. What is collected stands in the path, who collects in the token."""


class Collected(Struct, frozen=True, kw_only=True):
    """The reply to a claim that won: what it was worth, and where the player now stands."""

    collectible_id: str
    type: str
    amount: str
    currency: str
    balance: str
    experience: int
    level: int


class CollectibleSeen(Struct, frozen=True, kw_only=True):
    """A collectible that can be taken, as clients read it. `expires_at` is RFC 3339 UTC."""

    id: str
    type: str
    value: str
    currency: str
    lat: float
    lng: float
    expires_at: str


class CollectibleNearby(CollectibleSeen, frozen=True, kw_only=True):
    """The same, with its distance from the place that was asked about."""

    distance_m: float


class CollectibleCollected(Event, frozen=True, kw_only=True):
    """A player took a collectible; the value has been posted. `cell` is the token of its spawn cell."""

    topic: ClassVar[str] = "events.collectible.collected"

    player_id: UUID
    collectible_id: str
    type: str
    currency: str
    amount_minor: int
    experience: int
    cell: str
    lat_deg: float
    lng_deg: float
    mode: str = "shared"

    @property
    def key(self) -> str:
        return str(self.player_id)


class LevelReached(Event, frozen=True, kw_only=True):
    """A player's experience lifted them from one level to a higher one."""

    topic: ClassVar[str] = "events.level.reached"

    player_id: UUID
    level: int
    level_before: int
    experience: int

    @property
    def key(self) -> str:
        return str(self.player_id)
