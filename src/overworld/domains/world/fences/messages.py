"""What fences tell, and how they are declared and shown over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, TypeAlias
from uuid import UUID

from msgspec import Meta, Struct

from overworld.domains.world.fences.types import DwellS, FenceName, RadiusM, Source
from overworld.kernel.events import Event

FEATURES_MAX = 10_000
Position: TypeAlias = Annotated[list[float], Meta(min_length=2, max_length=3)]
LineRing: TypeAlias = Annotated[list[Position], Meta(min_length=3, max_length=1_001)]
PolygonRings: TypeAlias = Annotated[list[LineRing], Meta(min_length=1, max_length=300)]


class Point(Struct, frozen=True, tag="Point", forbid_unknown_fields=True):
    """GeoJSON's point: [longitude, latitude] in degrees."""

    coordinates: Position


class Polygon(Struct, frozen=True, tag="Polygon", forbid_unknown_fields=True):
    """GeoJSON's polygon: the outer ring, then its holes."""

    coordinates: PolygonRings


class MultiPolygon(Struct, frozen=True, tag="MultiPolygon", forbid_unknown_fields=True):
    """GeoJSON's polygons in one."""

    coordinates: Annotated[list[PolygonRings], Meta(min_length=1, max_length=300)]


Geometry: TypeAlias = Point | Polygon | MultiPolygon


class FenceBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fence as it is declared: a point with `radius_m` is a circle; polygons have none.

    Rings may be open or closed and turn either way; edges are the shortest way along the sphere.
    """

    name: FenceName
    geometry: Geometry
    radius_m: RadiusM | None = None
    dwell_s: DwellS | None = None


class FenceShown(Struct, frozen=True, kw_only=True):
    """A fence as it is kept. Nothing of it is farther than `reach_m` from its middle."""

    id: UUID
    name: str
    geometry: Geometry
    radius_m: float | None
    dwell_s: int | None
    source: Source
    revision: int
    lat: float
    lng: float
    reach_m: float
    created_at: str
    updated_at: str


class FencesImported(Struct, frozen=True, kw_only=True):
    """The ids of the fences that were made, in the order of the features."""

    ids: list[UUID]


class FeatureCollection(Struct, frozen=True, kw_only=True):
    """GeoJSON's collection (RFC 7946). Each feature is read by itself; foreign members are ignored."""

    type: Literal["FeatureCollection"]
    features: Annotated[list[dict[str, Any]], Meta(min_length=1, max_length=FEATURES_MAX)]


class ZoneEntered(Event, frozen=True, kw_only=True):
    """A player came into a fence, by the fix of `at`. For each player and fence, entered and left take turns."""

    topic: ClassVar[str] = "events.zone.entered"

    player_id: UUID
    fence_id: UUID
    name: str
    at: datetime

    @property
    def key(self) -> str:
        return str(self.player_id)


class ZoneLeft(Event, frozen=True, kw_only=True):
    """A player is in a fence no more.

    `reason` says why: the player `moved`, or the fence was given another shape (`changed`) or `deleted`.
    """

    topic: ClassVar[str] = "events.zone.left"

    player_id: UUID
    fence_id: UUID
    name: str
    at: datetime
    entered_at: datetime
    reason: Literal["moved", "changed", "deleted"] = "moved"

    @property
    def key(self) -> str:
        return str(self.player_id)


class ZoneCrossed(Event, frozen=True, kw_only=True):
    """A player went through a fence between two fixes, in and out, with neither of them inside."""

    topic: ClassVar[str] = "events.zone.crossed"

    player_id: UUID
    fence_id: UUID
    name: str
    at: datetime

    @property
    def key(self) -> str:
        return str(self.player_id)


class ZoneDwelt(Event, frozen=True, kw_only=True):
    """A player has been in a fence for its `dwell_s`: `at` is when that was found. At most one for each stay."""

    topic: ClassVar[str] = "events.zone.dwelt"

    player_id: UUID
    fence_id: UUID
    name: str
    at: datetime
    entered_at: datetime
    dwell_s: int

    @property
    def key(self) -> str:
        return str(self.player_id)


class FencesChanged(Event, frozen=True, kw_only=True):
    """Fences were made, changed or deleted. Every server hears of it and reads what is kept."""

    topic: ClassVar[str] = "events.fences.changed"

    made: int = 0
    changed: int = 0
    deleted: int = 0
    changed_by: UUID | None = None

    @property
    def key(self) -> str:
        return "fences"
