"""From what was shown to what is now: all changed cells that somebody watches, as sections of kind 3, once a period.

    choose_told    who left, came and moved; changes what is shown, and counts per cell
    measure        where each section will stand
    fill           the sections, ready to be copied into frames

A section of everybody is made only where a watcher waits for it, and at that moment those who coast are told of anew to
all others. So at the end of each publication every watcher of a cell holds the same as one who just came.
Sections are written in words of 16 bits: every field of theirs begins at an even byte, or shares a word with the next.
"""
# ruff: noqa: PLR0917 - kernels call each other by position

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from overworld.domains.world.engine.cell_index import N_CHANGED, Cells, note_change
from overworld.domains.world.engine.plane import coasted_to_m, heading_in, in_units, lay_plane, offset_m
from overworld.domains.world.engine.shown import (
    COAST_FIRST,
    COAST_MS,
    FRESH,
    N_DEPARTED,
    N_FRESH,
    SHOWN,
    coast,
    coast_off,
)
from overworld.geo.columns import I32, I64, U16, U32
from overworld.geo.compiled import inner_kernel, kernel
from overworld.kernel.packed import (
    ENTERED,
    LEFT,
    MOVED,
    SECTION,
    SECTION_GONE,
    SECTION_WHOLE,
    SURROUNDINGS_HEADER,
)

# Per cell number: where its sections of this period are and how long, how many it shows, what its section tells, how
# often it was published, and what is only meant for the call that sets it: `mark`.
READY = np.dtype(
    [
        ("start", "<i4"),
        ("words", "<i4"),
        ("whole_start", "<i4"),
        ("whole_words", "<i4"),
        ("count", "<i4"),
        ("left", "<i4"),
        ("entered", "<i4"),
        ("moved", "<i4"),
        ("mark", "<i4"),
        ("number", "u1"),
        ("wanted", "u1"),
        ("out", "u1"),
        ("spare", "u1"),
    ]
)

HEADER_WORDS = SURROUNDINGS_HEADER.size // 2
SECTION_WORDS = SECTION.itemsize // 2
_LEFT_WORDS, _ENTERED_WORDS, _MOVED_WORDS = LEFT.itemsize // 2, ENTERED.itemsize // 2, MOVED.itemsize // 2

N_OUT, N_ENTERED, N_MOVED, N_WORDS, LONGEST, N_TOLD = 0, 1, 2, 3, 4, 5
_ID_BITS = 24
_TOGETHER_MS = 1_800  # twice that, and the time between two looks, is less than a coast
_REPORTING_MS = 1_500  # who is on the move sends a fix a second
_NEIGHBOURHOOD_BITS = 37  # what is left of an id without them tells its cell of level 12, some 4 km2
_SPREAD = 40_503  # 2**16 / golden ratio: neighbours of neighbours have other moments


class Sections(NamedTuple):
    """Columns of a publication: per cell number `plane`, `ready` and the list `out` of what is published; the lists of
    slots that `entered` and `moved`; the sections in `words`.

    `used` counts entries of the lists and words, the longest section, and how many were told of so far.
    """

    plane: NDArray[Any]
    ready: NDArray[Any]
    out: I32
    entered: I32
    moved: I32
    used: I64


class Sight(NamedTuple):
    """What is shown: how many of a cell, how far off, and the metres of an offset's unit."""

    per_cell_max: int
    error_m: float
    unit_m: float


@inner_kernel
def note_out(sections: Sections, i: int) -> None:
    if sections.ready[i].out == 0:
        sections.ready[i].out = 1
        sections.out[sections.used[N_OUT]] = i
        sections.used[N_OUT] += 1


@inner_kernel
def want_whole(cells: Cells, sections: Sections, i: int) -> None:
    """Has a section of everybody in a cell made at the next publication."""
    sections.ready[i].wanted = 1
    note_change(cells, i)


@inner_kernel
def open_cell(cells: Cells, sections: Sections, i: int) -> None:
    """Begins to show a cell, for its first watcher."""
    lay_plane(cells.cell[i].id, sections.plane[i])
    ready = sections.ready[i]
    ready.words = ready.whole_words = ready.count = 0
    ready.left = ready.entered = ready.moved = 0


@inner_kernel
def close_cell(cells: Cells, sections: Sections, i: int) -> None:
    """Shows a cell no longer, because nobody watches it."""
    shown = cells.shown
    for row in range(cells.cell[i].start, cells.cell[i].start + cells.cell[i].taken):
        slot = cells.row[row].slot
        coast_off(shown, slot)
        shown.entity[slot].flags &= ~SHOWN
    for k in range(shown.used[N_DEPARTED]):
        if shown.departed[k].cell == i:
            shown.departed[k].cell = -1
    sections.ready[i].count = 0
    sections.ready[i].wanted = 0
    note_change(cells, i)


