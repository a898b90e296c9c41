"""Interest: watchers get what changes in the cells they watch, encoded once for all of them.

`encode` brings what is shown up to date, once a period; `serve` then hands the watchers of one slice their frames.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from overworld.domains.world.engine import plane as plane_
from overworld.domains.world.engine import sections as sections_
from overworld.domains.world.engine import shown as shown_
from overworld.domains.world.engine import watching
from overworld.domains.world.engine.cell_index import CellIndex
from overworld.domains.world.engine.plane import PLANE
from overworld.domains.world.engine.players import Players
from overworld.domains.world.engine.sections import N_OUT, N_TOLD, READY, Sections, Sight
from overworld.domains.world.engine.shown import COAST_FIRST
from overworld.domains.world.engine.watching import (
    CLOSED,
    GROUP,
    N_END,
    N_FRAMES,
    N_SHARED,
    OPEN,
    PAUSED,
    WATCHED,
    WATCHER,
    Frames,
)
from overworld.domains.world.types import InterestRules, WorldSettings
from overworld.geo.columns import I32, I64, U16
from overworld.geo.compiled import entry_of
from overworld.kernel.packed import offset_unit_m

CELLS_MAX = 4_096
_LOOK_MS = 200  # how often it is looked whose neighbourhood is told to go on: that is at half of all who coast
_WATCHERS_FIRST = 64
_ROOM_FIRST = 16
_FRAME_WORDS_FIRST = 1 << 16

KERNELS = (*shown_.ALL, *plane_.ALL, *sections_.ALL, *watching.ALL)

OnFrames = Callable[[list[int], list[int], list[int], memoryview], None]


class Interest:
    """The watchers of this process. Numbers of closed ones are used again.

    `on_frames` is called once a slice with the numbers of the watchers who have something to read, where the frame of
    each begins and where it ends, (n,), in the bytes, which are good only until it returns. `on_stir` is called
    when there may be something to publish although no fix came. Counted are `frames`, `sections`, `entities` told of
    (each once, however many watch), and `bytes`; `encode_s` and `serve_s` are kept by the caller, who has a clock.
    """

    def __init__(self, *, index: CellIndex, players: Players, settings: WorldSettings, rules: InterestRules) -> None:
        self.on_frames: OnFrames = _nobody_reads
        self.on_stir: Callable[[], None] = _nobody_wakes
        self.frames = self.sections = self.bytes = 0
        self.encode_s = self.serve_s = 0.0
        self._index = index
        self._players = players
        self._visible_max = rules.visible_max
        self._slices = settings.slices
        self._sight = Sight(
            per_cell_max=min(settings.seen_per_cell_max, rules.visible_max),
            error_m=float(rules.error_m),
            unit_m=offset_unit_m(settings.room_level),
        )
        self._now_ms = self._looked_ms = 0
        self._slices_left = 0
        self._stirred = False
        self._ready_words: U16 = np.zeros(_FRAME_WORDS_FIRST, np.uint16)
        self._columns = _columns(index)
        self._watcher: NDArray[Any] = np.zeros(_WATCHERS_FIRST, WATCHER)
        self._watched: NDArray[Any] = np.zeros(_ROOM_FIRST * _WATCHERS_FIRST, WATCHED)
        self._watched_used = self._used = 0
        self._free: list[int] = []
        self._free_blocks: dict[int, list[int]] = {}
        self._group: NDArray[Any] = np.zeros(_WATCHERS_FIRST, GROUP)
        self._groups = Groups()
        self._period = 0
        self._frames = _frames(_FRAME_WORDS_FIRST, _WATCHERS_FIRST)
        self._done: I64 = np.zeros(5, np.int64)
        self._gather: Callable[..., int] | None = None
        self._numbers: NDArray[np.object_] = np.arange(_WATCHERS_FIRST).astype(object)  # made once, not for each frame

    @property
    def entities(self) -> int:
        """How many players were told of so far, each once a publication however many watch."""
        return int(self._columns.used[N_TOLD])

    @property
    def watchers(self) -> int:
        """How many are open."""
        return self._used - len(self._free)

    @property
    def busy(self) -> bool:
        """Whether anything is left to publish, or will be by itself."""
        shown = self._index.cells.shown
        return self._slices_left > 0 or self._stirred or self._index.changed > 0 or int(shown.used[COAST_FIRST]) != 0

    def open(self) -> int:
        """A new watcher's number; it watches nothing yet."""
        number = self._free.pop() if self._free else self._used
        if number == self._used:
            self._used += 1
            if number == self._watcher.size:
                self._watcher = np.concatenate([self._watcher, np.zeros_like(self._watcher)])
                self._numbers = np.arange(self._watcher.size).astype(object)
        self._watcher[number] = np.zeros((), WATCHER)
        self._watcher["state"][number] = OPEN
        self._join(number, b"")
        return number

    def close(self, watcher: int) -> None:
        """Ends a watcher; it gets nothing more. Raises: LookupError when there is none of that number."""
        self._require(watcher)
        watching.leave_all(self._index.cells, self._fitting(), self._watcher, self._watched, watcher)
        self._watcher["state"][watcher] = CLOSED
        self._free_block(watcher)
        self._groups.leave(int(self._watcher["group"][watcher]))
        self._free.append(watcher)
        self._stir()

    def watch(self, watcher: int, cells: Sequence[int]) -> None:
        """Has a watcher watch these room cells and no others, the most important first.

        Raises: LookupError as `close`; ValueError for more than 4,096 cells, or one that is none.
        """
        self._require(watcher)
        cell = np.array(list(dict.fromkeys(cells)), np.uint64)
        if cell.size > CELLS_MAX or not cell.all():
            raise ValueError(f"not cells to watch: {cell.size}, all at most {CELLS_MAX} cells")
        at = self._index.numbers(cell)
        one = self._watcher[watcher]
        new = np.zeros(cell.size + int(one["active"]) + int(one["gone"]), WATCHED)
        watching.replace_watched(
            self._index.cells, self._fitting(), self._watcher, self._watched, watcher, cell, at, new
        )
        self._groups.leave(int(one["group"]))
        self._join(watcher, cell.tobytes())
        self._keep(watcher, new[: int(one["active"]) + int(one["gone"])])
        self._stir()

    def pause(self, watcher: int) -> None:
        """Sends a watcher nothing until `resend`. Raises: LookupError as `close`."""
        self._require(watcher)
        self._watcher["state"][watcher] = PAUSED

    def resend(self, watcher: int) -> None:
        """Tells a watcher everything anew, and ends its pause. Raises: LookupError as `close`."""
        self._require(watcher)
        watching.begin_anew(self._index.cells, self._fitting(), self._watcher, self._watched, watcher)
        self._stir()

    def encode(self, *, now_ms: int) -> None:
        """Begins a period: makes the sections of all changed cells that somebody watches."""
        columns, cells = self._fitting(), self._index.cells
        self._now_ms = now_ms
        before_ms = now_ms
        if not 0 <= now_ms - self._looked_ms < _LOOK_MS:
            before_ms, self._looked_ms = self._looked_ms, now_ms
        self._period += 1
        self._done[N_SHARED] = 0
        sections_.choose_told(cells, columns, self._players.generation, before_ms, now_ms, self._sight)
        words = sections_.measure(columns)
        if words > self._ready_words.size:
            self._ready_words = np.zeros(1 << (words - 1).bit_length(), np.uint16)
        sections_.fill(cells, columns, self._players.account, self._ready_words)
        if self._stirred or self._index.changed or columns.used[N_OUT]:
            self._stirred = False
            self._slices_left = self._slices

    def serve(self, part: int) -> None:
        """Hands the watchers of one slice their frames of this period; the slices have their turns in order."""
        if self._slices_left == 0:
            return
        self._slices_left -= 1
        self._done[:N_SHARED] = 0
        first = part
        while first < self._used:
            asked = (
                self._index.cells, self._columns, self._ready_words, self._watcher, self._watched, self._group,
                self._used, first, self._slices, self._visible_max, self._period, self._now_ms, self._frames,
                self._done,
            )  # fmt: skip
            if self._gather is None:
                self._gather = entry_of(watching.gather, *asked)
            first = self._gather(*asked)
            if first < self._used:
                self._frames = _longer(self._frames, self._done)
        count, sections, words, *_ = self._done.tolist()
        if count:
            self.frames += count
            self.sections += sections
            self.bytes += 2 * words
            frames = self._frames
            self.on_frames(
                self._numbers.take(frames.watcher[:count]).tolist(), frames.start[:count].tolist(),
                frames.end[:count].tolist(), frames.words.view(np.uint8).data,
            )  # fmt: skip

    def _require(self, watcher: int) -> None:
        if not 0 <= watcher < self._used or self._watcher["state"][watcher] == CLOSED:
            raise LookupError(f"no watcher {watcher}")

    def _stir(self) -> None:
        self._stirred = True
        self.on_stir()

    def _fitting(self) -> Sections:
        """The columns, made as long as those of the index."""
        columns, cells = self._columns, self._index.cells
        if columns.ready.size < cells.cell.size or columns.moved.size < cells.seat.size:
            fitting = _columns(self._index)
            for name in Sections._fields:
                column = getattr(columns, name)
                getattr(fitting, name)[: column.size] = column
            self._columns = fitting
        return self._columns

    def _join(self, watcher: int, key: bytes) -> None:
        """Puts a watcher among those who watch the same."""
        group = self._groups.join(key)
        if group == self._group.size:
            self._group = np.concatenate([self._group, np.zeros_like(self._group)])
        self._watcher["group"][watcher] = group

    def _keep(self, watcher: int, watched: NDArray[Any]) -> None:
        """Puts what a watcher watches into its block, or a longer one."""
        if watched.size > self._watcher["room"][watcher]:
            self._free_block(watcher)
            room = max(_ROOM_FIRST, 1 << (watched.size - 1).bit_length())
            self._watcher["start"][watcher] = self._take_block(room)
            self._watcher["room"][watcher] = room
        start = int(self._watcher["start"][watcher])
        self._watched[start : start + watched.size] = watched

    def _take_block(self, room: int) -> int:
        if free := self._free_blocks.get(room):
            return free.pop()
        start = self._watched_used
        self._watched_used += room
        if self._watched_used > self._watched.size:
            more = np.zeros(max(self._watched.size, room), WATCHED)
            self._watched = np.concatenate([self._watched, more])
        return start

    def _free_block(self, watcher: int) -> None:
        one = self._watcher[watcher]
        if one["room"]:
            self._free_blocks.setdefault(int(one["room"]), []).append(int(one["start"]))
            one["room"] = 0


