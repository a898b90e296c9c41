"""Makes `src/overworld/domains/gameplay/land.bin` from the land of Natural Earth 1:10m.

Run it in the project's environment: `python script/build_land.py path/to/land-10m.json`. The file is in the npm package
`world-atlas` 2.0.2 (ISC licence); the data is Natural Earth's, which is in the public domain.

What it marks: every S2 cell of level 10 on land, and those that come within `MARGIN_M` of the middle of a cell of
level 11 that a coast runs through. Cells of these levels are at most 15.2 and 7.6 km across, so every cell that touches
land is marked, and nothing in a marked cell is more than 10.9 + 3.8 + 15.2 km, which is less than 30 km, off the land.
"""

from __future__ import annotations

import json
import math
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from overworld.domains.gameplay.land import LEVEL, index_of
from overworld.geo import cells
from overworld.geo.columns import F64, Bools

MARGIN_M = 10_900.0
SAMPLE_M = 2_000.0
SAMPLE_LEVEL = 11
HALF_TURN_DEG = 180.0
METRES_PER_DEGREE = 111_195.08
COVER_CELLS_MAX = 512
TARGET = Path(__file__).parents[1] / "src/overworld/domains/gameplay/land.bin"


def rings_of(topology: dict[str, Any]) -> list[F64]:
    """Every ring of the land, float64 (n, 2): longitude, latitude in degrees. Source: TopoJSON 1.0."""
    scale, shift = (np.array(topology["transform"][name]) for name in ("scale", "translate"))
    arcs = [np.cumsum(np.array(arc, np.float64), axis=0) * scale + shift for arc in topology["arcs"]]
    polygons = topology["objects"]["land"]["geometries"][0]["arcs"]
    return [
        np.concatenate([arcs[i] if i >= 0 else arcs[~i][::-1] for i in ring])
        for polygon in polygons
        for ring in polygon
    ]


def coast_samples(rings: list[F64]) -> set[int]:
    """Cells of level `SAMPLE_LEVEL` along every ring, none more than `SAMPLE_M` from the next."""
    found: set[int] = set()
    for ring in rings:
        leap = np.diff(ring, axis=0)
        leap[:, 0] = wrapped(leap[:, 0])
        counts = np.maximum(1, np.ceil(np.abs(leap).max(axis=1) * METRES_PER_DEGREE / SAMPLE_M)).astype(int)
        starts = np.repeat(np.arange(len(counts)), counts)
        part = (np.arange(len(starts)) - np.repeat(np.cumsum(counts) - counts, counts)) / counts[starts]
        points = ring[starts] + part[:, None] * leap[starts]
        found.update(cells.cells_of(np.clip(points[:, 1], -90, 90), points[:, 0], SAMPLE_LEVEL).tolist())
    return found


def wrapped(lng_deg: F64) -> F64:
    """Differences of longitude, the short way round: in [-180, 180)."""
    return (lng_deg + HALF_TURN_DEG) % (2 * HALF_TURN_DEG) - HALF_TURN_DEG


def near(samples: set[int]) -> Bools:
    """Which cells of `LEVEL` come within `MARGIN_M` of a sample."""
    marked = np.zeros(6 * 4**LEVEL, np.bool_)
    for sample in samples:
        for cell in cells.cover_cap(*cells.centre_deg(sample), MARGIN_M, LEVEL, COVER_CELLS_MAX):
            marked[index_of(cell)] = True
    return marked


def fill_inland(marked: Bools, rings: list[F64]) -> None:
    """Marks what lies inland. A cell without anything marked in it holds no coast: it is all land or all sea."""
    start, end = (np.concatenate([ring[part] for ring in rings]) for part in (slice(None, -1), slice(1, None)))
    strips = [np.flatnonzero(_spans(start[:, 0], end[:, 0], lng_deg)) for lng_deg in range(-180, 180)]
    marked_before = np.concatenate([[0], np.cumsum(marked)])

    def is_land(cell: int) -> bool:
        """Counts coasts on the meridian from here to the south pole, which is land."""
        lat_deg, lng_deg = cells.centre_deg(cell)
        strip = strips[math.floor(lng_deg + HALF_TURN_DEG) % 360]
        west, east = wrapped(start[strip, 0] - lng_deg), wrapped(end[strip, 0] - lng_deg)
        from_lat, to_lat = start[strip, 1], end[strip, 1]
        crosses = ((west < 0) != (east < 0)) & (np.abs(west - east) < HALF_TURN_DEG)
        at_lat = from_lat[crosses] + ((to_lat - from_lat) * west)[crosses] / (west - east)[crosses]
        return bool(np.count_nonzero(at_lat < lat_deg) % 2 == 0)

    waiting = [(face << 61) | (1 << 60) for face in range(6)]
    while waiting:
        cell = waiting.pop()
        below = 4 ** (LEVEL - cells.level_of(cell))
        first = index_of(cell) // below * below
        count = marked_before[first + below] - marked_before[first]
        if count == 0:
            marked[first : first + below] = is_land(cell)
        elif count < below:
            quarter = (cell & -cell) >> 2
            waiting += [cell + quarter * step for step in (-3, -1, 1, 3)]


def _spans(from_lng: F64, to_lng: F64, lng_deg: float) -> Bools:
    """Which segments touch the strip of one degree that begins at a longitude."""
    west, east = wrapped(from_lng - lng_deg - 0.5), wrapped(to_lng - lng_deg - 0.5)
    reach = np.minimum(np.abs(west), np.abs(east))
    touches: Bools = (reach <= 1.0) | ((west < 0) != (east < 0)) & (np.abs(west - east) < HALF_TURN_DEG)
    return touches


def main() -> None:
    """Writes where runs of marked cells begin and end, as little-endian uint32 differences, compressed."""
    rings = rings_of(json.loads(Path(sys.argv[1]).read_text()))
    marked = near(coast_samples(rings))
    fill_inland(marked, rings)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], marked, [False]]).astype(np.int8)))
    packed = zlib.compress(np.diff(edges, prepend=0).astype("<u4").tobytes(), 9)
    TARGET.write_bytes(packed)
    share = marked.mean()
    sys.stdout.write(f"{TARGET}: {len(packed)} bytes, {len(edges) // 2} runs, {share:.1%} of the cells\n")
    if not math.isclose(share, 0.36, abs_tol=0.08):
        raise SystemExit("that is not how much of Earth is land")


if __name__ == "__main__":
    main()
