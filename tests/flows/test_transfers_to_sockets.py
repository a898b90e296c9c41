"""Both players of a transfer hear of it on their own channels, and nobody else."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from overworld.domains.ledger.messages import TokensSent
from overworld.flows.transfers_to_sockets import TransfersToSockets
from overworld.kernel.clock import FixedClock
from overworld.kernel.events import enclose
from overworld.kernel.ids import IdSource


class Heard:
    """A socket door that writes down what it is told."""

    def __init__(self) -> None:
        self.published: list[tuple[str, Any, UUID | None]] = []

    def publish(self, channel: str, message: Struct | bytes, *, except_account: UUID | None = None) -> None:
        self.published.append((channel, msgspec.to_builtins(message), except_account))


async def test_both_players_hear_who_sent_what_to_whom(ids: IdSource, clock: FixedClock):
    heard = Heard()
    event = TokensSent(
        transfer_id=ids(), from_id=ids(), to_id=ids(), currency="ore", amount_minor=150, amount="1.50", note="hi"
    )
    await TransfersToSockets(heard).handle([enclose(event, id=ids(), at=clock.now())])
    data = {
        "id": str(event.transfer_id),
        "from": str(event.from_id),
        "to": str(event.to_id),
        "currency": "ore",
        "amount": "1.50",
        "note": "hi",
        "at": "2026-06-01T12:00:00Z",
    }
    message = {"type": "tokens.sent", "data": data}
    assert heard.published == [(f"user:{event.from_id}", message, None), (f"user:{event.to_id}", message, None)]
