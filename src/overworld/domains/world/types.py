"""What the world decides over: the game's rules of movement and of sight, the operator's settings, reasons of
refused fixes.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, Literal

from msgspec import Meta, Struct


class Reason(IntEnum):
    """Why a fix was refused, with its number in packed verdicts. Numbers and names are never reused or renamed."""

    NONE = 0
    TOO_FAST = 1
    TOO_ACCELERATED = 2
    TELEPORT = 3
    TIME_ORDER = 4
    TIME_FUTURE = 5
    TIME_STALE = 6
    INACCURATE = 7
    OUT_OF_RANGE = 8
    MOCK = 9
    ALTITUDE = 10

    @property
    def wire(self) -> str:
        """The reason as clients read it."""
        return self.name.lower()


MODES_MAX = 8
"""Travel modes of a game, at most."""

ModeName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]


class TravelMode(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `[movement.modes.NAME]`: how fast this way of travelling gets, and whether players earn by it."""

    speed_max_km_h: Annotated[float, Meta(gt=0, le=1_000)]
    acceleration_max_m_s2: Annotated[float, Meta(gt=0, le=1_000)] = 20.0
    earns: bool = True


class MovementRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `[movement]` of game.toml: how players of this game can move.

    A fix whose speed since the last good one is above `teleport_km_h` is a teleport, one above `speed_max_km_h` too
    fast. Who really moved goes on after `reanchor_fixes` consistent fixes over at least `reanchor_s` at the new place.
    With `modes` a player travels by the slowest one that covers its smoothed speed, the fastest one when none does;
    that mode's acceleration counts instead of the game's, and where it does not earn, no claim is judged by its fixes.
    """

    speed_max_km_h: Annotated[float, Meta(gt=0, le=1_000)] = 150.0
    acceleration_max_m_s2: Annotated[float, Meta(gt=0, le=1_000)] = 20.0
    teleport_km_h: Annotated[float, Meta(gt=0, le=100_000)] = 1_000.0
    accuracy_max_m: Annotated[float, Meta(gt=0, le=10_000)] = 100.0
    accuracy_unknown_m: Annotated[float, Meta(ge=0, le=10_000)] = 10.0
    altitude_min_m: Annotated[float, Meta(ge=-12_000, le=0)] = -500.0
    altitude_max_m: Annotated[float, Meta(ge=0, le=100_000)] = 10_000.0
    ahead_max_s: Annotated[float, Meta(ge=0, le=3_600)] = 5.0
    age_max_s: Annotated[float, Meta(gt=0, le=86_400)] = 120.0
    reanchor_fixes: Annotated[int, Meta(ge=2, le=1_000)] = 5
    reanchor_s: Annotated[float, Meta(ge=0, le=86_400)] = 600.0
    modes: Annotated[dict[ModeName, TravelMode], Meta(max_length=MODES_MAX)] = {}

    def __post_init__(self) -> None:
        if self.teleport_km_h < self.speed_max_km_h:
            raise ValueError("teleport_km_h must not be below speed_max_km_h")
        speeds = [mode.speed_max_km_h for mode in self.modes.values()]
        if max(speeds, default=0.0) > self.speed_max_km_h:
            raise ValueError("no mode's speed_max_km_h may be above that of all movement")
        if len(set(speeds)) < len(speeds):
            raise ValueError("two modes have the same speed_max_km_h")


class InterestRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `[interest]` of game.toml: what players get to see of each other.

    `radius_m` is how far around themselves players watch unless they ask for less or more; `visible_max` how many
    others one is told of, the nearest cells first. `strangers` are seen at the centre of a coarse cell, or exactly.
    `error_m` is how far off an entity may be in the eyes of a watcher before it is told of again; 0 tells every fix.
    """

    radius_m: Annotated[float, Meta(gt=0, le=3_000)] = 200.0
    visible_max: Annotated[int, Meta(ge=1, le=10_000)] = 200
    strangers: Literal["coarse", "exact"] = "coarse"
    error_m: Annotated[float, Meta(ge=0, le=100)] = 0.5


