"""Whose gate changed hears of it in plain words; a score is told to nobody."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from overworld.domains.trust.messages import TrustChanged
from overworld.domains.trust.words import MEANINGS
from overworld.flows.trust_to_sockets import TrustToSockets
from overworld.kernel.events import enclose
from overworld.kernel.standing import Gate


class Heard:
    """A socket door that writes down what it is told."""

    def __init__(self) -> None:
        self.published: list[tuple[str, Any]] = []

    def publish(self, channel: str, message: Struct | bytes, *, except_account: UUID | None = None) -> None:
        self.published.append((channel, msgspec.to_builtins(message)))


async def test_a_change_of_gate_is_told_on_the_players_own_channel_and_a_change_of_score_is_not(ids, clock):
    heard, player_id = Heard(), UUID(int=7)
    gates = [(Gate.NORMAL, Gate.NORMAL), (Gate.NORMAL, Gate.REVIEW)]
    events = [TrustChanged(player_id=player_id, score=0.4, gate=gate, gate_before=before) for before, gate in gates]
    await TrustToSockets(heard).handle([enclose(event, id=ids(), at=clock.now()) for event in events])
    data = {"gate": "review", "gate_before": "normal", "meaning": MEANINGS[Gate.REVIEW]}
    assert heard.published == [(f"user:{player_id}", {"data": data, "type": "standing.changed"})]
