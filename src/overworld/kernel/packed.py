"""Packed frames: how positions, verdicts and the surroundings of a player look as bytes. `docs/protocol.md` tells them.

Everything is little endian and unpadded. The first byte of a frame is its kind, 1 to 15; a MessagePack message never
begins so. Kind 3 is a header and then `cells` sections; a section is its head, then `left` ids, `entered` and `moved`.
"""

from __future__ import annotations

import math
import struct

import numpy as np

POSITIONS, VERDICTS, SURROUNDINGS = 1, 2, 3
KIND_MAX = 15
VERSION = 1

HEADER = struct.Struct("<BBH")
"""Kind, version, and how many records or, of kind 3, sections follow."""

POSITION = np.dtype(
    [
        ("time_us", "<i8"),
        ("lat_e7", "<i4"),
        ("lng_e7", "<i4"),
        ("accuracy_dm", "<u2"),
        ("speed_cm_s", "<u2"),
        ("heading_cdeg", "<u2"),
        ("flags", "<u2"),
    ]
)
"""A record of kind 1: a fix, by the client's clock in microseconds since 1970. `UNKNOWN` marks what is not known."""

UNKNOWN = 65_535
FLAG_MOCK, FLAG_ACK = 1, 2

VERDICT = np.dtype([("time_us", "<i8"), ("accepted", "u1"), ("reason", "u1"), ("spare", "<u2"), ("tick", "<u4")])
"""A record of kind 2: what became of the fix of that time; `reason` is 0 when it was accepted, `tick` the pass."""

SURROUNDINGS_HEADER = struct.Struct("<BBHI")
"""Kind 3, version, sections, and the server's clock in milliseconds modulo 2**32."""

SECTION = np.dtype(
    [("cell", "<u8"), ("number", "u1"), ("flags", "u1"), ("entered", "<u2"), ("moved", "<u2"), ("left", "<u2")]
)
"""The head of a section. `number` counts what was published of the cell, modulo 256."""

SECTION_WHOLE, SECTION_GONE = 1, 2
"""In `flags`: everybody in the cell, forget what was told before; the cell is no longer told of, forget it."""

LEFT = np.dtype([("id", "<u4")])
MOVED = np.dtype([("id", "<u4"), ("east", "<i2"), ("north", "<i2"), ("heading", "u1"), ("speed", "u1")])
ENTERED = np.dtype([*MOVED.descr, ("account", "V16")])
"""Offsets from the cell's centre in `offset_unit_m`; heading in 256ths of a turn from north over east; speed in
`SPEED_UNIT_M_S`, 0 also when it is not known."""

SPEED_UNIT_M_S = 0.2
COAST_S = 4.0
"""For so long a client moves an entity on by its speed and heading; then it stands until it is told of again."""

_FINE_LEVEL = 15


def offset_unit_m(level: int) -> float:
    """Metres in one unit of an offset in a cell of a level: 1 cm to level 15, twice as much for each coarser level."""
    return 0.01 * 2.0 ** max(0, _FINE_LEVEL - level)


def coasted_m(speed: int, elapsed_s: float) -> float:
    """How far an entity moves by itself in a time since it was told of, in metres."""
    return speed * SPEED_UNIT_M_S * min(max(elapsed_s, 0.0), COAST_S)


def heading_rad(heading: int) -> float:
    """Radians from north over east."""
    return heading * (2.0 * math.pi / 256)