@inner_kernel
def begin(sections: Sections) -> None:
    """Forgets the sections of the last period."""
    for k in range(sections.used[N_OUT]):
        ready = sections.ready[sections.out[k]]
        ready.words = ready.whole_words = 0
        ready.left = ready.entered = ready.moved = 0
        ready.out = 0
    sections.used[:N_TOLD] = 0


@inner_kernel
def place(plane: Any, row: Any, one: Any, speed: int, now_ms: int, unit_m: float) -> None:
    """Shows a player where its row says, on its way with a speed."""
    east_m, north_m = offset_m(plane, row)
    one.east, one.north = in_units(east_m, unit_m), in_units(north_m, unit_m)
    one.heading = heading_in(plane, row, one)
    one.speed = speed
    one.when_ms = now_ms
    one.coasted_ms = 0


@inner_kernel
def tell_moved(sections: Sections, slot: int, i: int) -> None:
    note_out(sections, i)
    sections.ready[i].moved += 1
    sections.moved[sections.used[N_MOVED]] = slot
    sections.used[N_MOVED] += 1


@inner_kernel
def off_m(plane: Any, row: Any, one: Any, now_ms: int, unit_m: float) -> float:
    """How far a player is from where watchers have it, in metres."""
    east_m, north_m = offset_m(plane, row)
    seen_east_m, seen_north_m = coasted_to_m(one, now_ms, unit_m)
    return math.sqrt((east_m - seen_east_m) ** 2 + (north_m - seen_north_m) ** 2)


@inner_kernel
def is_news(plane: Any, row: Any, one: Any, now_ms: int, sight: Sight) -> bool:
    """Whether watchers must be told of a fresh fix."""
    if sight.error_m > 0.0:
        return off_m(plane, row, one, now_ms, sight.unit_m) > sight.error_m
    if one.speed != 0 or one.fix_speed != 0:
        return True
    east_m, north_m = offset_m(plane, row)
    return bool(
        in_units(east_m, sight.unit_m) != one.east
        or in_units(north_m, sight.unit_m) != one.north
        or heading_in(plane, row, one) != one.heading
    )


@inner_kernel
def choose_left(cells: Cells, sections: Sections) -> None:
    shown = cells.shown
    for k in range(shown.used[N_DEPARTED]):
        i = shown.departed[k].cell
        if i >= 0:
            note_out(sections, i)
            sections.ready[i].left += 1
            sections.ready[i].count -= 1


@inner_kernel
def choose_moved(cells: Cells, sections: Sections, now_ms: int, sight: Sight) -> None:
    """Tells of fresh fixes."""
    shown = cells.shown
    for k in range(shown.used[N_FRESH]):
        slot = shown.fresh[k]
        one = shown.entity[slot]
        one.fixed_ms = now_ms
        if one.flags & SHOWN != 0:
            i = cells.seat[slot].cell
            plane, row = sections.plane[i], cells.row[cells.cell[i].start + cells.seat[slot].row]
            if is_news(plane, row, one, now_ms, sight):
                place(plane, row, one, one.fix_speed, now_ms, sight.unit_m)
                coast(shown, slot)
                tell_moved(sections, slot, i)


@inner_kernel
def choose_coasting(cells: Cells, sections: Sections, before_ms: int, now_ms: int, sight: Sight) -> None:
    """Has those who still report move on for longer, and tells where they are of those who have ended up elsewhere.

    All of a neighbourhood are told to go on at the same moments, so that a watcher reads of them in one frame. Where
    `before_ms` is now, no moment is looked for, and only those are looked at whose coast is over: they are the first.
    """
    shown = cells.shown
    next_slot = shown.used[COAST_FIRST] - 1
    while next_slot >= 0:
        slot, one = next_slot, shown.entity[next_slot]
        next_slot = one.next - 1
        coasted_ms = now_ms - one.when_ms + one.coasted_ms
        if 0 <= coasted_ms < COAST_MS - _TOGETHER_MS:
            break
        i = cells.seat[slot].cell
        is_over = not 0 <= coasted_ms < COAST_MS
        if not is_over and before_ms == now_ms:
            break
        if not is_over and not is_moment(cells.cell[i].id, before_ms, now_ms):
            continue
        plane, row = sections.plane[i], cells.row[cells.cell[i].start + cells.seat[slot].row]
        if 0 <= now_ms - one.fixed_ms <= _REPORTING_MS:
            if one.flags & FRESH != 0:
                place(plane, row, one, one.fix_speed, now_ms, sight.unit_m)
            else:
                go_on(one, now_ms, sight.unit_m)
                one.coasted_ms = 0
            coast(shown, slot)
            tell_moved(sections, slot, i)
        elif is_over:
            coast_off(shown, slot)
            if one.coasted_ms > 0 or off_m(plane, row, one, now_ms, sight.unit_m) > sight.error_m:
                place(plane, row, one, 0, now_ms, sight.unit_m)
                tell_moved(sections, slot, i)


