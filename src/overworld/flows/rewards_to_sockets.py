"""A reward that was held has been given, or let go: its player hears of it, on the channel of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol
from uuid import UUID

from msgspec import Struct

from overworld.domains.gameplay.held.messages import RewardDenied, RewardReleased
from overworld.kernel.events import Envelope

TOPICS = (RewardDenied.topic, RewardReleased.topic)


class Publisher(Protocol):
    """The socket's door."""

    def publish(self, channel: str, message: Struct | bytes, *, except_account: UUID | None = None) -> None:
        """Sends an event to all who listen to the channel."""
        ...


class Settled(Struct, frozen=True, kw_only=True):
    """Which reward, by the id of its transfer; what it was for, and what it is worth."""

    id: UUID
    collectible_id: str
    type: str
    currency: str
    amount: str


class Paid(Settled, frozen=True, kw_only=True):
    """The same of one that was given: what the wallet then held, and the experience that came with it."""

    balance: str
    experience: int


class PaidEvent(Struct, frozen=True):
    """The event on the socket when a reward is given."""

    data: Paid
    type: Literal["reward.released"] = "reward.released"


class DeniedEvent(Struct, frozen=True):
    """The event on the socket when a reward is let go."""

    data: Settled
    type: Literal["reward.denied"] = "reward.denied"


class RewardsToSockets:
    """Tells the sockets of this process what was decided in any process."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def handle(self, envelopes: Sequence[Envelope]) -> None:
        """Publishes each reward to the channel of its player."""
        for envelope in envelopes:
            event = envelope.decode()
            if isinstance(event, RewardReleased):
                self._publisher.publish(f"user:{event.player_id}", PaidEvent(_paid(event)))
            elif isinstance(event, RewardDenied):
                self._publisher.publish(f"user:{event.player_id}", DeniedEvent(_settled(event)))


def _settled(event: RewardDenied) -> Settled:
    return Settled(
        id=event.transfer_id,
        collectible_id=event.collectible_id,
        type=event.type,
        currency=event.currency,
        amount=event.amount,
    )


def _paid(event: RewardReleased) -> Paid:
    return Paid(
        id=event.transfer_id,
        collectible_id=event.collectible_id,
        type=event.type,
        currency=event.currency,
        amount=event.amount,
        balance=event.balance,
        experience=event.experience,
    )
