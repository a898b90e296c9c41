"""Players hear what became of their own held rewards."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from overworld.domains.gameplay.held.messages import RewardDenied, RewardReleased
from overworld.flows.rewards_to_sockets import RewardsToSockets
from overworld.kernel.clock import FixedClock
from overworld.kernel.events import enclose
from overworld.kernel.ids import IdSource

ANN, BEN, GIVEN, DENIED = (UUID(int=n) for n in (1, 2, 3, 4))


class Heard:
    """A socket door that writes down what it is told."""

    def __init__(self) -> None:
        self.published: list[tuple[str, Any]] = []

    def publish(self, channel: str, message: Struct | bytes, *, except_account: UUID | None = None) -> None:
        self.published.append((channel, msgspec.json.decode(msgspec.json.encode(message))))


async def test_each_player_hears_what_was_given_to_them_and_what_was_not(ids: IdSource, clock: FixedClock):
    what: dict[str, Any] = {
        "collectible_id": "c",
        "type": "opal",
        "currency": "gem",
        "amount_minor": 150,
        "amount": "1.50",
    }
    events = [
        RewardReleased(
            **what,
            player_id=ANN,
            transfer_id=GIVEN,
            balance="2.00",
            experience=15,
            lat_deg=1.0,
            lng_deg=2.0,
            held_at=clock.now(),
        ),
        RewardDenied(**what, player_id=BEN, transfer_id=DENIED, held_at=clock.now()),
    ]
    heard = Heard()
    await RewardsToSockets(heard).handle([enclose(event, id=ids(), at=clock.now()) for event in events])
    seen = {"collectible_id": "c", "type": "opal", "currency": "gem", "amount": "1.50"}
    assert heard.published == [
        (
            f"user:{ANN}",
            {"type": "reward.released", "data": {"id": str(GIVEN), **seen, "balance": "2.00", "experience": 15}},
        ),
        (f"user:{BEN}", {"type": "reward.denied", "data": {"id": str(DENIED), **seen}}),
    ]
