"""Where Earth's land is, coarsely: which cells lie on it or near its coasts.

`land.bin` holds the places on the Hilbert curve of level 10 where marked cells begin and end, in turn: differences as
little-endian uint32, compressed by zlib. Every cell that touches land is marked, and nothing in a marked cell is more
than 30 km off it; the map's Null Island at 0, 0 counts as land. Made by `script/build_land.py`.
Source: Natural Earth 1:10m land (public domain), from the npm package world-atlas 2.0.2.
"""

from __future__ import annotations

import zlib
from bisect import bisect_right
from pathlib import Path

import numpy as np

LEVEL = 10
_FILE = Path(__file__).parent / "land.bin"
_LEAVES_BITS = 2 * (30 - LEVEL) + 1


class Land:
    """The land of Earth. Read it once with `Land.bundled`."""

    def __init__(self, edges: list[int]) -> None:
        self._edges = edges

    @classmethod
    def bundled(cls) -> Land:
        """The land that comes with the product."""
        steps = np.frombuffer(zlib.decompress(_FILE.read_bytes()), "<u4")
        return cls(np.cumsum(steps, dtype=np.int64).tolist())

    def is_near(self, cell: int) -> bool:
        """Whether the centre of an S2 cell lies on land or near it."""
        return bisect_right(self._edges, index_of(cell)) % 2 == 1


def index_of(cell: int) -> int:
    """The place on the curve, from 0, of the cell of level 10 that holds the centre of a cell (or a corner by it)."""
    return cell >> _LEAVES_BITS
