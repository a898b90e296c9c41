"""Fences in a game's definition: the `[fences]` of game.toml, and a `fences.geojson` beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from overworld.domains.world.fences.messages import FeatureCollection
from overworld.domains.world.fences.types import Declared, DwellS, Fault, RadiusM, Ring, Shape

FILE_NAME = "fences.geojson"

Corner = Annotated[list[float], Meta(min_length=2, max_length=2)]
Corners = Annotated[list[Corner], Meta(min_length=3, max_length=1_001)]


class FenceRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `[fences.NAME]`: a circle by `lat`, `lng` and `radius_m`, or a `polygon` of [latitude, longitude] corners.

    A polygon may have `holes`. `polygons` is what several in one come to that were read from GeoJSON.
    """

    lat: Annotated[float, Meta(ge=-90, le=90)] | None = None
    lng: Annotated[float, Meta(ge=-180, le=180)] | None = None
    radius_m: RadiusM | None = None
    polygon: Corners | None = None
    holes: Annotated[list[Corners], Meta(max_length=300)] = []
    polygons: list[list[Corners]] = []
    dwell_s: DwellS | None = None

    def __post_init__(self) -> None:
        circle = [value is not None for value in (self.lat, self.lng, self.radius_m)]
        kinds = any(circle) + (self.polygon is not None) + bool(self.polygons)
        if kinds != 1 or (any(circle) and not all(circle)):
            raise ValueError("must have either lat, lng and radius_m, or a polygon")
        if self.holes and self.polygon is None:
            raise ValueError("has holes but no polygon")

    @property
    def shape(self) -> Shape:
        """The shape that is declared, drawn or not."""
        if self.lat is not None and self.lng is not None and self.radius_m is not None:
            return Shape(lat_deg=self.lat, lng_deg=self.lng, radius_m=self.radius_m)
        polygons = [[self.polygon, *self.holes]] if self.polygon is not None else self.polygons
        return Shape(polygons=[[_turned(ring) for ring in polygon] for polygon in polygons])


def problem_of(rules: FenceRules) -> str:
    """What is wrong with a declared shape; nothing when it can be drawn."""
    from overworld.domains.world.fences.shapes import BadShape, drawn  # noqa: PLC0415  # takes long to import

    try:
        drawn(rules.shape)
    except BadShape as error:
        return str(error)
    return ""


def declared(fences: Mapping[str, FenceRules]) -> list[Declared]:
    """The fences of a definition that was checked."""
    return [Declared(name=name, shape=rules.shape, dwell_s=rules.dwell_s) for name, rules in fences.items()]


def read(text: str) -> tuple[dict[str, FenceRules], list[Fault]]:
    """The fences of a GeoJSON collection by their names, and everything that is wrong with it."""
    from overworld.domains.world.fences.geojson import fences_of  # noqa: PLC0415  # takes long to import

    try:
        collection = msgspec.json.decode(text, type=FeatureCollection)
    except (msgspec.MsgspecError, RecursionError) as error:
        return {}, [Fault("", str(error))]
    fences: dict[str, FenceRules] = {}
    faults: list[Fault] = []
    for i, one in enumerate(fences_of(collection.features)):
        if isinstance(one, Fault):
            faults.append(one)
        elif one.declared.name in fences:
            faults.append(Fault(f"features.{i}.properties.name", f"there is a `{one.declared.name}` before"))
        else:
            fences[one.declared.name] = _rules(one.declared)
    return fences, faults


def beside(file: Path) -> Path | None:
    """The GeoJSON beside a game.toml, if there is one."""
    found = file.parent / FILE_NAME
    return found if found.exists() else None


def _rules(one: Declared) -> FenceRules:
    shape, more = one.shape, dict[str, Any](dwell_s=one.dwell_s)
    if not shape.polygons:
        return FenceRules(lat=shape.lat_deg, lng=shape.lng_deg, radius_m=shape.radius_m, **more)
    return FenceRules(polygons=[[_turned(ring) for ring in polygon] for polygon in shape.polygons], **more)


def _turned(ring: Ring) -> Ring:
    """Corners with latitude and longitude in the other order."""
    return [[place[1], place[0]] for place in ring]
