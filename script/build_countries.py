"""Makes `src/overworld/domains/telemetry/processing/countries.bin` from the countries of Natural Earth 1:10m.

Run it in the project's environment: `python script/build_countries.py path/to/countries-10m.json path/to/codes.json`.
The first file is in the npm package `world-atlas` 2.0.2 (ISC licence); the data is Natural Earth's, which is in the
public domain. The second, the codes of ISO 3166-1, is in `i18n-iso-countries` 7.14.0 (MIT licence).

Each S2 cell of level 10 has the country that its centre lies in; two cells out to sea have the country of a neighbour.
Cells of that level are at most 15.2 km across, so near a border the country may be wrong by about 8 km. Borders are
drawn as Natural Earth draws them: as they are held, whoever claims them.
"""

from __future__ import annotations

import json
import sys
import zlib
from pathlib import Path
from typing import Any

import antimeridian
import numpy as np
import shapely  # type: ignore[import-untyped]
from build_basemap import polygons_of, ring_of  # type: ignore[import-not-found]  # it lies beside this file

from overworld.domains.telemetry.processing.countries import LEVEL
from overworld.geo import cells
from overworld.geo.columns import F64

SEA_CELLS = 2
RING_MIN = 4
HALF_TURN_DEG = 180.0
LEAVES_BITS = 2 * (30 - LEVEL) + 1
TARGET = Path(__file__).parents[1] / "src/overworld/domains/telemetry/processing/countries.bin"
# What Natural Earth draws on its own and ISO 3166-1 does not know: whose it is by ISO; Kosovo by its usual code.
UNNUMBERED = {
    "Akrotiri": "GB",
    "Baikonur": "KZ",
    "Cyprus U.N. Buffer Zone": "CY",
    "Dhekelia": "GB",
    "Indian Ocean Ter.": "AU",
    "Coral Sea Is.": "AU",
    "Clipperton I.": "FR",
    "Kosovo": "XK",
    "N. Cyprus": "CY",
    "Somaliland": "SO",
    "USNB Guantanamo Bay": "CU",
}


def parts_of(country: dict[str, Any], arcs: list[F64]) -> list[Any]:
    """The polygons of a country, cut where they run over the date line or a pole."""
    parts: list[Any] = []
    for rings in polygons_of(country):
        outer, *holes = (ring_of(numbers, arcs) for numbers in rings)
        if len(outer) < RING_MIN:
            continue
        whole = shapely.Polygon(outer, [hole for hole in holes if len(hole) >= RING_MIN])
        if np.any(np.abs(np.diff(outer[:, 0])) > HALF_TURN_DEG):
            whole = shapely.geometry.shape(antimeridian.fix_shape(whole.__geo_interface__, fix_winding=False))
        parts += list(shapely.get_parts(shapely.make_valid(whole)))
    return [part for part in parts if part.geom_type == "Polygon"]


def centres() -> tuple[F64, F64]:
    """Latitude and longitude of every cell of `LEVEL`, in order of the curve."""
    places = [cells.centre_deg(i << LEAVES_BITS | 1 << (LEAVES_BITS - 1)) for i in range(6 * 4**LEVEL)]
    found = np.array(places)
    return found[:, 0], (found[:, 1] + HALF_TURN_DEG) % (2 * HALF_TURN_DEG) - HALF_TURN_DEG


def paint(topology: dict[str, Any], alpha2: dict[str, str]) -> tuple[list[str], np.ndarray[Any, np.dtype[np.uint8]]]:
    """The codes in use, from number 1 on, and the number of each cell's country; 0 for none."""
    scale, shift = (np.array(topology["transform"][name]) for name in ("scale", "translate"))
    arcs = [np.cumsum(np.array(arc, np.float64), axis=0) * scale + shift for arc in topology["arcs"]]
    lat_deg, lng_deg = centres()
    order = np.argsort(lat_deg)
    sorted_lat = lat_deg[order]
    codes: list[str] = []
    painted = np.zeros(len(lat_deg), np.uint8)
    small: list[tuple[int, int]] = []
    for country in topology["objects"]["countries"]["geometries"]:
        code = alpha2.get(country.get("id", ""), UNNUMBERED.get(country["properties"]["name"], ""))
        if not code:
            continue
        if code not in codes:
            codes.append(code)
        for part in parts_of(country, arcs):
            west, south, east, north = part.bounds
            near = order[np.searchsorted(sorted_lat, south) : np.searchsorted(sorted_lat, north, "right")]
            near = near[(lng_deg[near] >= west) & (lng_deg[near] <= east)]
            shapely.prepare(part)
            inside = near[shapely.contains_xy(part, lng_deg[near], lat_deg[near])]
            painted[inside] = codes.index(code) + 1
            if not len(inside):
                spot = part.representative_point()
                small.append((cells.cell_of(spot.y, spot.x, LEVEL) >> LEAVES_BITS, codes.index(code) + 1))
    for index, number in small:  # an island smaller than a cell has the cell; a state inside another one does not
        if painted[index] == 0:
            painted[index] = number
    return codes, painted


def spread(painted: np.ndarray[Any, np.dtype[np.uint8]]) -> None:
    """Gives cells at sea the country of a neighbour, `SEA_CELLS` cells out."""
    for _ in range(SEA_CELLS):
        before = painted.copy()
        ashore = np.flatnonzero(before)
        for index in ashore.tolist():
            for other in cells.neighbours(index << LEAVES_BITS | 1 << (LEAVES_BITS - 1)):
                if before[other >> LEAVES_BITS] == 0:
                    painted[other >> LEAVES_BITS] = before[index]


def main() -> None:
    """Writes the codes, and where runs of cells of one country begin: differences and numbers, compressed."""
    topology = json.loads(Path(sys.argv[1]).read_text())
    alpha2 = {numeric: alpha for alpha, _, numeric, _ in json.loads(Path(sys.argv[2]).read_text())}
    codes, painted = paint(topology, alpha2)
    spread(painted)
    starts = np.concatenate([[0], np.flatnonzero(np.diff(painted.astype(np.int16))) + 1])
    head = ",".join(codes).encode()
    steps = np.diff(starts, prepend=0).astype("<u4").tobytes()
    packed = zlib.compress(b"\n".join([head, b"%d" % len(starts), steps + painted[starts].tobytes()]), 9)
    TARGET.write_bytes(packed)
    sys.stdout.write(f"{TARGET}: {len(packed)} bytes, {len(codes)} countries, {len(starts)} runs\n")


if __name__ == "__main__":
    main()
