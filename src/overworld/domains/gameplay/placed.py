"""What was placed by hand and is open, will be, or has closed a while ago: in memory, by id and by cell."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heappop, heappush

from msgspec.structs import replace

from overworld.domains.gameplay.types import Spawn
from overworld.geo import cells


class Placed:
    """The placed collectibles that this server knows of, so that finding one asks nobody.

    News may come twice, late and in any order: closing is the only change there is, and what is closed stays so.
    """

    def __init__(self, *, cell_level: int) -> None:
        self.cell_level = cell_level
        self._by_id: dict[str, Spawn] = {}
        self._by_cell: dict[int, dict[str, Spawn]] = {}
        self._closing: list[tuple[int, str]] = []

    def __len__(self) -> int:
        return len(self._by_id)

    def find(self, id: str) -> Spawn | None:
        """The one of an id, open or not; None when none is known."""
        return self._by_id.get(id)

    def open_in(self, cell: int, *, at_us: int) -> list[Spawn]:
        """What is open at an instant in a cell of the spawn level."""
        here = self._by_cell.get(cell)
        return [one for one in here.values() if one.opens_us <= at_us < one.closes_us] if here else []

    def count_in(self, cell: int) -> int:
        """How many are known in a cell, open or not."""
        return len(self._by_cell.get(cell, ()))

    def put(self, news: Iterable[Spawn]) -> None:
        """Learns of some; of one that is known already, the earlier end counts."""
        for one in news:
            known = self._by_id.get(one.id)
            if known is not None and known.closes_us <= one.closes_us:
                continue
            told = self.here(one)
            self._by_id[one.id] = self._by_cell.setdefault(told.cell, {})[one.id] = told
            heappush(self._closing, (one.closes_us, one.id))

    def forget(self, *, closed_before_us: int) -> None:
        """Lets go of those that closed before an instant."""
        while self._closing and self._closing[0][0] < closed_before_us:
            _, closed_id = heappop(self._closing)
            one = self._by_id.pop(closed_id, None)
            if one is not None:
                here = self._by_cell[one.cell]
                del here[closed_id]
                if not here:
                    del self._by_cell[one.cell]

    def here(self, one: Spawn) -> Spawn:
        """The same in its spawn cell; its id names that of the level that was in force when it was placed."""
        if cells.level_of(one.cell) == self.cell_level:
            return one
        return replace(one, cell=cells.cell_of(one.lat_deg, one.lng_deg, self.cell_level))
