"""Telemetry's loops, and the processor before the store of columns."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from overworld.app.loops import Loops
from overworld.app.settings import Settings
from overworld.domains.telemetry.wiring import TelemetryParts, build_processor

if TYPE_CHECKING:
    from overworld.app.compose import House


def run(loops: Loops, *, telemetry: TelemetryParts) -> None:
    """Starts the loops of the way in."""
    loops.run("telemetry-backlog", telemetry.intake.run)
    loops.run("telemetry-upkeep", telemetry.upkeep.run)


@asynccontextmanager
async def processing(house: House, settings: Settings) -> AsyncIterator[None]:
    """Processes while the block runs, when that is this server's turn; else another server of the database does."""
    if not settings.telemetry.process:
        yield
        return
    processor = build_processor(
        database=house.database,
        clock=house.clock,
        columns=house.columns,
        room_level=settings.world.room_level,
        settings=settings.telemetry,
    )
    house.loops.run("telemetry-processor", processor.run)
    try:
        yield
    finally:
        await processor.close()
