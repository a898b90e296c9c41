"""What is lying in many views at once is worked out for one after the other."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

from overworld.app.live.routes import LiveMap
from overworld.domains.gameplay.types import Spawn
from overworld.geo.box import Box
from overworld.kernel.clock import SystemClock

VIEW = Box(west_deg=14.49, south_deg=46.04, east_deg=14.53, north_deg=46.07)


class Slices:
    """Stands for gameplay: one view takes a few turns of the loop."""

    def __init__(self) -> None:
        self.now = self.most = 0

    async def lying_in(self, _wanted: list[int], *, at: datetime) -> list[Spawn]:
        assert at.tzinfo is not None
        self.now += 1
        self.most = max(self.most, self.now)
        for _ in range(3):
            await asyncio.sleep(0)
        self.now -= 1
        return []


async def test_views_that_are_asked_for_at_once_take_turns():
    gameplay = Slices()
    doors: dict[str, Any] = dict.fromkeys(("about", "viewers", "world", "gateway", "following", "recent"))
    doors["gameplay"] = gameplay
    live = LiveMap(**doors, epoch="e", clock=SystemClock(), window_us=1_800_000_000, cell_level=15)
    found = await asyncio.gather(*(live.collectibles(VIEW) for _ in range(5)))
    assert [each.items.id for each in found] == [[]] * 5
    assert gameplay.most == 1
