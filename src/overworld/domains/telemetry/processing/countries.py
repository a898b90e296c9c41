"""Which country a place lies in, without asking anybody.

`countries.bin` says it for each S2 cell of level 10, whose edges are about 8 km long: near a border it may be wrong by
as much. Waters near a coast count as the country's. Made by `script/build_countries.py`.
Source: Natural Earth 1:10m countries (public domain), from the npm package world-atlas 2.0.2.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np

from overworld.geo.columns import U64

LEVEL = 10
_FILE = Path(__file__).parent / "countries.bin"
_LEAVES_BITS = np.uint64(2 * (30 - LEVEL) + 1)


class Countries:
    """The countries of Earth by their cells. Read it once with `Countries.bundled`.

    `codes` are those of ISO 3166-1 alpha-2 (and XK for Kosovo), by their number.
    """

    def __init__(self, codes: list[str], *, starts: np.ndarray[Any, Any], numbers: np.ndarray[Any, Any]) -> None:
        self.codes = codes
        self._starts = starts
        self._numbers = numbers

    @classmethod
    def bundled(cls) -> Countries:
        """The countries that come with the product; about 10 ms."""
        head, count, columns = zlib.decompress(_FILE.read_bytes()).split(b"\n", 2)
        steps = np.frombuffer(columns, "<u4", int(count))
        numbers = np.frombuffer(columns, np.uint8, offset=steps.nbytes)
        return cls(head.decode().split(","), starts=np.cumsum(steps, dtype=np.int64), numbers=numbers)

    def numbers_of(self, cell: U64) -> np.ndarray[Any, np.dtype[np.int32]]:
        """The number of the country of each cell, (n,): a place in `codes`, or -1 at sea and where the cell is 0."""
        index = (cell >> _LEAVES_BITS).astype(np.int64)
        found = self._numbers[np.searchsorted(self._starts, index, "right") - 1].astype(np.int32) - 1
        found[cell == 0] = -1
        return found
