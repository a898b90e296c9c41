"""Players hear how far their own quests are, of several steps the last, and which they completed."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from overworld.domains.gameplay.carry.types import Reward
from overworld.domains.gameplay.quests.messages import QuestCompleted, QuestProgressed
from overworld.flows.quests_to_sockets import QuestsToSockets
from overworld.kernel.clock import FixedClock
from overworld.kernel.events import enclose
from overworld.kernel.ids import IdSource

ANN, BEN = UUID(int=1), UUID(int=2)


class Heard:
    """A socket door that writes down what it is told."""

    def __init__(self) -> None:
        self.published: list[tuple[str, Any]] = []

    def publish(self, channel: str, message: Struct | bytes, *, except_account: UUID | None = None) -> None:
        self.published.append((channel, msgspec.json.decode(msgspec.json.encode(message))))


async def test_each_player_hears_the_last_step_of_each_quest_and_what_was_completed(ids: IdSource, clock: FixedClock):
    heard = Heard()
    steps = [
        QuestProgressed(player_id=player, quest="walk", type="daily", run=7, counts=(n,), goals=(2,), met=n == 2)
        for player, n in ((ANN, 1), (BEN, 1), (ANN, 2))
    ]
    done = QuestCompleted(player_id=BEN, quest="walk", type="daily", run=6, rewards=Reward())
    events = [enclose(event, id=ids(), at=clock.now()) for event in (*steps, done)]
    await QuestsToSockets(heard).handle(events)
    assert heard.published == [
        (f"user:{BEN}", {"type": "quest.completed", "data": {"id": "walk", "run": 6}}),
        (
            f"user:{ANN}",
            {"type": "quest.progress", "data": {"id": "walk", "run": 7, "counts": [2], "goals": [2], "met": True}},
        ),
        (
            f"user:{BEN}",
            {"type": "quest.progress", "data": {"id": "walk", "run": 7, "counts": [1], "goals": [2], "met": False}},
        ),
    ]