class Groups:
    """Numbers for lists of cells that are watched; those that nobody watches any more are used again."""

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}
        self._keys: list[bytes] = []
        self._members: list[int] = []
        self._free: list[int] = []

    def join(self, key: bytes) -> int:
        """The number of a list, with one more in it."""
        number = self._numbers.get(key)
        if number is None:
            number = self._free.pop() if self._free else len(self._keys)
            if number == len(self._keys):
                self._keys.append(key)
                self._members.append(0)
            self._numbers[key], self._keys[number] = number, key
        self._members[number] += 1
        return number

    def leave(self, number: int) -> None:
        """Takes one from the list of a number."""
        self._members[number] -= 1
        if self._members[number] == 0:
            del self._numbers[self._keys[number]]
            self._free.append(number)


def warm(interest: Interest, *, cells: Sequence[int]) -> None:
    """Runs every kernel here with the types it meets when it is live."""
    watcher = interest.open()
    interest.watch(watcher, cells)
    interest.encode(now_ms=1)
    interest.serve(watcher)
    interest.resend(watcher)
    interest.close(watcher)


def _columns(index: CellIndex) -> Sections:
    cells, players = index.cells.cell.size, index.cells.seat.size
    return Sections(
        plane=np.zeros(cells, PLANE),
        ready=np.zeros(cells, READY),
        out=np.zeros(cells, np.int32),
        entered=np.zeros(players, np.int32),
        moved=np.zeros(players, np.int32),
        used=np.zeros(6, np.int64),
    )


def _frames(words: int, count: int) -> Frames:
    watcher: I32 = np.zeros(count, np.int32)
    return Frames(np.zeros(words, np.uint16), watcher, np.zeros_like(watcher), np.zeros_like(watcher))


def _longer(frames: Frames, done: I64) -> Frames:
    """Twice the room, with what is written."""
    longer = _frames(2 * frames.words.size, 2 * frames.watcher.size)
    in_use = max(done[N_END], done[N_SHARED])
    longer.words[:in_use] = frames.words[:in_use]
    for name in ("watcher", "start", "end"):
        getattr(longer, name)[: done[N_FRAMES]] = getattr(frames, name)[: done[N_FRAMES]]
    return longer


def _nobody_reads(_watchers: list[int], _starts: list[int], _ends: list[int], _frames: memoryview) -> None:
    """What `on_frames` is until the socket asks to be told."""


def _nobody_wakes() -> None:
    """What `on_stir` is until the world sets it."""
