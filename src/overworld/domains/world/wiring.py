"""Puts the world together for the app."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from litestar.handlers import HTTPRouteHandler

from overworld.domains.world.consumers import follow_choices
from overworld.domains.world.engine.engine import Engine
from overworld.domains.world.fences import wiring as fences_wiring
from overworld.domains.world.fences.wiring import FenceParts
from overworld.domains.world.history.wiring import HistoryParts
from overworld.domains.world.jobs import Job, jobs_of
from overworld.domains.world.ports import NearbySource
from overworld.domains.world.routes import routes
from overworld.domains.world.service import FixSharing, Hiding, MovementEvents, World
from overworld.domains.world.shares.wiring import SharesParts
from overworld.domains.world.types import InterestRules, MovementRules, WorldSettings
from overworld.domains.world.warming import warm
from overworld.kernel.clock import Clock
from overworld.kernel.events import Envelope
from overworld.kernel.ids import IdSource
from overworld.kernel.ports import AuditTrail, Outbox
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
        fences: FenceParts,
        jobs: Sequence[Job],
        settings: WorldSettings,
    ) -> None:
        self.service = service
        self.routes = routes
        self.events = events
        self.sharing = sharing
        self.hiding = hiding
        self.fences = fences
        self.history: HistoryParts | None = None
        self.shares: SharesParts | None = None
        self.jobs = tuple(jobs)
        self._settings = settings
        self._tasks: list[asyncio.Task[None]] = []

    def join(self, *, history: HistoryParts, shares: SharesParts) -> None:
        """Adds history and sharing, before the start; they ask domains that themselves ask the world."""
        self.history, self.shares = history, shares
        self.service.on_told = history.recorder.tell
        self.routes += [*history.routes, *shares.routes]
        self.jobs += (*history.jobs, *shares.jobs)

    async def on_events(self, events: Sequence[Envelope]) -> None:
        """Follows what players chose on other servers; for the log's tail."""
        await follow_choices(
            events,
            hiding=self.hiding,
            history=self.history.service if self.history else None,
            stream=self.shares.stream if self.shares else None,
        )

    async def load(self) -> None:
        """Reads who is invisible, and every fence. Raises: Fault."""
        await self.hiding.load()
        await self.fences.load()

    async def start(self) -> None:
        """Warms the kernels (a quarter of a minute at the very first start, else half a second) and starts the jobs.

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
        await self.fences.stop(within_s=_STOP_S)
        try:
            async with asyncio.timeout(_STOP_S):
                await self.events.write()
                if self.sharing is not None:
                    await self.sharing.write()
                if self.history is not None:
                    await self.history.recorder.write()
        except (Fault, TimeoutError):
            self.events.dropped += self.events.waiting
            if self.history is not None:
                self.history.recorder.give_up()


def build(
    *,
    database: Database,
    clock: Clock,
    outbox: Outbox,
    audit: AuditTrail,
    settings: WorldSettings | None = None,
    rules: MovementRules | None = None,
    interest: InterestRules | None = None,
    sources: Sequence[NearbySource] = (),
    ids: IdSource | None = None,
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
    fences = fences_wiring.build(
        engine=engine,
        database=database,
        clock=clock,
        ids=ids or IdSource(clock.now_us),
        outbox=outbox,
        audit=audit,
        settings=chosen,
    )
    service = World(
        engine=engine,
        events=events,
        sharing=sharing,
        clock=clock,
        loop=asyncio.get_running_loop(),
        triggers=fences.triggers,
        settings=chosen,
        sources=sources,
    )
    hiding = Hiding(world=service, database=database, outbox=outbox, clock=clock)
    jobs = jobs_of(
        world=service, events=events, sharing=sharing, triggers=fences.triggers, clock=clock, settings=chosen
    )
    return WorldParts(
        service=service,
        routes=[*routes(service, hiding), *fences.routes],
        events=events,
        sharing=sharing,
        hiding=hiding,
        fences=fences,
        jobs=jobs,
        settings=chosen,
    )
