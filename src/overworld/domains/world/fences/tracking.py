"""Who is in which fence: the columns of the trigger stage, and what moves them. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from overworld.domains.world.engine.engine import Pass, pass_of
from overworld.domains.world.engine.players import Players
from overworld.domains.world.fences import borders, covering, index, kernels
from overworld.domains.world.fences.index import NOTHING, Index, Listed
from overworld.domains.world.fences.kernels import COUNTERS, FREE, FREE_COUNT, HIT, HITS, LOOK, MEMBER, TRAIL
from overworld.domains.world.fences.shapes import drawn
from overworld.domains.world.fences.types import Shape
from overworld.domains.world.rules import FIX
from overworld.geo import cells as geo_cells
from overworld.geo.columns import I64
from overworld.geo.kernels import degrees_of

KERNELS = (*covering.ALL, *index.ALL, *borders.ALL, *kernels.ALL)
_HITS_FIRST, _MEMBERS_FIRST = 4_096, 4_096


class Inside(Struct, frozen=True):
    """That a player, by its slot, is in a fence, by its row, since a time, and whether dwelling was told."""

    slot: int
    fence: int
    since_us: int
    dwelt: bool


class Tracking:
    """The columns. `index` is replaced whole, between passes; a player's fences are known after `install`."""

    def __init__(self, players: Players) -> None:
        self.index = index.empty()
        self._players = players
        self._trail: NDArray[Any] = _fresh_trails(players.generation.size)
        self._member: NDArray[Any] = np.zeros(0, MEMBER)
        self._hit: NDArray[Any] = np.empty(_HITS_FIRST, HIT)
        self._counter: I64 = np.zeros(COUNTERS, np.int64)
        self._counter[FREE] = NOTHING
        self._stamp: I64 = np.zeros(1, np.int64)
        self._inside = np.zeros(1, np.int32)
        self._room_for_members(_MEMBERS_FIRST)

    def run(self, batch: Pass) -> NDArray[Any]:
        """What a judged batch does to the fences, as rows of `HIT` in order, (n,); the columns are used again."""
        if self.index.is_empty:
            return self._hit[:0]
        self._keep_up()
        columns, counter = self.index.columns, self._counter
        counter[HITS] = done = 0
        while True:
            done = kernels.trigger_batch(
                done, batch.fix, batch.judged, self._trail, self._member, columns, self._stamp, self._inside,
                self._hit, counter,
            )  # fmt: skip
            if done == batch.fix.size:
                return self._hit[: counter[HITS]]
            self._room_for_hits()
            self._room_for_members(self._stamp.size)

    def dwelt(self, *, now_us: int, fixed_since_us: int) -> NDArray[Any]:
        """Who has dwelt meanwhile without a word, among those with a fix since a time: rows of `HIT` without a row."""
        self._counter[HITS] = 0
        if self.index.is_empty:
            return self._hit[:0]
        self._keep_up()
        while not kernels.find_dwelt(
            now_us, fixed_since_us, self._players.at_us, self._players.tracks, self._trail, self._member,
            self.index.columns.fence, self._hit, self._counter,
        ):  # fmt: skip
            self._room_for_hits()
        return self._hit[: self._counter[HITS]]

    def put(self, new: Index) -> None:
        """Judges by other fences from the next pass on. Who was in a fence that is gone, or has another shape, is in it
        no more, without a word here: whoever changed it has told that.
        """
        before = self.index
        is_gone = np.zeros(max(1, len(before.listed)), np.uint8)
        for i, one in enumerate(before.listed):
            now = new.listed[i] if i < len(new.listed) else None
            is_gone[i] = one is not None and (now is None or _is_other(one, now))
        if is_gone.any():
            kernels.drop_fences(is_gone, self._trail, self._member, self._counter)
        if before.is_empty:
            self._trail["placed"] = 0
        self._trail["range"] = NOTHING
        self._trail["clear"] = LOOK
        self._trail["waits"] = 1
        self._stamp = np.zeros(max(1, len(new.listed)), np.int64)
        self._inside = np.zeros(self._stamp.size, np.int32)
        self._counter[HITS] = 0
        self._room_for_hits()
        self.index = new

    def install(self, slots: Sequence[int], kept: Sequence[Inside]) -> None:
        """Makes players known who were not, with the fences they are in."""
        self._keep_up()
        self._room_for_members(len(kept))
        kernels.install(
            np.array([one.slot for one in kept], np.int32),
            np.array([one.fence for one in kept], np.int32),
            np.array([one.since_us for one in kept], np.int64),
            np.array([one.dwelt for one in kept], np.uint8),
            self._trail,
            self._member,
            self._counter,
        )
        self._trail["known"][list(slots)] = 1

    def is_known(self, slot: int) -> bool:
        """Whether it is known which fences a player is in."""
        return slot < self._trail.size and bool(self._trail["known"][slot])

    def forget(self, slots: Sequence[int]) -> None:
        """Has it read anew which fences players are in, before their next fix is judged."""
        self._keep_up()
        kernels.forget_players(np.array(slots, np.int32), self._trail, self._member, self._counter)

    def inside(self, slot: int) -> list[Inside]:
        """The fences a player is in, in the order of their rows."""
        found, m = [], int(self._trail["member"][slot])
        while m >= 0:
            one = self._member[m]
            found.append(Inside(slot, int(one["fence"]), int(one["since_us"]), bool(one["dwelt"])))
            m = int(one["next"])
        return sorted(found, key=lambda each: each.fence)

    @property
    def memberships(self) -> int:
        """How many there are, of all players."""
        return int(self._member.size - self._counter[FREE_COUNT])

    def _keep_up(self) -> None:
        """The players' columns may have grown."""
        missing = self._players.generation.size - self._trail.size
        if missing > 0:
            self._trail = np.concatenate([self._trail, _fresh_trails(missing)])

    def _room_for_hits(self) -> None:
        """Room for what one fix may do, and twice what there was when the last room was not enough."""
        wanted = max(2 * self._hit.size if self._counter[HITS] else 0, 4 * self._stamp.size, _HITS_FIRST)
        if wanted > self._hit.size:
            used = int(self._counter[HITS])
            larger = np.empty(wanted, HIT)
            larger[:used] = self._hit[:used]
            self._hit = larger

    def _room_for_members(self, wanted: int) -> None:
        """As many free memberships; there are never fewer than fences."""
        wanted = max(wanted, self._stamp.size)
        if self._counter[FREE_COUNT] >= wanted:
            return
        before = self._member.size
        more = np.zeros(max(before, wanted, _MEMBERS_FIRST), MEMBER)
        more["next"] = np.arange(before + 1, before + more.size + 1)
        more["next"][-1] = self._counter[FREE]
        self._member = np.concatenate([self._member, more])
        self._counter[FREE] = before
        self._counter[FREE_COUNT] += more.size


