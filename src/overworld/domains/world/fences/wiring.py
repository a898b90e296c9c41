"""Puts the fences together for the world."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from litestar.handlers import HTTPRouteHandler

from overworld.domains.world.engine.engine import Engine
from overworld.domains.world.fences.consumers import fences_tail
from overworld.domains.world.fences.routes import routes
from overworld.domains.world.fences.service import Fences
from overworld.domains.world.fences.triggers import Triggers
from overworld.domains.world.fences.writing import Writer
from overworld.domains.world.types import WorldSettings
from overworld.kernel.clock import Clock
from overworld.kernel.events import Envelope
from overworld.kernel.ids import IdSource
from overworld.kernel.ports import AuditTrail, Outbox
from overworld.kernel.refusals import Busy, Fault
from overworld.platform.postgres import Database


class FenceParts:
    """What the fences contribute to the world. Load them after `on_events` is fed; stop them after the last pass."""

    def __init__(
        self, *, service: Fences, triggers: Triggers, writer: Writer, routes: list[HTTPRouteHandler], follows: bool
    ) -> None:
        self.service = service
        self.triggers = triggers
        self.writer = writer
        self.routes = routes
        self.on_events: Callable[[Sequence[Envelope]], Awaitable[None]] = fences_tail(
            book=service.book, triggers=triggers, follows=follows
        )

    async def load(self) -> None:
        """Reads every fence. Raises: Fault."""
        await self.service.book.follow()

    async def stop(self, *, within_s: float) -> None:
        """Writes what was seen. What cannot be written in time the next fix of each player makes up for."""
        with suppress(Fault, Busy, TimeoutError):  # what is lost the next fixes bring back
            async with asyncio.timeout(within_s):
                await self.triggers.settle()
        await self.triggers.stop()
        await self.writer.stop()


def build(
    *,
    engine: Engine,
    database: Database,
    clock: Clock,
    ids: IdSource,
    outbox: Outbox,
    audit: AuditTrail,
    settings: WorldSettings,
) -> FenceParts:
    """The fences of a world, none yet."""
    writer = Writer(
        database=database,
        outbox=outbox,
        clock=clock,
        waiting_max=settings.fence_events_waiting_max,
        follows=settings.share_fixes,
    )
    triggers = Triggers(
        engine=engine,
        database=database,
        writer=writer,
        waiting_max=settings.fence_events_waiting_max,
        fix_kept_s=settings.fix_kept_s,
    )
    service = Fences(
        database=database, clock=clock, ids=ids, outbox=outbox, audit=audit, fences_max=settings.fences_max
    )
    service.book.on_index = triggers.put
    triggers.follow = service.book.follow
    return FenceParts(
        service=service, triggers=triggers, writer=writer, routes=routes(service), follows=settings.share_fixes
    )
