"""What history keeps, and for how long."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, NamedTuple
from uuid import UUID

from msgspec import Meta, Struct

Precision = Literal["exact", "coarse", "none"]


class Sample(NamedTuple):
    """A fix as `world.location` keeps it; `cell` is the room cell as signed bits."""

    player_id: UUID
    recorded_at: datetime
    lat_deg: float
    lng_deg: float
    cell: int
    accuracy_m: float | None


class Span(NamedTuple):
    """From a moment on, to one before another."""

    start: datetime
    end: datetime


class HistorySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How exactly and how long places are kept. Servers that share a database must agree on it."""

    precision: Annotated[
        Precision,
        Meta(
            description="how places are kept: as they came, as centres of cells of `world.coarse_level`, or not at all"
        ),
    ] = "exact"
    fix_days: Annotated[
        int, Meta(ge=1, le=3_650, description="whole days of UTC that fixes are kept, besides today")
    ] = 7
    hour_days: Annotated[
        int, Meta(ge=1, le=36_500, description="days that counts of fixes and players by cell and hour are kept")
    ] = 400
    days_ahead: Annotated[int, Meta(ge=1, le=60, description="days for which partitions are made ahead")] = 3
    maintain_every_s: Annotated[
        float, Meta(ge=1, le=86_400, description="time between two rounds of making, counting and dropping days")
    ] = 3_600.0
    write_every_ms: Annotated[int, Meta(ge=10, le=60_000, description="how often fixes are written")] = 1_000
    waiting_max: Annotated[
        int, Meta(ge=1, le=10_000_000, description="fixes that may wait to be written; more are counted and dropped")
    ] = 100_000
