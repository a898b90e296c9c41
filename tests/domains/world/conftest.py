"""A running world on a clock that stands still, and a quick way to say where somebody is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from overworld.domains.world.engine.engine import warm
from overworld.domains.world.messages import FixReport
from overworld.domains.world.types import WorldSettings
from overworld.domains.world.wiring import WorldParts, build
from overworld.geo.sphere import destination_deg
from overworld.kernel.clock import FixedClock
from tests.audited import KeptTrail
from tests.domains.world.journeys import HOME

START = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


class Field:
    """A world without a database, its clock, what staff were seen to do, and players by number."""

    def __init__(self, parts: WorldParts, clock: FixedClock, trail: KeptTrail):
        self.parts = parts
        self.trail = trail
        self.world = parts.service
        self.clock = clock

    def report(self, east_m=0.0, *, place=None, at=None, accuracy_m=None, home: tuple[float, float] = HOME, **more):
        lat, lng = place or destination_deg(*home, 90.0, east_m)
        return FixReport(lat=lat, lng=lng, accuracy_m=accuracy_m, timestamp=at or self.clock.now(), **more)

    async def stand(self, player, east_m=0.0, **more):
        """The verdict on a player's fix so many metres east of home, now."""
        return await self.world.submit(UUID(int=player), self.report(east_m, **more))

    def wait(self, seconds):
        self.clock.advance(timedelta(seconds=seconds))


@pytest.fixture(scope="session", autouse=True)
def warm_kernels():
    """Kernels are compiled once, so that no test's own time holds it."""
    warm(WorldSettings())


@pytest.fixture
def open_field():
    """Makes a field, with other settings or parts if asked."""

    def made(*, database: Any = None, outbox: Any = None, sources=(), rules=None, **settings) -> Field:
        clock, trail = FixedClock(START), KeptTrail()
        parts = build(
            database=database,
            clock=clock,
            outbox=outbox,
            audit=trail,
            settings=WorldSettings(**settings),
            rules=rules,
            sources=sources,
        )
        return Field(parts, clock, trail)

    return made


@pytest.fixture
async def field(open_field):
    return open_field()
