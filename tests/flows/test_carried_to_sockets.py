"""A player hears once of all that changed at once, and nobody else does."""

from __future__ import annotations

from functools import partial
from uuid import UUID

from overworld.domains.gameplay.carry.messages import BadgeEarned, ItemGranted, ItemUsed, ToolEquipped
from overworld.domains.gameplay.messages import LevelReached
from overworld.flows.carried_to_sockets import CarriedToSockets
from overworld.flows.levels_to_sockets import LevelsToSockets
from overworld.kernel.events import enclose
from tests.flows.test_transfers_to_sockets import Heard

ANN, BEN, QUEST = (UUID(int=n) for n in (1, 2, 9))


def enclosed(ids, clock, *events):
    return [enclose(event, id=ids(), at=clock.now()) for event in events]


async def test_all_that_changed_for_a_player_is_one_message(ids, clock):
    heard, tool_id = Heard(), ids()
    granted = partial(ItemGranted, item_id="apple", type="apple", reference=QUEST, reason="quest")
    events = enclosed(
        ids,
        clock,
        granted(player_id=ANN, count=2, total=5),
        ItemUsed(player_id=ANN, use_id=QUEST, item_id="apple", type="apple", count=4, nth=1),
        granted(player_id=BEN, count=1, total=1),
        ToolEquipped(player_id=ANN, tool_id=tool_id, type="wooden"),
        BadgeEarned(player_id=ANN, badge="early", reference=QUEST, reason="quest"),
        LevelReached(player_id=ANN, level=2, level_before=1, experience=50),
    )
    await CarriedToSockets(heard).handle(events)
    apples = {"id": "apple", "type": "apple"}
    assert [(channel, message["data"]) for channel, message, _ in heard.published] == [
        (f"user:{ANN}", {"items": [apples | {"count": 4}], "tools": [str(tool_id)], "badges": ["early"]}),
        (f"user:{BEN}", {"items": [apples | {"count": 1}], "tools": [], "badges": []}),
    ]
    assert {message["type"] for _, message, _ in heard.published} == {"inventory.changed"}


async def test_a_level_is_told_to_who_reached_it(ids, clock):
    heard = Heard()
    events = enclosed(
        ids,
        clock,
        LevelReached(player_id=ANN, level=3, level_before=1, experience=120),
        ToolEquipped(player_id=BEN, tool_id=ids(), type="wooden"),
    )
    await LevelsToSockets(heard).handle(events)
    data = {"level": 3, "level_before": 1, "experience": 120}
    assert heard.published == [(f"user:{ANN}", {"type": "level.reached", "data": data}, None)]
