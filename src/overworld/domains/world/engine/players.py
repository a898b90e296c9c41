"""One slot per player: the columns of what is known of each, and the directory from identity to slot."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from overworld.domains.world.engine.observing import TRAIL, WINDOW
from overworld.domains.world.rules import TRACK
from overworld.geo.columns import F64, I32, I64, U8, U32

NO_SLOT = -1

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


_COLUMNS = (
    "tracks", "told", "trails", "windows", "generation", "lat_deg", "lng_deg", "at_us", "room", "seen_us", "unshared",
    "reporters", "hidden", "account",
)  # fmt: skip
_ACCOUNT_WORDS = 8


class Players:
    """The slots. `tracks`, `told`, `trails` and `windows` are records; the columns are aligned with them, (slots,).

    `lat_deg`, `lng_deg` and `at_us` tell the last accepted fix, `at_us` by the server's clock (0 when there is none);
    `room` the room cell it lies in, as bits (0 when there is none); `seen_us` when a fix last came, accepted or not;
    `unshared` marks what other servers have not been told; `reporters` counts those who report for the player;
    `hidden` marks those whom others may not see. Who is hidden stays so when its slot is given away.
    """

    def __init__(self, *, slots: int = 1_024, players_max: int = 1_000_000, on_grow: Callable[[int], None]) -> None:
        self.tracks: NDArray[np.void] = np.zeros(slots, TRACK)
        self.told: NDArray[np.void] = np.zeros(slots, TOLD)
        self.trails: NDArray[np.void] = np.zeros(slots, TRAIL)
        self.windows: NDArray[np.void] = np.zeros(slots, WINDOW)
        self.generation: U32 = np.zeros(slots, np.uint32)
        self.lat_deg: F64 = np.zeros(slots)
        self.lng_deg: F64 = np.zeros(slots)
        self.at_us: I64 = np.zeros(slots, np.int64)
        self.room: I64 = np.zeros(slots, np.int64)
        self.seen_us: I64 = np.zeros(slots, np.int64)
        self.unshared: U8 = np.zeros(slots, np.uint8)
        self.account: NDArray[np.uint16] = np.zeros((slots, _ACCOUNT_WORDS), np.uint16)
        self.reporters: I32 = np.zeros(slots, np.int32)
        self.hidden: U8 = np.zeros(slots, np.uint8)
        self._hidden: set[UUID] = set()
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
        self.account[slot] = np.frombuffer(player_id.bytes, np.uint16)
        self.seen_us[slot] = now_us
        self.hidden[slot] = player_id in self._hidden
        return slot

    def is_hidden(self, player_id: UUID) -> bool:
        """Whether others may not see the player; known also of those without a slot."""
        return player_id in self._hidden

    def hide(self, player_id: UUID, *, hidden: bool) -> None:
        """Marks a player, with or without a slot, as one whom others may not see, or may see again."""
        (self._hidden.add if hidden else self._hidden.discard)(player_id)
        slot = self._slots.get(player_id)
        if slot is not None:
            self.hidden[slot] = hidden

    def forget(self, slot: int) -> None:
        """Frees a slot that is not in the index and that nobody reports for.

        Fixes still queued for it will find another generation.
        """
        del self._slots[self.id(slot)]
        self._ids[slot] = None
        self._free.append(slot)
        self.generation[slot] += 1
        self.tracks[slot] = np.zeros((), TRACK)
        self.told[slot] = np.zeros((), TOLD)
        self.trails[slot] = np.zeros((), TRAIL)
        self.windows[slot] = np.zeros((), WINDOW)
        self.at_us[slot] = self.room[slot] = self.seen_us[slot] = self.unshared[slot] = 0
        self.hidden[slot] = 0

    def _grow(self, slots: int) -> None:
        before = len(self._ids)
        for name in _COLUMNS:
            column = getattr(self, name)
            setattr(self, name, np.concatenate([column, np.zeros((slots - before, *column.shape[1:]), column.dtype)]))
        self._ids += [None] * (slots - before)
        self._free.extend(range(slots - 1, before - 1, -1))
        self._on_grow(slots)
