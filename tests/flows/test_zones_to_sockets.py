"""What players' fixes set off at fences reaches the player alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from overworld.domains.world.fences.messages import ZoneCrossed, ZoneEntered, ZoneLeft
from overworld.flows.zones_to_sockets import ZonesToSockets
from overworld.kernel.clock import rfc3339
from overworld.kernel.events import enclose


class Heard:
    """A socket door that writes down what it is told."""

    def __init__(self) -> None:
        self.published: list[tuple[str, Any]] = []

    def publish(self, channel: str, message: Struct | bytes, *, except_account: UUID | None = None) -> None:
        self.published.append((channel, msgspec.to_builtins(message)))


async def test_the_players_own_channel_gets_what_happened_at_the_fence(ids, clock):
    heard, ann, fence, at = Heard(), ids(), ids(), clock.now()
    later = at + timedelta(minutes=1)
    common = {"player_id": ann, "fence_id": fence, "name": "plaza"}
    events = [
        ZoneEntered(**common, at=at),
        ZoneLeft(**common, at=later, entered_at=at, reason="deleted"),
        ZoneCrossed(**common, at=at),
    ]
    await ZonesToSockets(heard).handle([enclose(event, id=ids(), at=at) for event in events])
    about = {"fence_id": str(fence), "name": "plaza", "at": rfc3339(at)}
    left = about | {"at": rfc3339(later), "entered_at": rfc3339(at), "reason": "deleted"}
    assert heard.published == [
        (f"user:{ann}", {"type": f"zone.{what}", "data": data})
        for what, data in (("entered", about), ("left", left), ("crossed", about))
    ]
