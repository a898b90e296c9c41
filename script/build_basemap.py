"""Makes `web/src/basemap.bin`, the live map's land and borders, from Natural Earth 1:10m.

Run it in the project's environment: `python script/build_basemap.py path/to/countries-10m.json`. The file is in the npm
package `world-atlas` 2.0.2 (ISC licence); the data is Natural Earth's, which is in the public domain.

The file is one row of numbers, each in as many bytes as it needs, seven bits to a byte, the low ones first: units per
degree; how many polygons, and of each how many rings; how many borders. A ring or border is its number of points, then
the first of them in units and the differences to each next one, longitude and latitude in turn, with the sign as the
lowest bit.

Lines are thinned to `TOLERANCE_DEG` arc by arc, so a border stays one line for both its countries. Land that runs over
the date line or a pole is cut there by `antimeridian`: a flat map draws it as it is.
"""

from __future__ import annotations

import json
import math
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import antimeridian
import numpy as np
from shapely.geometry import (  # type: ignore[import-untyped]
    LineString,
    MultiLineString,
    MultiPolygon,
    Polygon,
    shape,
)
from shapely.geometry.base import BaseGeometry  # type: ignore[import-untyped]

from overworld.geo.columns import F64

TOLERANCE_DEG = 0.007
UNITS_PER_DEG = 700
AREA_MIN_DEG2 = 0.0003
LAND_SHARE = 0.33
LOW_BITS = 0x7F
RING_MIN = 4
HALF_TURN_DEG = 180.0
TARGET = Path(__file__).parents[1] / "web/src/basemap.bin"

Rings = Sequence[Sequence[int]]


def arcs_of(topology: dict[str, Any]) -> list[F64]:
    """Every arc, thinned, float64 (n, 2): longitude, latitude in degrees. Source: TopoJSON 1.0."""
    scale, shift = (np.array(topology["transform"][name]) for name in ("scale", "translate"))
    whole = (np.cumsum(np.array(arc, np.float64), axis=0) * scale + shift for arc in topology["arcs"])
    return [np.array(LineString(arc).simplify(TOLERANCE_DEG).coords) for arc in whole]


def polygons_of(geometry: dict[str, Any]) -> list[Rings]:
    """The polygons of a TopoJSON geometry, each as rings of arc numbers."""
    if geometry["type"] == "GeometryCollection":
        return [polygon for part in geometry["geometries"] for polygon in polygons_of(part)]
    arcs: list[Rings] = geometry["arcs"]
    return [arcs] if geometry["type"] == "Polygon" else arcs  # type: ignore[list-item]  # a polygon is one level flatter


def ring_of(numbers: Sequence[int], arcs: list[F64]) -> F64:
    """A closed ring, outer ones counter-clockwise (world-atlas holds them the other way).

    `~i` is arc i backwards, and each arc begins where the one before it ended.
    """
    parts = [arcs[i] if i >= 0 else arcs[~i][::-1] for i in numbers]
    return np.concatenate([parts[0], *(part[1:] for part in parts[1:])])[::-1]


def land_of(topology: dict[str, Any], arcs: list[F64]) -> list[Polygon]:
    """The land as polygons that a flat map can fill; islands too small to be seen are left out."""
    land: list[Polygon] = []
    for rings in polygons_of(topology["objects"]["land"]):
        outer, *holes = (ring_of(numbers, arcs) for numbers in rings)
        if len(outer) < RING_MIN:
            continue
        whole = Polygon(outer, [hole for hole in holes if len(hole) >= RING_MIN])
        leaps = bool(np.any(np.abs(np.diff(outer[:, 0])) > HALF_TURN_DEG))
        fixed = shape(antimeridian.fix_shape(whole.__geo_interface__, fix_winding=False)) if leaps else whole.buffer(0)
        land += [part for part in _parts(fixed) if part.area > AREA_MIN_DEG2]
    return land


def borders_of(topology: dict[str, Any], arcs: list[F64]) -> list[LineString]:
    """The arcs that two countries share, as lines."""
    shared: Counter[int] = Counter()
    for country in topology["objects"]["countries"]["geometries"]:
        if country["type"] is not None:
            shared.update({i if i >= 0 else ~i for rings in polygons_of(country) for ring in rings for i in ring})
    lines = MultiLineString([arcs[i] for i, count in shared.items() if count > 1])
    return list(_parts(shape(antimeridian.fix_shape(lines.__geo_interface__))))


def steps_of(points: Any) -> list[int]:
    """A line as its number of points, then differences in units, signs folded in."""
    units = np.rint(np.array(points)[:, :2] * UNITS_PER_DEG).astype(np.int64)
    steps = np.diff(units, axis=0, prepend=0)
    steps = np.concatenate([steps[:1], steps[1:][np.any(steps[1:] != 0, axis=1)]])
    folded: list[int] = ((steps << 1) ^ (steps >> 63)).ravel().tolist()
    return [len(steps), *folded]


def packed(numbers: Iterable[int]) -> bytes:
    """Numbers of no sign, seven bits to a byte; the highest bit says that more follow."""
    out = bytearray()
    for number in numbers:
        rest = number
        while rest > LOW_BITS:
            out.append(rest & LOW_BITS | LOW_BITS + 1)
            rest >>= 7
        out.append(rest)
    return bytes(out)


def _parts(geometry: BaseGeometry) -> Iterator[Any]:
    yield from geometry.geoms if isinstance(geometry, MultiPolygon | MultiLineString) else [geometry]


def main() -> None:
    """Writes the map; fails when it is not Earth's."""
    topology = json.loads(Path(sys.argv[1]).read_text())
    arcs = arcs_of(topology)
    land, borders = land_of(topology, arcs), borders_of(topology, arcs)
    numbers = [UNITS_PER_DEG, len(land)]
    for part in land:
        numbers.append(1 + len(part.interiors))
        for ring in (part.exterior, *part.interiors):
            numbers += steps_of(ring.coords)
    numbers.append(len(borders))
    for line in borders:
        numbers += steps_of(line.coords)
    content = packed(numbers)
    TARGET.write_bytes(content)
    share = sum(part.area for part in land) / (360 * 180)
    sys.stdout.write(f"{TARGET}: {len(content)} bytes, {len(land)} pieces of land, {share:.1%} of the flat map\n")
    if not math.isclose(share, LAND_SHARE, abs_tol=0.01):
        raise SystemExit("that is not how much of a flat map is land")


if __name__ == "__main__":
    main()
