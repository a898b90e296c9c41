"""Fences from GeoJSON and back. Source: RFC 7946.

Two readings differ from its letter. Edges are the shortest way along the sphere, where it has straight lines of degrees
(a fence over the date line may be cut in two there, as it asks, or run past it). And which side of a ring is the inside
does not hang on the way it turns: it is the smaller one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from overworld.domains.world.fences.messages import FenceBody, Geometry, MultiPolygon, Point, Polygon
from overworld.domains.world.fences.shapes import BadShape, Drawn, drawn
from overworld.domains.world.fences.types import Declared, DwellS, Fault, FenceName, RadiusM, Shape

_WHERE_MARK = " - at `$"


class _Properties(Struct, frozen=True):
    """What is read of a feature's properties; others are ignored."""

    name: FenceName
    radius_m: RadiusM | None = None
    dwell_s: DwellS | None = None


class _Feature(Struct, frozen=True, tag="Feature"):
    """A feature; foreign members are ignored."""

    geometry: Geometry
    properties: _Properties


class Read(Struct, frozen=True):
    """A fence that was read: as declared, and drawn."""

    declared: Declared
    drawn: Drawn


def fence_of(body: FenceBody) -> Read | Fault:
    """The fence of a request, or what is wrong with it."""
    shape = _shape(body.geometry, body.radius_m)
    if isinstance(shape, Fault):
        return shape
    return checked(Declared(name=body.name, shape=shape, dwell_s=body.dwell_s), path="geometry")


def checked(declared: Declared, *, path: str) -> Read | Fault:
    """A declared fence with its shape drawn, or what is wrong with that."""
    try:
        return Read(declared, drawn(declared.shape))
    except BadShape as error:
        return Fault(path, str(error))


def fences_of(features: Sequence[dict[str, Any]]) -> Iterator[Read | Fault]:
    """Each feature as a fence, or what is wrong with it; paths begin with `features.` and its number from 0."""
    for i, feature in enumerate(features):
        read = _fence_of_feature(feature)
        yield Fault(f"features.{i}.{read.path}".rstrip("."), read.reason) if isinstance(read, Fault) else read


def geometry_of(shape: Shape) -> Geometry:
    """The shape as GeoJSON; its radius is not in it."""
    if not shape.polygons:
        return Point([shape.lng_deg, shape.lat_deg])
    if len(shape.polygons) == 1:
        return Polygon(shape.polygons[0])
    return MultiPolygon(shape.polygons)


def _fence_of_feature(feature: dict[str, Any]) -> Read | Fault:
    try:
        read = msgspec.convert(feature, _Feature)
    except msgspec.ValidationError as error:
        reason, _, where = str(error).partition(_WHERE_MARK)
        return Fault(where.rstrip("`").lstrip("."), reason)
    shape = _shape(read.geometry, read.properties.radius_m)
    if isinstance(shape, Fault):
        return Fault(shape.path.replace("radius_m", "properties.radius_m"), shape.reason)
    declared = Declared(name=read.properties.name, shape=shape, dwell_s=read.properties.dwell_s)
    return checked(declared, path="geometry")


def _shape(geometry: Geometry, radius_m: float | None) -> Shape | Fault:
    if isinstance(geometry, Point):
        if radius_m is None:
            return Fault("radius_m", "A point needs a radius")
        return Shape(lat_deg=geometry.coordinates[1], lng_deg=geometry.coordinates[0], radius_m=radius_m)
    if radius_m is not None:
        return Fault("radius_m", "Only a point has a radius")
    polygons = [geometry.coordinates] if isinstance(geometry, Polygon) else geometry.coordinates
    return Shape(polygons=[[[place[:2] for place in ring] for ring in polygon] for polygon in polygons])
