"""Telemetry's loops, and the processor before the store of columns."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from overworld.app.loops import Loops
from overworld.app.settings import Settings
from overworld.domains.telemetry.wiring import TelemetryParts, build_eraser, build_processor
from overworld.platform.observability import Metrics

if TYPE_CHECKING:
    from overworld.app.compose import House


_INTAKE = {
    "accepted": "Events that came in and are on disk.",
    "refused": "Events that were refused when they came in.",
    "sampled": "Events of sessions that are not among those kept (`telemetry.sampling`).",
    "put_off": "Requests told to come again, because there was no room or their player sends too much.",
}
_PROCESSED = {
    "kept": "Events handed to the columns.",
    "refused": "Events that the processor refused; `overworld events refused` shows them.",
    "repeated": "Events that were there already.",
    "sampled": "Events left out because their session is not among those kept.",
    "exposed": "Events that tell of a flag's variant.",
    "corrected": "Events whose time was corrected by their client's clock.",
}


def measure(metrics: Metrics, house: House) -> None:
    """Registers what there is to say of telemetry."""
    intake, processed = house.domains.telemetry.intake, house.domains.telemetry.processed
    for name, meaning in _INTAKE.items():
        metrics.count(f"overworld_telemetry_{name}", meaning, partial(getattr, intake, name))
    metrics.gauge(
        "overworld_telemetry_waiting_bytes", "Bytes of requests that wait for the disk.", lambda: intake.waiting_bytes
    )
    metrics.gauge(
        "overworld_telemetry_backlog_bytes",
        "Bytes that the processor has not come to, as this server saw it within 2 s.",
        lambda: intake.backlog_bytes,
    )
    for name, meaning in _PROCESSED.items():
        metrics.count(f"overworld_telemetry_processed_{name}", meaning, partial(processed.__getitem__, name))


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
        processed=house.domains.telemetry.processed,
    )
    eraser = build_eraser(
        database=house.database, clock=house.clock, columns=house.columns, settings=settings.telemetry
    )
    house.loops.run("telemetry-processor", processor.run)
    house.loops.run("telemetry-eraser", eraser.run)
    try:
        yield
    finally:
        await processor.close()
