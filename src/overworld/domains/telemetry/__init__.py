"""Telemetry: what clients tell of what happened comes in here, and with every fact of the platform goes to the columns.

Owns the schema `telemetry`: `raw` (what came in, as it came), `step` (how far the processor is), `refused` (events that
could not be taken, with the reason), `secret` (what pseudonyms are made with) and `erasure` (who is to be erased).

Invariants: what was answered 202 is on disk; each event is handed to the columns once; one bad event never condemns its
batch; no name of a player leaves the processor, only its pseudonym. Before it would lose anything it answers 429.

Events in: every topic of the event log. It writes none.
"""

from typing import TYPE_CHECKING

from overworld.kernel.door import door

if TYPE_CHECKING:
    from overworld.domains.telemetry.erasing import Erasures
    from overworld.domains.telemetry.types import TelemetrySettings
    from overworld.domains.telemetry.wiring import SCHEMA, TelemetryParts, build
else:
    __getattr__ = door(
        __name__, erasing=["Erasures"], types=["TelemetrySettings"], wiring=["SCHEMA", "TelemetryParts", "build"]
    )

__all__ = ["SCHEMA", "Erasures", "TelemetryParts", "TelemetrySettings", "build"]
