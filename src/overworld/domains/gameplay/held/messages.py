"""What is told of held rewards, and how clients read them."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal
from uuid import UUID

from msgspec import Struct

from overworld.kernel.events import Event


class HeldReward(Struct, frozen=True, kw_only=True):
    """A reward that is held, or was. `id` is its transfer's; at `expires_at` it is released if nobody has decided."""

    id: UUID
    collectible_id: str
    type: str
    amount: str
    currency: str
    experience: int
    held_at: datetime
    expires_at: datetime
    state: Literal["held", "released", "denied"]
    settled_at: datetime | None


class RewardReleased(Event, frozen=True, kw_only=True):
    """A reward that was held has been paid, and its experience given; `balance` is what the wallet then held."""

    topic: ClassVar[str] = "events.reward.released"

    player_id: UUID
    transfer_id: UUID
    collectible_id: str
    type: str
    currency: str
    amount_minor: int
    amount: str
    balance: str
    experience: int
    lat_deg: float
    lng_deg: float
    held_at: datetime

    @property
    def key(self) -> str:
        return str(self.player_id)


class RewardDenied(Event, frozen=True, kw_only=True):
    """A reward that was held will not be paid; what it was for stays taken."""

    topic: ClassVar[str] = "events.reward.denied"

    player_id: UUID
    transfer_id: UUID
    collectible_id: str
    type: str
    currency: str
    amount_minor: int
    amount: str
    held_at: datetime

    @property
    def key(self) -> str:
        return str(self.player_id)
