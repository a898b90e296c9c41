"""The shortest words for what happens in a world with fences, and for what the log says of it."""

from __future__ import annotations

from collections import defaultdict
from uuid import UUID

from overworld.domains.world.fences.consumers import ZONE_TOPICS
from overworld.domains.world.fences.messages import FenceBody, Point, ZoneEntered, ZoneLeft
from overworld.platform.eventlog import store as log_store
from overworld.platform.eventlog.types import START
from tests.audited import staff

STAFF = UUID(int=99)
BY = {"by": STAFF, "staff": staff(STAFF)}


class Fenced:
    """A world with fences, and the shortest words for what happens in it."""

    def __init__(self, field):
        self.field = field
        self.parts = field.parts.fences
        self.made = 0

    async def circle(self, *, east_m=0.0, radius_m=50.0, name="plaza", dwell_s=None):
        """The id of a new circle so far east of home."""
        self.made += 1
        answer = await self.parts.service.make(
            body(self.field, east_m=east_m, radius_m=radius_m, name=name, dwell_s=dwell_s), **BY, key=str(self.made)
        )
        return answer.value.id

    async def go(self, player, east_m, *, after_s=5.0, **more):
        """The types of the triggers of a player's next fix."""
        self.field.wait(after_s)
        verdict = await self.field.stand(player, east_m, **more)
        assert verdict.accepted, verdict.reason
        return [trigger.type for trigger in verdict.triggers]

    async def settle(self):
        await self.parts.triggers.settle()


def body(field, *, east_m=0.0, radius_m=50.0, name="plaza", dwell_s=None):
    at = field.report(east_m)
    return FenceBody(name=name, geometry=Point([at.lng, at.lat]), radius_m=radius_m, dwell_s=dwell_s)


async def logged(database, topics=ZONE_TOPICS):
    """All events of some topics in the log, in order."""
    async with database.read() as tx:
        batches = await log_store.read(tx, after=START, topics=frozenset(topics), batches_max=100_000)
    return [event.decode() for batch in batches for event in batch.events]


async def told(database):
    """The log as (topic without its beginning, player's number, reason)."""
    return [
        (event.topic.removeprefix("events.zone."), event.player_id.int, getattr(event, "reason", ""))
        for event in await logged(database)
    ]


def alternates(events):
    """Whether entered and left take turns for every player and fence, entered first."""
    inside: defaultdict[tuple[UUID, UUID], bool] = defaultdict(bool)
    for event in events:
        pair = (event.player_id, event.fence_id)
        if isinstance(event, ZoneEntered):
            if inside[pair]:
                return False
            inside[pair] = True
        elif isinstance(event, ZoneLeft):
            if not inside[pair]:
                return False
            inside[pair] = False
    return True
