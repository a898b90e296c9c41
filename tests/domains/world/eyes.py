"""What a client makes of frames of kind 3: a reading of docs/protocol.md that shares nothing with the server."""

from __future__ import annotations

import math
import struct
from typing import NamedTuple
from uuid import UUID

import numpy as np

from overworld.geo import cells as geo_cells

EARTH_RADIUS_M = 6_371_008.8
COAST_S = 4.0


class Sighting(NamedTuple):
    """An entity as a client was told of it last."""

    cell: int
    east: int
    north: int
    heading: int
    speed: int
    account: UUID
    told_ms: int


class Eyes:
    """The surroundings of one watcher. Refuses frames that do not follow from what was told before."""

    def __init__(self, unit_m: float = 0.01):
        self.unit_m = unit_m
        self.numbers: dict[int, int] = {}
        self.known: dict[int, Sighting] = {}
        self.bytes = 0

    def read(self, frame: bytes) -> None:
        kind, version, sections, now_ms = struct.unpack_from("<BBHI", frame)
        assert (kind, version) == (3, 1)
        assert sections > 0
        at = 8
        for _ in range(sections):
            at = self._section(frame, at, now_ms)
        assert at == len(frame)
        self.bytes += len(frame)

    def inside(self, cell: int) -> dict[int, Sighting]:
        return {id_: seen for id_, seen in self.known.items() if seen.cell == cell}

    def place(self, id_: int, now_ms: int):
        """The unit vector to where an entity is drawn."""
        seen = self.known[id_]
        moved_m = seen.speed * 0.2 * min(max((now_ms - seen.told_ms) / 1e3, 0.0), COAST_S)
        angle = seen.heading * math.tau / 256
        east = (seen.east * self.unit_m + moved_m * math.sin(angle)) / EARTH_RADIUS_M
        north = (seen.north * self.unit_m + moved_m * math.cos(angle)) / EARTH_RADIUS_M
        c, e, n = axes(seen.cell)
        return c * math.sqrt(1 - east**2 - north**2) + e * east + n * north

    def _section(self, frame: bytes, at: int, now_ms: int) -> int:
        cell, number, flags, entered, moved, left = struct.unpack_from("<QBBHHH", frame, at)
        at += 16
        if flags & 3:
            for id_ in self.inside(cell):
                del self.known[id_]
        if flags & 2:
            assert (entered, moved, left) == (0, 0, 0)
            del self.numbers[cell]
            return at
        if not flags & 1:
            assert entered + moved + left > 0, "a section that tells nothing"
            assert number == (self.numbers[cell] + 1) % 256, "something was left out"
        self.numbers[cell] = number
        for _ in range(left):
            [id_] = struct.unpack_from("<I", frame, at)
            at += 4
            if id_ in self.known and self.known[id_].cell == cell:
                del self.known[id_]
        for _ in range(entered):
            id_, east, north, heading, speed, account = struct.unpack_from("<IhhBB16s", frame, at)
            at += 26
            self.known[id_] = Sighting(cell, east, north, heading, speed, UUID(bytes=account), now_ms)
        for _ in range(moved):
            id_, east, north, heading, speed = struct.unpack_from("<IhhBB", frame, at)
            at += 10
            assert self.known[id_].cell == cell, "somebody moved who is not there"
            self.known[id_] = Sighting(cell, east, north, heading, speed, self.known[id_].account, now_ms)
        return at


def axes(cell: int):
    """The unit vectors of a cell: to its centre, and east and north there."""
    lat, lng = map(math.radians, geo_cells.centre_deg(cell))
    centre = np.array([math.cos(lat) * math.cos(lng), math.cos(lat) * math.sin(lng), math.sin(lat)])
    east = np.cross([0.0, 0.0, 1.0], centre)
    east /= np.linalg.norm(east)
    return centre, east, np.cross(centre, east)
