"""Telemetry's loops, and the processor before the store of columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from overworld.app.loops import Loops
from overworld.domains.telemetry.wiring import TelemetryParts

if TYPE_CHECKING:
    from overworld.domains.telemetry.processing.processor import Processor


def run(loops: Loops, *, telemetry: TelemetryParts, processor: Processor | None) -> None:
    """Starts them; without a processor here, another server's does the work."""
    loops.run("telemetry-backlog", telemetry.intake.run)
    loops.run("telemetry-upkeep", telemetry.upkeep.run)
    if processor is not None:
        loops.run("telemetry-processor", processor.run)
