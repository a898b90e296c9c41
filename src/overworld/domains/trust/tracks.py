"""Who walked an exact stretch of track first: how copies are told from walks that are alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from uuid import UUID

from msgspec import Struct

LIVE_US = 5_000_000
"""Within so long nobody can have copied a track: whoever walks it at the same time belongs together."""


class Walked(Struct, frozen=True, gc=False):
    """The first who walked a stretch: when on the track's own time, and when the server was told."""

    player_id: UUID
    at_us: int
    told_us: int


class Tracks:
    """Stretches by their signatures: those loaded from the table, and those new since, which `taken` hands over."""

    def __init__(self) -> None:
        self._known: dict[int, Walked] = {}
        self._new: dict[int, Walked] = {}

    def missing(self, shingles: Iterable[int]) -> list[int]:
        """Those that are not in memory, ascending, each once."""
        return sorted({one for one in shingles if one not in self._known})

    def load(self, known: Mapping[int, Walked]) -> None:
        """Adds what the table says. Who is held already stays."""
        self._known = {**known, **self._known}

    def first(self, shingle: int, walked: Walked) -> Walked:
        """Who walked it first: `walked` when nobody has before."""
        known = self._known.setdefault(shingle, walked)
        if known is walked:
            self._new[shingle] = walked
        return known

    def known(self, shingle: int) -> Walked | None:
        """Who walked it first, if anybody."""
        return self._known.get(shingle)

    def taken(self) -> dict[int, Walked]:
        """What is new since the last call, for the table."""
        new, self._new = self._new, {}
        return new

    def forget(self) -> None:
        """Empties the memory; the table is read again."""
        self._known.clear()
        self._new.clear()
