"""The search for the nearest players: keeps what the kernels write into, and puts their answer into Python's hands."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any
from uuid import UUID

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from overworld.domains.world.engine import nearest
from overworld.domains.world.engine.cell_index import Cells
from overworld.domains.world.engine.nearest import FOUND, ID_CHARACTERS, Asked, Scratch
from overworld.domains.world.types import InterestRules, WorldSettings
from overworld.geo import kernels as geo_kernels
from overworld.geo.columns import F64, U8, U64
from overworld.geo.compiled import entry_of

FIRST = (-1.0, "")
_FROM_FIRST = (-1.0, np.uint64(0), np.uint64(0))
CELLS_MAX = 32_768
_LIMIT_FIRST = 256
_IDS = 2**128
_LOW_WORD = 2**64 - 1


class Near(Struct, frozen=True):
    """The nearest players at the places that others may see, in the order of (rounded distance, id), aligned, (n,)."""

    id: list[str]
    lat_deg: list[float]
    lng_deg: list[float]
    distance_m: list[float]


class Search:
    """Looks for the nearest. Strangers at coarse places have distances in the operator's steps, exact ones in 0.1 m."""

    def __init__(self, *, settings: WorldSettings, interest: InterestRules) -> None:
        self._level = settings.room_level
        self._per_cell_max = settings.seen_per_cell_max
        exact = interest.strangers == "exact"
        self._step_m, self._per_step = (1.0, 10.0) if exact else (float(settings.distance_step_m), 1.0)
        self._scratch = Scratch(np.empty(CELLS_MAX, np.uint64), np.empty(CELLS_MAX), np.empty(CELLS_MAX, np.int64))
        self._fill_nearest: Callable[[Cells, U64, Asked, Scratch, NDArray[Any]], int] | None = None
        self._tell_found: Callable[[Cells, NDArray[Any], int, F64, F64, U8], None] = nearest.tell_found
        self._make_room(_LIMIT_FIRST)

    def around(
        self,
        cells: Cells,
        id_words: U64,
        place: tuple[float, float],
        radius_m: float,
        *,
        limit: int,
        viewer: int,
        after: tuple[float, str],
    ) -> Near:
        """The first players but the viewer within a radius of a place, in degrees, after a (distance, id).

        Raises: ValueError when more than 32,768 room cells meet the disc.
        """
        if limit > self._found.size:
            self._make_room(limit)
        asked = self._asked(place, radius_m, viewer=viewer, after=after)
        found = self._found[:limit]
        if self._fill_nearest is None:
            told = (cells, self._found, 0, self._lat_deg, self._lng_deg, self._text)
            self._tell_found = entry_of(nearest.tell_found, *told)
            self._fill_nearest = entry_of(nearest.fill_nearest, cells, id_words, asked, self._scratch, found)
        count = self._fill_nearest(cells, id_words, asked, self._scratch, found)
        if not count:
            return Near([], [], [], [])
        if count < 0:
            raise ValueError(f"more than {CELLS_MAX} cells of level {self._level} meet a disc of {radius_m} m")
        self._tell_found(cells, self._found, count, self._lat_deg, self._lng_deg, self._text)
        text = self._text[: count * ID_CHARACTERS].tobytes().decode("ascii")
        return Near(
            id=[text[at : at + ID_CHARACTERS] for at in range(0, len(text), ID_CHARACTERS)],
            lat_deg=self._lat_deg[:count].tolist(),
            lng_deg=self._lng_deg[:count].tolist(),
            distance_m=self._found["distance_m"][:count].tolist(),
        )

    def _asked(self, place: tuple[float, float], radius_m: float, *, viewer: int, after: tuple[float, str]) -> Asked:
        x, y, z = geo_kernels.unit_xyz(float(place[0]), float(place[1]))
        from_m, from_high, from_low = _from(after)
        return Asked(
            x=x,
            y=y,
            z=z,
            radius_m=float(radius_m),
            level=self._level,
            per_cell_max=self._per_cell_max,
            viewer=viewer,
            step_m=self._step_m,
            per_step=self._per_step,
            from_m=from_m,
            from_high=from_high,
            from_low=from_low,
        )

    def _make_room(self, limit: int) -> None:
        self._found: NDArray[Any] = np.zeros(limit, FOUND)
        self._lat_deg: F64 = np.empty(limit)
        self._lng_deg: F64 = np.empty(limit)
        self._text: U8 = np.empty(limit * ID_CHARACTERS, np.uint8)


def _from(after: tuple[float, str]) -> tuple[float, np.uint64, np.uint64]:
    """Where the entries after a (distance, id) begin: a distance, and the two words of an id."""
    if after == FIRST:
        return _FROM_FIRST
    from_m, from_id = float(after[0]), _first_id_after(after[1])
    if from_id == _IDS:
        from_m, from_id = math.nextafter(from_m, math.inf), 0
    return from_m, np.uint64(from_id >> 64), np.uint64(from_id & _LOW_WORD)


def _first_id_after(text: str) -> int:
    """The number of the first UUID whose text comes after another text, which may be none; 2**128 when none does."""
    if not text:
        return 0
    low, high = 0, _IDS
    while low < high:
        middle = (low + high) // 2
        if str(UUID(int=middle)) > text:
            high = middle
        else:
            low = middle + 1
    return low
