"""What a fence is, as it is declared, and the bounds of its shape."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, TypeAlias
from uuid import UUID

from msgspec import Meta, Raw, Struct

VERTICES_MAX = 1_000
"""In one fence, all rings together."""
VERTICES_ALL_MAX = 250_000
"""In all fences together: what is read at the start of every server, and what is kept in memory, stays bounded."""
REACH_MAX_M = 5_000_000.0
"""How far from its middle a fence may reach: in between, the smaller side is always the inside."""
RADIUS_MIN_M = 1.0

FenceName: TypeAlias = Annotated[str, Meta(min_length=1, max_length=80)]
DwellS: TypeAlias = Annotated[int, Meta(ge=1, le=604_800, description="Seconds inside after which dwelling is told.")]
RadiusM: TypeAlias = Annotated[float, Meta(ge=RADIUS_MIN_M, le=REACH_MAX_M)]
Source: TypeAlias = Literal["admin", "game"]
Place: TypeAlias = list[float]
Ring: TypeAlias = list[Place]


class Fault(Struct, frozen=True):
    """What is wrong with a declaration, and where in it."""

    path: str
    reason: str


class Shape(Struct, frozen=True, kw_only=True):
    """A circle (`lat_deg`, `lng_deg`, `radius_m`), or polygons: each an outer ring and its holes.

    Rings are lists of [longitude, latitude] in degrees as in GeoJSON, open or closed, in either sense of rotation.
    Edges are the short way along great circles. `radius_m` is 0 for polygons, `polygons` empty for a circle.
    """

    lat_deg: float = 0.0
    lng_deg: float = 0.0
    radius_m: float = 0.0
    polygons: list[list[Ring]] = []


class Declared(Struct, frozen=True, kw_only=True):
    """A fence that was checked, before it is kept."""

    name: str
    shape: Shape
    dwell_s: int | None = None


class Fence(Struct, frozen=True, kw_only=True):
    """A fence as it is kept.

    `shape` is encoded (a `Shape`); `shape_number` grows when the shape changes, `revision` with every change; the
    middle is that of the circle, or of the vertices; nothing of the fence is farther from it than `reach_m`.
    """

    id: UUID
    name: str
    source: Source
    shape: Raw
    dwell_s: int | None
    shape_number: int
    revision: int
    lat_deg: float
    lng_deg: float
    reach_m: float
    vertices: int
    created_at: datetime
    updated_at: datetime
