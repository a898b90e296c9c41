"""Who watches which cells, and what each watcher reads of a publication.

    watcher   per number: the block of `watched` it has, how many cells it watches and how many more must be taken away
              from it, and whether it is closed, open or paused
    watched   the blocks: cells in the order of importance, then those to be taken away, of which the id alone counts
    group     per list of cells that somebody watches: the frame of this period for who was told all before

A watcher gets the cells in their order for as long as the players in them are not more than it may see; the others are
muted. So the muted ones are always the last, and one comes back only when there is room to spare.
"""
# ruff: noqa: PLR0917 - kernels call each other by position

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from overworld.domains.world.engine.cell_index import Cells
from overworld.domains.world.engine.sections import (
    HEADER_WORDS,
    LONGEST,
    SECTION_WORDS,
    Sections,
    close_cell,
    open_cell,
    want_whole,
    write_gone,
)
from overworld.geo.columns import I32, I64, U16, U64
from overworld.geo.compiled import inner_kernel, kernel
from overworld.geo.copying import copy_items
from overworld.kernel.packed import SURROUNDINGS, VERSION

WATCHER = np.dtype([(name, "<i4") for name in ("start", "room", "active", "gone", "state", "group", "plain", "spare")])
GROUP = np.dtype([("period", "<i8"), ("start", "<i4"), ("words", "<i4"), ("count", "<i4"), ("fits", "<i4")])
WATCHED = np.dtype([("id", "<i8"), ("cell", "<i4"), ("state", "<i4")])

CLOSED, OPEN, PAUSED = 0, 1, 2
"""In a watcher's `state`."""

NEW, TOLD, AGAIN, MUTED = 0, 1, 2, 3
"""In `state` of what is watched: to be told everything; told; told, but to be told everything anew; kept back."""

_KIND = SURROUNDINGS | VERSION << 8
_SPARE_SHARE = 8  # a muted cell comes back when an eighth of what may be seen stays free


N_FRAMES, N_SECTIONS, N_TOLD_WORDS, N_END, N_SHARED = 0, 1, 2, 3, 4
"""Places in `done`."""


class Frames(NamedTuple):
    """Frames in `words`, first those of groups; and per frame of a slice its watcher, and where it begins and ends, in
    bytes: several watchers may read the same one."""

    words: U16
    watcher: I32
    start: I32
    end: I32


@kernel
def replace_watched(
    cells: Cells, sections: Sections, watcher: NDArray[Any], watched: NDArray[Any], number: int, cell: U64, at: I32,
    new: NDArray[Any],
) -> None:  # fmt: skip
    """Writes into `new` what a watcher watches from now on: `cell`, whose numbers are `at`; what it no longer does and
    was told of follows. Sets its counts."""
    one, ready = watcher[number], sections.ready
    first, middle, end = one.start, one.start + one.active, one.start + one.active + one.gone
    for k in range(first, middle):
        ready[watched[k].cell].mark = k + 1
    for j in range(at.size):
        i = at[j]
        new[j].id, new[j].cell, new[j].state = np.int64(cell[j]), i, NEW
        if ready[i].mark > 0:
            new[j].state = watched[ready[i].mark - 1].state
            ready[i].mark = 0
            if new[j].state == MUTED:  # which may be among the first now, and must not come after those behind it
                new[j].state = NEW
                want_whole(cells, sections, i)
            continue
        for k in range(middle, end):
            if watched[k].id == new[j].id:
                new[j].state = AGAIN
                watched[k].id = 0
        if cells.cell[i].watchers == 0:
            open_cell(cells, sections, i)
        cells.cell[i].watchers += 1
        want_whole(cells, sections, i)
    n = int(at.size)
    for k in range(first, end):
        old = watched[k]
        if k < middle:
            if ready[old.cell].mark == 0:
                continue
            ready[old.cell].mark = 0
            leave_cell(cells, sections, old.cell)
            if old.state in (NEW, MUTED):
                continue
        if old.id != 0:
            new[n].id = old.id
            n += 1
    one.active, one.gone = at.size, n - at.size
    one.plain = 0


@inner_kernel
def leave_cell(cells: Cells, sections: Sections, i: int) -> None:
    """Takes one watcher from a cell."""
    cells.cell[i].watchers -= 1
    if cells.cell[i].watchers == 0:
        close_cell(cells, sections, i)


@kernel
def leave_all(cells: Cells, sections: Sections, watcher: NDArray[Any], watched: NDArray[Any], number: int) -> None:
    """Takes a watcher from all its cells."""
    one = watcher[number]
    for k in range(one.start, one.start + one.active):
        leave_cell(cells, sections, watched[k].cell)
    one.active = one.gone = 0


@kernel
def begin_anew(cells: Cells, sections: Sections, watcher: NDArray[Any], watched: NDArray[Any], number: int) -> None:
    """Has everything that a watcher was told told again."""
    one = watcher[number]
    one.state = OPEN
    one.plain = 0
    for k in range(one.start, one.start + one.active):
        if watched[k].state == TOLD:
            watched[k].state = AGAIN
        if watched[k].state != MUTED:
            want_whole(cells, sections, watched[k].cell)


@inner_kernel
def copy_words(source: U16, start: int, length: int, words: U16, at: int) -> int:
    """Copies words; gives where they end."""
    copy_items(source, start, length, words, at)
    return at + length


