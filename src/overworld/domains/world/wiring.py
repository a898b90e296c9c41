"""Puts the world together for the app."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from litestar.handlers import HTTPRouteHandler

from overworld.domains.world.consumers import visibility_tail
from overworld.domains.world.engine.engine import Engine, warm
from overworld.domains.world.jobs import Job, jobs_of
from overworld.domains.world.ports import NearbySource
from overworld.domains.world.routes import routes
from overworld.domains.world.service import FixSharing, Hiding, MovementEvents, World
from overworld.domains.world.types import InterestRules, MovementRules, WorldSettings
from overworld.kernel.clock import Clock
from overworld.kernel.events import Envelope
from overworld.kernel.ports import Outbox
from overworld.kernel.refusals import Fault
from overworld.platform.postgres import Database, Schema

SCHEMA = Schema(name="world", folder=Path(__file__).parent / "schema")
_STOP_S = 5.0


class WorldParts:
    """What the world contributes to the app.

    Load and start it before the ports open, load it after `on_events` is fed; stop it before the database closes.
    """

    def __init__(
        self,
        *,
        service: World,
        routes: list[HTTPRouteHandler],
        events: MovementEvents,
        sharing: FixSharing | None,
        hiding: Hiding,
        jobs: Sequence[Job],
        settings: WorldSettings,
    ) -> None:
        self.service = service
        self.routes = routes
        self.events = events
        self.sharing = sharing
        self.hiding = hiding
        self.on_events: Callable[[Sequence[Envelope]], Awaitable[None]] = visibility_tail(hiding)
        self.jobs = tuple(jobs)
        self._settings = settings
        self._tasks: list[asyncio.Task[None]] = []

    async def load(self) -> None:
        """Reads who is invisible. Raises: Fault."""
        await self.hiding.load()

    async def start(self) -> None:
        """Warms the kernels (seconds at the very first start, else half of one) and starts the jobs.

        In a thread, so that meanwhile signals are heard and nobody's time-out runs out.
        """
        await asyncio.to_thread(warm, self._settings)
        self._tasks = [asyncio.create_task(job.run(), name=job.name) for job in self.jobs]

    async def stop(self) -> None:
        """Judges what waits, ends the jobs, writes the last events and fixes. What cannot be written in 5 s is lost."""
        self.service.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        try:
            async with asyncio.timeout(_STOP_S):
                await self.events.write()
                if self.sharing is not None:
                    await self.sharing.write()
        except (Fault, TimeoutError):
            self.events.dropped += self.events.waiting


def build(
    *,
    database: Database,
    clock: Clock,
    outbox: Outbox,
    settings: WorldSettings | None = None,
    rules: MovementRules | None = None,
    interest: InterestRules | None = None,
    sources: Sequence[NearbySource] = (),
) -> WorldParts:
    """The world of a game, empty; call it inside the event loop that will run it."""
    chosen = settings or WorldSettings()
    engine = Engine(settings=chosen, movement=rules or MovementRules(), interest=interest)
    events = MovementEvents(
        engine=engine, database=database, outbox=outbox, clock=clock, waiting_max=chosen.events_waiting_max
    )
    sharing = (
        FixSharing(engine=engine, database=database, clock=clock, kept_s=chosen.fix_kept_s)
        if chosen.share_fixes
        else None
    )
    service = World(
        engine=engine,
        events=events,
        sharing=sharing,
        clock=clock,
        loop=asyncio.get_running_loop(),
        settings=chosen,
        sources=sources,
    )
    hiding = Hiding(world=service, database=database, outbox=outbox, clock=clock)
    jobs = jobs_of(world=service, events=events, sharing=sharing, settings=chosen)
    return WorldParts(
        service=service,
        routes=routes(service, hiding),
        events=events,
        sharing=sharing,
        hiding=hiding,
        jobs=jobs,
        settings=chosen,
    )
