"""A player is trusted again, or staff have decided about them: what is held of them is given, or let go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

import msgspec
from msgspec import Struct

from overworld.domains.gameplay.held.types import Order
from overworld.kernel.events import Envelope
from overworld.kernel.standing import WITHHELD, Gate

NAME = "held-rewards"
CHANGED, DECIDED = TOPICS = ("events.trust.changed", "events.trust.decided")
_RELEASE_BY_DECISION = {"clear": True, "uphold": False}


class Rewards(Protocol):
    """The door of what is held."""

    async def carry_out(self, orders: Sequence[Order]) -> None:
        """Does what was ordered, in this order, once however often it is ordered."""
        ...


class _Changed(Struct, frozen=True):
    """What of `events.trust.changed` matters here."""

    player_id: UUID
    gate: Gate


class _Decided(Struct, frozen=True):
    """What of `events.trust.decided` matters here; any other decision leaves what is held where it is."""

    player_id: UUID
    decision: str


class TrustToRewards:
    """Hands on what has become of players' standings. Each concerns what was held when it happened, nothing later."""

    def __init__(self, rewards: Rewards) -> None:
        self._rewards = rewards

    async def handle(self, envelopes: Sequence[Envelope]) -> None:
        """Takes events in the order of the log; the same again changes nothing."""
        found = [_release(envelope) for envelope in envelopes]
        orders = [
            Order(player_id=one[0], release=one[1], held_by=envelope.at)
            for envelope, one in zip(envelopes, found, strict=True)
            if one is not None
        ]
        await self._rewards.carry_out(orders)


def _release(envelope: Envelope) -> tuple[UUID, bool] | None:
    """Of whom something is to be given, or let go; None when neither."""
    if envelope.topic == CHANGED:
        changed = msgspec.json.decode(envelope.data, type=_Changed)
        return None if changed.gate in WITHHELD else (changed.player_id, True)
    decided = msgspec.json.decode(envelope.data, type=_Decided)
    release = _RELEASE_BY_DECISION.get(decided.decision)
    return None if release is None else (decided.player_id, release)
