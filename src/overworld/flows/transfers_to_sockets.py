"""A player sent something to another one: both hear of it, on the channel of their own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from overworld.domains.ledger.messages import TokensSent
from overworld.kernel.events import Envelope

TOPICS = (TokensSent.topic,)


class Publisher(Protocol):
    """The socket's door."""

    def publish(self, channel: str, message: Struct | bytes, *, except_account: UUID | None = None) -> None:
        """Sends an event to all who listen to the channel."""
        ...


class Moved(Struct, frozen=True, rename={"sender": "from"}):
    """What both learn: the transfer, who sent what to whom, and what was written beside it."""

    id: UUID
    sender: UUID
    to: UUID
    currency: str
    amount: str
    note: str | None
    at: datetime


class MovedEvent(Struct, frozen=True):
    """The event on the socket."""

    data: Moved
    type: str = "tokens.sent"


class TransfersToSockets:
    """Tells the sockets of this process about transfers made in any process."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def handle(self, envelopes: Sequence[Envelope]) -> None:
        """Publishes each transfer to the channels of its two players."""
        for envelope in envelopes:
            event = envelope.decode()
            if not isinstance(event, TokensSent):
                continue
            moved = Moved(
                id=event.transfer_id,
                sender=event.from_id,
                to=event.to_id,
                currency=event.currency,
                amount=event.amount,
                note=event.note,
                at=envelope.at,
            )
            for player_id in (event.from_id, event.to_id):
                self._publisher.publish(f"user:{player_id}", MovedEvent(moved))