@inner_kernel
def is_moment(bits: int, before_ms: int, now_ms: int) -> bool:
    """Whether the moment at which a cell's neighbourhood is told to go on lies between two publications."""
    shift_ms = (bits >> _NEIGHBOURHOOD_BITS) * _SPREAD % _TOGETHER_MS
    return bool((before_ms + shift_ms) // _TOGETHER_MS != (now_ms + shift_ms) // _TOGETHER_MS)


@inner_kernel
def go_on(one: Any, now_ms: int, unit_m: float) -> None:
    """Lets an entity begin anew from where watchers have it now."""
    east_m, north_m = coasted_to_m(one, now_ms, unit_m)
    one.east, one.north = in_units(east_m, unit_m), in_units(north_m, unit_m)
    one.when_ms = now_ms


@inner_kernel
def choose_entered(cells: Cells, sections: Sections, generation: U32, i: int, now_ms: int, sight: Sight) -> None:
    """Shows more of a cell while there are any, up to the most of a cell."""
    ready, cell = sections.ready[i], cells.cell[i]
    most = min(sight.per_cell_max, cell.taken)
    for row in range(cell.start, cell.start + cell.taken):
        if ready.count >= most:
            break
        slot = cells.row[row].slot
        one = cells.shown.entity[slot]
        if one.flags & SHOWN != 0:
            continue
        one.flags |= SHOWN
        one.id = slot | (generation[slot] & 255) << _ID_BITS
        speed = one.fix_speed if one.flags & FRESH != 0 else 0
        place(sections.plane[i], cells.row[row], one, speed, now_ms, sight.unit_m)
        coast(cells.shown, slot)
        note_out(sections, i)
        ready.count += 1
        ready.entered += 1
        sections.entered[sections.used[N_ENTERED]] = slot
        sections.used[N_ENTERED] += 1


@inner_kernel
def stop_clocks(cells: Cells, sections: Sections, i: int, now_ms: int, unit_m: float) -> None:
    """Tells anew of all in a cell who move on by themselves, from where watchers have them now.

    So a section of everybody needs no times. Such a coast is ended by word, because clients would go on.
    """
    shown = cells.shown
    for row in range(cells.cell[i].start, cells.cell[i].start + cells.cell[i].taken):
        slot = cells.row[row].slot
        one = shown.entity[slot]
        if one.flags & SHOWN == 0 or one.speed == 0 or one.when_ms == now_ms:
            continue
        coasted_ms = now_ms - one.when_ms + one.coasted_ms
        go_on(one, now_ms, unit_m)
        if 0 <= coasted_ms < COAST_MS:
            one.coasted_ms = coasted_ms
        else:
            one.speed = 0
            one.coasted_ms = 0
            coast_off(shown, slot)
        tell_moved(sections, slot, i)


@kernel
def choose_told(cells: Cells, sections: Sections, generation: U32, before_ms: int, now_ms: int, sight: Sight) -> None:
    """Brings what is shown up to what is, and lists who left, entered and moved in each watched cell."""
    begin(sections)
    choose_left(cells, sections)
    choose_moved(cells, sections, now_ms, sight)
    choose_coasting(cells, sections, before_ms, now_ms, sight)
    for k in range(cells.used[N_CHANGED]):
        i = cells.changed_cell[k]
        if cells.cell[i].watchers > 0:
            choose_entered(cells, sections, generation, i, now_ms, sight)
            if sections.ready[i].wanted != 0:
                note_out(sections, i)
                stop_clocks(cells, sections, i, now_ms, sight.unit_m)
    shown = cells.shown
    for k in range(shown.used[N_FRESH]):
        shown.entity[shown.fresh[k]].flags &= ~FRESH
    shown.used[N_FRESH] = 0


@kernel
def measure(sections: Sections) -> int:
    """Lays the sections side by side; gives how many words they take."""
    at = longest = 0
    for k in range(sections.used[N_OUT]):
        ready = sections.ready[sections.out[k]]
        told = ready.left + ready.entered + ready.moved
        sections.used[N_TOLD] += told
        ready.start = at
        if told > 0:
            ready.words = (
                SECTION_WORDS + ready.left * _LEFT_WORDS + ready.entered * _ENTERED_WORDS + ready.moved * _MOVED_WORDS
            )
            ready.number += 1
        at += ready.words
        ready.whole_start = at
        if ready.wanted != 0:
            ready.whole_words = SECTION_WORDS + ready.count * _ENTERED_WORDS
        at += ready.whole_words
        longest = max(longest, ready.words, ready.whole_words)
    sections.used[N_WORDS] = at
    sections.used[LONGEST] = longest
    return at


@inner_kernel
def write_head(words: U16, at: int, bits: int, number: int, flags: int, entered: int, moved: int, left: int) -> int:
    """Writes the head of a section; gives where its records begin."""
    for k in range(4):
        words[at + k] = (bits >> (16 * k)) & 0xFFFF
    words[at + 4] = number | flags << 8
    words[at + 5], words[at + 6], words[at + 7] = entered, moved, left
    return at + SECTION_WORDS


@inner_kernel
def write_entity(words: U16, at: int, one: Any) -> int:
    words[at], words[at + 1] = one.id & 0xFFFF, one.id >> 16
    words[at + 2], words[at + 3] = one.east & 0xFFFF, one.north & 0xFFFF
    words[at + 4] = one.heading | one.speed << 8
    return at + _MOVED_WORDS


@inner_kernel
def write_account(words: U16, at: int, account: NDArray[Any], slot: int) -> int:
    for k in range(_ENTERED_WORDS - _MOVED_WORDS):
        words[at + k] = account[slot, k]
    return at + _ENTERED_WORDS - _MOVED_WORDS


@kernel
def fill(cells: Cells, sections: Sections, account: NDArray[Any], words: U16) -> None:
    """Writes the sections that `measure` laid out; `left`, `entered` and `moved` then tell where theirs end."""
    shown = cells.shown
    for k in range(sections.used[N_OUT]):
        i = sections.out[k]
        ready = sections.ready[i]
        if ready.wanted != 0:
            fill_whole(cells, sections, account, words, i)
        if ready.words > 0:
            at = write_head(
                words, ready.start, cells.cell[i].id, ready.number, 0, ready.entered, ready.moved, ready.left
            )
            entered_at = at + ready.left * _LEFT_WORDS
            moved_at = entered_at + ready.entered * _ENTERED_WORDS
            ready.left, ready.entered, ready.moved = at, entered_at, moved_at
    for k in range(shown.used[N_DEPARTED]):
        i = shown.departed[k].cell
        if i >= 0:
            at = sections.ready[i].left
            words[at], words[at + 1] = shown.departed[k].id & 0xFFFF, shown.departed[k].id >> 16
            sections.ready[i].left = at + _LEFT_WORDS
    shown.used[N_DEPARTED] = 0
    for k in range(sections.used[N_ENTERED]):
        slot = sections.entered[k]
        ready = sections.ready[cells.seat[slot].cell]
        at = write_entity(words, ready.entered, shown.entity[slot])
        ready.entered = write_account(words, at, account, slot)
    for k in range(sections.used[N_MOVED]):
        slot = sections.moved[k]
        ready = sections.ready[cells.seat[slot].cell]
        ready.moved = write_entity(words, ready.moved, shown.entity[slot])


@inner_kernel
def fill_whole(cells: Cells, sections: Sections, account: NDArray[Any], words: U16, i: int) -> None:
    """Writes the section of everybody whom a cell shows."""
    ready = sections.ready[i]
    ready.wanted = 0
    at = write_head(words, ready.whole_start, cells.cell[i].id, ready.number, SECTION_WHOLE, ready.count, 0, 0)
    for row in range(cells.cell[i].start, cells.cell[i].start + cells.cell[i].taken):
        slot = cells.row[row].slot
        one = cells.shown.entity[slot]
        if one.flags & SHOWN != 0:
            at = write_account(words, write_entity(words, at, one), account, slot)


@inner_kernel
def write_gone(words: U16, at: int, bits: int) -> int:
    """Writes the section that takes a cell away."""
    return write_head(words, at, bits, 0, SECTION_GONE, 0, 0, 0)


ALL = (
    note_out, want_whole, open_cell, close_cell, begin, place, tell_moved, off_m, is_news, choose_left, choose_moved,
    choose_coasting, is_moment, go_on, choose_entered, stop_clocks, choose_told, measure, write_head, write_entity,
    write_account, fill, fill_whole, write_gone,
)  # fmt: skip
