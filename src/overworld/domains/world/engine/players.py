"""One slot per player: the columns of what is known of each, and the directory from identity to slot."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from overworld.domains.world.engine.nearest import ID_WORDS
from overworld.domains.world.rules import TRACK
from overworld.geo.columns import F64, I64, U8, U32

NO_SLOT = -1
_LOW_WORD = 2**64 - 1
_COLUMNS = ("tracks", "told", "id_words", "generation", "lat_deg", "lng_deg", "at_us", "seen_us", "unshared")

# What was last told about a player: the place of the last `events.location.updated` and the time of its fix, and when,
# by the server's clock, a refusal was last told and how many came since.
TOLD = np.dtype(
    [
        ("x", "<f8"),
        ("y", "<f8"),
        ("z", "<f8"),
        ("time_us", "<i8"),
        ("refused_us", "<i8"),
        ("refused_count", "<i8"),
    ]
)


class Players:
    """The slots. `tracks` and `told` are records; the columns are aligned with them, (slots,).

    `lat_deg`, `lng_deg` and `at_us` tell the last accepted fix, `at_us` by the server's clock (0 when there is none);
    `seen_us` when a fix last came, accepted or not; `unshared` marks what other servers have not been told;
    `id_words` are the two halves of the id.
    """

    def __init__(self, *, slots: int = 1_024, players_max: int = 1_000_000, on_grow: Callable[[int], None]) -> None:
        self.tracks: NDArray[np.void] = np.zeros(slots, TRACK)
        self.told: NDArray[np.void] = np.zeros(slots, TOLD)
        self.id_words: NDArray[np.void] = np.zeros(slots, ID_WORDS)
        self.generation: U32 = np.zeros(slots, np.uint32)
        self.lat_deg: F64 = np.zeros(slots)
        self.lng_deg: F64 = np.zeros(slots)
        self.at_us: I64 = np.zeros(slots, np.int64)
        self.seen_us: I64 = np.zeros(slots, np.int64)
        self.unshared: U8 = np.zeros(slots, np.uint8)
        self._ids: list[UUID | None] = [None] * slots
        self._slots: dict[UUID, int] = {}
        self._free = list(range(slots - 1, -1, -1))
        self._players_max = players_max
        self._on_grow = on_grow

    def __len__(self) -> int:
        return len(self._slots)

    def slot(self, player_id: UUID) -> int:
        """The player's slot, or -1 when nothing is known of it."""
        return self._slots.get(player_id, NO_SLOT)

    def id(self, slot: int) -> UUID:
        """Whose slot it is. Raises: LookupError when it is free."""
        player_id = self._ids[slot]
        if player_id is None:
            raise LookupError(f"slot {slot} is free")
        return player_id

    def admit(self, player_id: UUID, *, now_us: int) -> int:
        """The player's slot, a fresh one for a new player; -1 when there are too many players."""
        slot = self._slots.get(player_id)
        if slot is not None:
            return slot
        if not self._free:
            if len(self._ids) >= self._players_max:
                return NO_SLOT
            self._grow(min(2 * len(self._ids), self._players_max))
        slot = self._free.pop()
        self._slots[player_id] = slot
        self._ids[slot] = player_id
        self.id_words[slot] = player_id.int >> 64, player_id.int & _LOW_WORD
        self.seen_us[slot] = now_us
        return slot

    def forget(self, slot: int) -> None:
        """Frees a slot that is not in the index; fixes still queued for it will find another generation."""
        del self._slots[self.id(slot)]
        self._ids[slot] = None
        self._free.append(slot)
        self.generation[slot] += 1
        self.tracks[slot] = np.zeros((), TRACK)
        self.told[slot] = np.zeros((), TOLD)
        self.at_us[slot] = self.seen_us[slot] = self.unshared[slot] = 0

    def _grow(self, slots: int) -> None:
        before = len(self._ids)
        for name in _COLUMNS:
            column = getattr(self, name)
            setattr(self, name, np.concatenate([column, np.zeros(slots - before, column.dtype)]))
        self._ids += [None] * (slots - before)
        self._free.extend(range(slots - 1, before - 1, -1))
        self._on_grow(slots)
