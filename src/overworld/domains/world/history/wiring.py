"""Puts the history together for the world."""

from __future__ import annotations

from litestar.handlers import HTTPRouteHandler
from msgspec import Struct

from overworld.domains.world.engine.players import Players
from overworld.domains.world.history.days import maintain
from overworld.domains.world.history.recorder import Recorder
from overworld.domains.world.history.routes import routes
from overworld.domains.world.history.service import History
from overworld.domains.world.history.types import HistorySettings
from overworld.domains.world.jobs import Job
from overworld.kernel.clock import Clock
from overworld.kernel.ports import AuditTrail, Outbox
from overworld.platform.postgres import Database


class HistoryParts(Struct, frozen=True, kw_only=True):
    """What history contributes to the world. Call `recorder.tell` after each pass, and write when it stops."""

    recorder: Recorder
    service: History
    routes: list[HTTPRouteHandler]
    jobs: list[Job]


def build(
    *,
    players: Players,
    database: Database,
    clock: Clock,
    outbox: Outbox,
    audit: AuditTrail,
    settings: HistorySettings,
    coarse_level: int,
) -> HistoryParts:
    """The history of a world's players."""
    recorder = Recorder(players=players, database=database, clock=clock, settings=settings, coarse_level=coarse_level)
    service = History(
        recorder=recorder,
        database=database,
        clock=clock,
        outbox=outbox,
        audit=audit,
        settings=settings,
        coarse_level=coarse_level,
    )

    async def keep_days() -> None:
        await maintain(database, now=clock.now(), settings=settings)

    return HistoryParts(
        recorder=recorder,
        service=service,
        routes=routes(service),
        jobs=[
            Job("world.write_history", settings.write_every_ms / 1_000, recorder.write),
            Job("world.maintain_history", settings.maintain_every_s, keep_days, at_once=True),
        ],
    )