_SLICES_HZ = 400


class WorldSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the engine runs, what strangers see, and what is kept."""

    room_level: Annotated[int, Meta(ge=12, le=16, description="S2 level of the cells that players share")] = 15
    coarse_level: Annotated[int, Meta(ge=12, le=20, description="S2 level of the places that strangers see")] = 16
    distance_step_m: Annotated[
        float, Meta(ge=1, le=10_000, description="distances of strangers are rounded to this many metres")
    ] = 100.0
    sight_m: Annotated[
        float, Meta(ge=100, le=1_000_000, description="how far from its last fix a player may look around")
    ] = 3_000.0
    nearby_radius_max_m: Annotated[float, Meta(ge=100, le=10_000, description="widest radius of a nearby query")] = (
        5_000.0
    )
    seen_per_cell_max: Annotated[
        int, Meta(ge=1, le=10_000, description="players of one room cell that are shown to others")
    ] = 200
    players_max: Annotated[int, Meta(ge=1, le=10_000_000, description="players with a track in memory")] = 1_000_000
    inbox_max: Annotated[int, Meta(ge=1, le=1_000_000, description="fixes that may wait for the next pass")] = 65_536
    pass_gap_ms: Annotated[float, Meta(ge=0, le=1_000, description="pause between two verdict passes")] = 2.0
    pass_budget_ms: Annotated[float, Meta(gt=0, le=1_000, description="a longer pass is counted as over budget")] = 10.0
    interest_hz: Annotated[float, Meta(ge=1, le=60, description="how often a changed cell is published")] = 20.0
    interest_slices: Annotated[
        int, Meta(ge=0, le=400, description="parts in which a publication is spread out; 0: one every 2.5 ms")
    ] = 0
    fix_kept_s: Annotated[
        int, Meta(ge=60, le=3_600, description="how long a player without a new fix is seen, and its last fix counts")
    ] = 300
    track_kept_s: Annotated[
        int, Meta(ge=3_600, le=2_592_000, description="how long the next fix is judged against the last one")
    ] = 86_400
    share_fixes: Annotated[
        bool, Meta(description="share last fixes with other servers; always with `database.dsn`")
    ] = False
    share_every_ms: Annotated[int, Meta(ge=10, le=50, description="how far behind shared fixes may be")] = 30
    sample_m: Annotated[float, Meta(ge=1, le=10_000, description="metres between two `events.location.updated`")] = 25.0
    sample_s: Annotated[float, Meta(ge=1, le=86_400, description="seconds between two `events.location.updated`")] = (
        60.0
    )
    rejected_every_s: Annotated[
        float, Meta(ge=0, le=86_400, description="least time between two `events.movement.rejected` of one player")
    ] = 10.0
    observe_s: Annotated[
        float, Meta(ge=0, le=3_600, description="least seconds of a window of `events.movement.observed`; 0: none")
    ] = 60.0
    events_every_ms: Annotated[int, Meta(ge=10, le=60_000, description="how often movement events are written")] = 500
    events_waiting_max: Annotated[
        int, Meta(ge=1, le=1_000_000, description="movement events that may wait; more are counted and dropped")
    ] = 50_000
    fences_max: Annotated[int, Meta(ge=0, le=100_000, description="geofences that may be kept")] = 10_000
    fence_events_waiting_max: Annotated[
        int,
        Meta(
            ge=1, le=1_000_000, description="fence events, or fixes before them, that may wait until fixes are refused"
        ),
    ] = 50_000

    @property
    def slices(self) -> int:
        """The parts of a publication, as chosen or as fit."""
        return self.interest_slices or max(1, round(_SLICES_HZ / self.interest_hz))

    def __post_init__(self) -> None:
        if self.coarse_level < self.room_level:
            raise ValueError("coarse_level must not be below room_level")