@inner_kernel
def write_frame(
    cells: Cells, sections: Sections, ready_words: U16, one: Any, watched: NDArray[Any], visible_max: int, words: U16,
    at: int,
) -> tuple[int, int]:  # fmt: skip
    """Writes the sections for a watcher from word `at` on; gives where they end and how many they are."""
    begin, count, visible = at, 0, 0
    full = False
    for k in range(one.start + one.active, one.start + one.active + one.gone):
        at = write_gone(words, at, watched[k].id)
        count += 1
    one.gone = 0
    for k in range(one.start, one.start + one.active):
        mine = watched[k]
        ready = sections.ready[mine.cell]
        visible += ready.count
        if k > one.start and not full:
            full = visible > (visible_max - visible_max // _SPARE_SHARE if mine.state == MUTED else visible_max)
        if full:
            if mine.state in (TOLD, AGAIN):
                at = write_gone(words, at, mine.id)
                count += 1
            mine.state = MUTED
            continue
        if mine.state == MUTED:  # told with the next publication, so that all that come back do so at once
            mine.state = NEW
            want_whole(cells, sections, mine.cell)
            continue
        begin, length = ready.start, ready.words
        if mine.state != TOLD:
            begin, length = ready.whole_start, ready.whole_words
        if length > 0:
            mine.state = TOLD
            at = copy_words(ready_words, begin, length, words, at)
            count += 1
    return at, count


@inner_kernel
def write_header(words: U16, at: int, count: int, now_ms: int) -> None:
    words[at], words[at + 1] = _KIND, count
    words[at + 2], words[at + 3] = now_ms & 0xFFFF, (now_ms >> 16) & 0xFFFF


@inner_kernel
def share_frame(
    ready: NDArray[Any], ready_words: U16, one: Any, watched: NDArray[Any], visible_max: int, now_ms: int, group: Any,
    words: U16, at: int,
) -> int:  # fmt: skip
    """Writes the frame for all who watch what this watcher does and were told it all before; gives where it ends."""
    group.start = at
    at += HEADER_WORDS
    count = visible = 0
    for k in range(one.start, one.start + one.active):
        mine = ready[watched[k].cell]
        visible += mine.count
        if mine.words > 0:
            count += 1
            at = copy_words(ready_words, mine.start, mine.words, words, at)
    group.count = count
    group.fits = one.active <= 1 or visible <= visible_max
    group.words = at - group.start
    write_header(words, group.start, count, now_ms)
    return at


@inner_kernel
def is_plain(one: Any, watched: NDArray[Any]) -> bool:
    """Whether a watcher was told all it watches."""
    waiting = 0
    for k in range(one.start, one.start + one.active):
        waiting += watched[k].state != TOLD
    return waiting == 0


@inner_kernel
def share_frames(
    sections: Sections, ready_words: U16, watcher: NDArray[Any], watched: NDArray[Any], group: NDArray[Any], used: int,
    first: int, step: int, visible_max: int, period: int, now_ms: int, frames: Frames, done: I64,
) -> bool:  # fmt: skip
    """Writes the frames of all groups that these watchers are in and that have none of this period; False when `frames`
    is too short."""
    for number in range(first, used, step):
        one = watcher[number]
        mine = group[one.group]
        if one.state != OPEN or one.plain == 0 or mine.period == period:
            continue
        if frames.words.size - done[N_SHARED] < HEADER_WORDS + one.active * sections.used[LONGEST]:
            return False
        mine.period = period
        done[N_SHARED] = share_frame(
            sections.ready, ready_words, one, watched, visible_max, now_ms, mine, frames.words, done[N_SHARED]
        )
    return True


@kernel
def gather(
    cells: Cells, sections: Sections, ready_words: U16, watcher: NDArray[Any], watched: NDArray[Any],
    group: NDArray[Any], used: int, first: int, step: int, visible_max: int, period: int, now_ms: int, frames: Frames,
    done: I64,
) -> int:  # fmt: skip
    """Writes the frames of every `step`-th watcher from `first` on; gives how far it came, not the end when `frames`
    is too short. `done` counts frames, sections and words told, and words in use: those of the slice begin where those
    that are shared in the whole period end."""
    longest = max(SECTION_WORDS, sections.used[LONGEST])
    words = frames.words
    if not share_frames(
        sections, ready_words, watcher, watched, group, used, first, step, visible_max, period, now_ms, frames, done
    ):
        return first
    at = max(done[N_END], done[N_SHARED])
    told, sections_told, words_told = done[N_FRAMES], done[N_SECTIONS], done[N_TOLD_WORDS]
    number = first
    while number < used:
        one = watcher[number]
        if one.state == OPEN:
            if words.size - at < HEADER_WORDS + (one.active + one.gone) * longest or told == frames.watcher.size:
                break
            mine = group[one.group]
            if one.plain != 0 and mine.fits != 0:
                start, end, count = mine.start, mine.start + mine.words, mine.count
            else:
                end, count = write_frame(
                    cells, sections, ready_words, one, watched, visible_max, words, at + HEADER_WORDS
                )  # fmt: skip
                write_header(words, at, count, now_ms)
                one.plain = is_plain(one, watched)
                start, at = at, end
            if count > 0:
                frames.watcher[told], frames.start[told], frames.end[told] = number, 2 * start, 2 * end
                told, sections_told, words_told = told + 1, sections_told + count, words_told + end - start
        number += step
    done[N_END] = at
    done[N_FRAMES], done[N_SECTIONS], done[N_TOLD_WORDS] = told, sections_told, words_told
    return min(number, used)


ALL = (
    replace_watched,
    leave_cell,
    leave_all,
    begin_anew,
    copy_words,
    write_frame,
    write_header,
    share_frame,
    is_plain,
    share_frames,
    gather,
)