def warm() -> None:
    """Compiles, or loads from the cache, every kernel with the types it meets when it is live."""
    degrees_of(1.0, 0.0, 0.0)  # the middle of a fence
    ring = [[0.0, 0.0], [0.01, 0.0], [0.01, 0.01]]
    listed = []
    for k, shape in enumerate((Shape(radius_m=100.0), Shape(polygons=[[ring]]))):
        ready = drawn(shape)
        listed.append(Listed(UUID(int=k), "", 1, 1, ready, covering.covering(ready)))
    tracking = Tracking(Players(slots=1, on_grow=_ignore))
    tracking.put(index.built(listed))
    batch = pass_of(np.zeros(1, FIX), now_us=1)
    batch.judged["x"], batch.judged["cell"] = 1.0, geo_cells.cell_of(0.0, 0.0, 15)
    tracking.run(batch)
    tracking.install([0], [Inside(0, 0, 1, dwelt=False)])
    tracking.run(batch)
    tracking.dwelt(now_us=1, fixed_since_us=0)
    tracking.forget([0])
    tracking.put(index.built(listed[:1], before=tracking.index))


def _ignore(_slots: int) -> None:
    """What hears of more slots where nobody listens."""


def _is_other(one: Listed, now: Listed) -> bool:
    return one.id != now.id or one.shape_number != now.shape_number


def _fresh_trails(count: int) -> NDArray[Any]:
    trail = np.zeros(count, TRAIL)
    trail["range"] = trail["member"] = NOTHING
    trail["clear"] = LOOK
    return trail
