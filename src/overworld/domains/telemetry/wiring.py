"""Puts telemetry together for the app."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from litestar.handlers import HTTPRouteHandler
from msgspec import Struct

from overworld.domains.telemetry.erasing import Eraser, Erasures
from overworld.domains.telemetry.intake import Intake
from overworld.domains.telemetry.processing.processor import Processor
from overworld.domains.telemetry.routes import routes
from overworld.domains.telemetry.types import TelemetrySettings
from overworld.domains.telemetry.upkeep import Upkeep
from overworld.kernel.clock import Clock
from overworld.kernel.ports import Limiter, TokenVerifier
from overworld.platform.postgres import Database, Schema

if TYPE_CHECKING:
    from overworld.platform.columns import ErasableColumns, EventColumns

SCHEMA = Schema(name="telemetry", folder=Path(__file__).parent / "schema")


class TelemetryParts(Struct, frozen=True, kw_only=True):
    """What telemetry contributes to the app; `intake` and `upkeep` have loops to run.

    `processed` counts what becomes of events in the processor of this server; `erasures` asks for players to be erased.
    """

    erasures: Erasures
    intake: Intake
    processed: Counter[str]
    upkeep: Upkeep
    routes: list[HTTPRouteHandler]


def build(
    *, database: Database, clock: Clock, limiter: Limiter, verifier: TokenVerifier, settings: TelemetrySettings
) -> TelemetryParts:
    """The way in, on a migrated database."""
    intake = Intake(database=database, clock=clock, limiter=limiter, settings=settings)
    return TelemetryParts(
        erasures=Erasures(clock=clock),
        intake=intake,
        processed=Counter(),
        upkeep=Upkeep(database=database, clock=clock, settings=settings),
        routes=routes(intake, verifier=verifier, settings=settings),
    )


def build_processor(
    *,
    database: Database,
    clock: Clock,
    columns: EventColumns,
    room_level: int,
    settings: TelemetrySettings,
    processed: Counter[str] | None = None,
) -> Processor:
    """The processor, before a store of columns; it has a loop to run, and counts in `processed`."""
    return Processor(
        database=database,
        clock=clock,
        columns=columns,
        room_level=room_level,
        settings=settings,
        processed=Counter() if processed is None else processed,
    )


def build_eraser(*, database: Database, clock: Clock, columns: ErasableColumns, settings: TelemetrySettings) -> Eraser:
    """What hands erasures to a store of columns; it has a loop to run."""
    return Eraser(database=database, clock=clock, columns=columns, remember_days=settings.erased_days)
