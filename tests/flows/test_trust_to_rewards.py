"""What becomes of players' standings becomes orders over what is held of them, in order, and nothing else does."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from overworld.domains.gameplay.held.types import Order
from overworld.flows.trust_to_rewards import CHANGED, DECIDED, TrustToRewards
from overworld.kernel.clock import FixedClock
from overworld.kernel.events import Envelope
from overworld.kernel.ids import IdSource

ANN, BEN = UUID(int=1), UUID(int=2)


class Ordered:
    """A door that writes down what it is ordered."""

    def __init__(self) -> None:
        self.orders: list[Order] = []

    async def carry_out(self, orders: Sequence[Order]) -> None:
        self.orders += orders


def told(topic: str, player_id: UUID, at: datetime, **fields: Any) -> Envelope:
    data = msgspec.Raw(msgspec.json.encode({"player_id": player_id, **fields}))
    return Envelope(id=UUID(int=9), topic=topic, at=at, key=str(player_id), data=data)


@pytest.mark.parametrize(
    ("topic", "fields", "release"),
    [
        (CHANGED, {"score": 0.9, "gate": "normal", "gate_before": "review"}, True),
        (CHANGED, {"score": 0.6, "gate": "reduced", "gate_before": "refused"}, True),
        (CHANGED, {"score": 0.4, "gate": "review", "gate_before": "normal"}, None),
        (CHANGED, {"score": 0.1, "gate": "refused", "gate_before": "review"}, None),
        (DECIDED, {"decision": "clear", "by": str(BEN)}, True),
        (DECIDED, {"decision": "uphold", "by": str(BEN)}, False),
        (DECIDED, {"decision": "something new", "by": str(BEN)}, None),
    ],
)
async def test_a_fact_about_a_player_becomes_an_order_over_what_was_held_by_then(
    clock: FixedClock, topic, fields, release
):
    ordered = Ordered()
    await TrustToRewards(ordered).handle([told(topic, ANN, clock.now(), **fields)])
    assert ordered.orders == ([] if release is None else [Order(player_id=ANN, release=release, held_by=clock.now())])


async def test_orders_keep_the_order_of_the_facts(ids: IdSource, clock: FixedClock):
    ordered, later = Ordered(), clock.now() + timedelta(seconds=1)
    facts = [
        told(DECIDED, ANN, clock.now(), decision="uphold"),
        told(CHANGED, BEN, clock.now(), gate="normal"),
        told(CHANGED, ANN, later, gate="normal"),
    ]
    await TrustToRewards(ordered).handle(facts)
    assert [(one.player_id, one.release, one.held_by) for one in ordered.orders] == [
        (ANN, False, clock.now()),
        (BEN, True, clock.now()),
        (ANN, True, later),
    ]
