"""Which biome a place belongs to: computed from where it is and, for shares, from the secret of the spawns."""

from __future__ import annotations

from functools import lru_cache

from overworld.domains.gameplay.land import Land
from overworld.domains.gameplay.types import Biome, BiomeTable
from overworld.geo import cells
from overworld.kernel.chance import KeyedStream, keyed_digest

LEVEL = 10
"""The cells that have one biome each: about 10 km across, those of the bundled land."""
_COAST_RINGS = 2
_CELLS_KEPT_MAX = 65_536


class Biomes:
    """The biome of every cell, for one secret and one table; equal on every server. Asks nobody.

    `at` gives the place in `tables` of the first that fits, -1 where none does; what was asked last is kept.
    """

    def __init__(self, *, key: bytes, tables: tuple[BiomeTable, ...], land: Land | None) -> None:
        self._key = keyed_digest(key, b"gameplay.biomes")
        self._tables = tables
        self._land = land
        self._of = lru_cache(maxsize=_CELLS_KEPT_MAX)(self._computed)

    def at(self, cell: int) -> int:
        """The biome of a cell of level 10 or finer."""
        return self._of(cells.parent(cell, LEVEL)) if self._tables else -1

    def _computed(self, cell: int) -> int:
        latitude_deg = abs(cells.centre_deg(cell)[0])
        fitting = (place for place, one in enumerate(self._tables) if self._fits(one, cell, latitude_deg))
        return next(fitting, -1)

    def _fits(self, one: BiomeTable, cell: int, latitude_deg: float) -> bool:
        biome = one.biome
        return (
            biome.latitude_min_deg <= latitude_deg <= biome.latitude_max_deg
            and (biome.coast is None or biome.coast is self._is_coast(cell))
            and self._is_drawn(one.name, biome, cell)
        )

    def _is_coast(self, cell: int) -> bool:
        """Whether there is water off the marked land within two cells: the coast itself, and some 20 km behind it."""
        if self._land is None:
            return False
        around = ring = {cell}
        for _ in range(_COAST_RINGS):
            ring = {near for one in ring for near in cells.neighbours(one)} - around
            around = around | ring
        return not all(map(self._land.is_near, around))

    def _is_drawn(self, name: str, biome: Biome, cell: int) -> bool:
        if biome.share >= 1:
            return True
        drawn = cells.parent(cell, biome.share_level)
        return KeyedStream(self._key, name.encode(), drawn.to_bytes(8, "big")).uniform() < biome.share
