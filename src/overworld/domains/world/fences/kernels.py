"""The trigger stage: what each accepted fix does to the fences around it. One pass over a batch, in its order.

A player's memberships are a list in a pool, as long as it takes; a fix that is near no fence, of a player who is in
none, looks at one record and is done.
"""
# ruff: noqa: PLR0917 - kernels call each other by position, and the hot path is one loop

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from overworld.domains.world.fences.borders import clear_of, is_inside, leads_through, lie_in_one
from overworld.domains.world.fences.covering import INSIDE, PAD_M
from overworld.domains.world.fences.index import NOTHING, SIGN, Columns, leaf_key, range_near, range_of
from overworld.geo.columns import I32, I64, U8
from overworld.geo.compiled import inner_kernel, kernel, making_kernel
from overworld.geo.kernels import EARTH_RADIUS_M

ENTERED, LEFT, CROSSED, DWELT, WAITS = 1, 2, 3, 4, 5
"""In `kind`. `WAITS`: it is not known yet which fences the player is in, so the fix has to wait."""

CROSS_SPAN_MAX_US = 120_000_000
"""Between two fixes farther apart in time nobody is taken to have walked the straight way."""

# What the stage knows of a player, by slot: the last accepted fix it looked at, the range that it lies in (-1 unknown),
# its room cell, the first of the memberships (-1 none), and how far it may go on before anything can change, as a
# chord: up to the nearest border of a fence, or of the cell that was looked at (`LOOK`: the memberships are to be
# compared anew). `waits` says that one of its fences may have something to tell of dwelling. 64 bytes, all in one line
# of the cache.
TRAIL = np.dtype(
    [("x", "<f8"), ("y", "<f8"), ("z", "<f8"), ("time_us", "<i8"), ("cell", "<i8"), ("clear", "<f8"), ("range", "<i4"),
     ("member", "<i4"), ("generation", "<u4"), ("known", "u1"), ("placed", "u1"), ("waits", "u1"),
     ("spare", "u1")]
)  # fmt: skip
# A player in a fence since a time; `next` is another membership of the player, or of the free ones.
MEMBER = np.dtype(
    [("since_us", "<i8"), ("fence", "<i4"), ("next", "<i4"), ("slot", "<i4"), ("dwelt", "u1"), ("used", "u1"),
     ("spare", "<u2")]
)  # fmt: skip
HIT = np.dtype(
    [("since_us", "<i8"), ("time_us", "<i8"), ("row", "<i4"), ("slot", "<i4"), ("fence", "<i4"), ("kind", "<i4")]
)
# Numbers that outlive a call, by their places in `counter`.
STAMP, FREE, FREE_COUNT, HITS, USED = 0, 1, 2, 3, 4
COUNTERS = 5

_PIECE_CHORD2 = (0.5 * PAD_M / EARTH_RADIUS_M) ** 2
_PIECES_MAX = 64
LOOK = -1.0
_STEPS = 6.0  # so many steps like the last one it is worth to be clear for


@kernel
def trigger_batch(
    first: int, fix: NDArray[Any], judged: NDArray[Any], trail: NDArray[Any], member: NDArray[Any], index: Columns,
    stamp: I64, inside: I32, hit: NDArray[Any], counter: I64,
) -> int:  # fmt: skip
    """Judges the accepted fixes from row `first` on; gives the row it came to: not the end if there is no room for what
    one fix may do, in `hit` or in `member`. Rows before it are done.
    """
    start, node, fences = index.start, index.node, stamp.size
    for i in range(first, fix.size):
        if judged[i].reason != 0:
            continue
        if hit.size - counter[HITS] < 3 * fences or counter[FREE_COUNT] < fences:
            return i
        own = trail[fix[i].slot]
        if own.generation != fix[i].generation:
            release_all(own, member, counter)
            own.generation = fix[i].generation
            own.known = own.placed = 0
            own.clear = LOOK
        if own.known == 0:
            note(hit, counter, i, fix[i].slot, NOTHING, WAITS, 0, fix[i].time_us)
            continue
        x, y, z = judged[i].x, judged[i].y, judged[i].z
        cell = np.int64(judged[i].cell)
        moved2 = (x - own.x) ** 2 + (y - own.y) ** 2 + (z - own.z) ** 2
        if own.clear > 0.0 and moved2 < own.clear * own.clear:
            dwell(i, fix[i].slot, fix[i].time_us, own, member, index.fence, hit, counter)
            own.x, own.y, own.z, own.time_us, own.cell = x, y, z, fix[i].time_us, cell
            own.clear -= math.sqrt(moved2)
            continue
        span = (cell & -cell) - 1
        low, high = (cell - span) ^ SIGN, (cell + span) ^ SIGN
        here = int(own.range)
        if here < 0 or low < start[here] or high >= start[here + 1]:
            key = leaf_key(x, y, z)
            if here < 0 or key < start[here] or key >= start[here + 1]:
                here = range_near(start, key, here)
        came = own.placed != 0 and judged[i].begins == 0 and fix[i].time_us - own.time_us <= CROSS_SPAN_MAX_US
        # Within a cell that lies in one range there is nothing else; a range alone has gaps.
        is_clear = own.cell == cell and low >= start[here] and high < start[here + 1]
        if node[here] >= 0 or own.member >= 0 or (came and not is_clear):
            step = math.sqrt(moved2)
            clear, near, end = clear_of(x, y, z, here, step, _STEPS * step, index)
            if own.clear >= 0.0 and moved2 < clear * clear:  # nor did anything change on the way here
                dwell(i, fix[i].slot, fix[i].time_us, own, member, index.fence, hit, counter)
            else:
                look(
                    i, fix[i].slot, fix[i].time_us, x, y, z, here, came, near, end, own, member, index, stamp, inside,
                    hit, counter,
                )  # fmt: skip
            own.clear = clear
        else:
            own.clear = 0.0
        own.x, own.y, own.z, own.time_us = x, y, z, fix[i].time_us
        own.range, own.cell = here, cell
        own.placed = 1
    return int(fix.size)


@inner_kernel
def dwell(
    row: int, slot: int, time_us: int, own: Any, member: NDArray[Any], fence: NDArray[Any], hit: NDArray[Any],
    counter: I64,
) -> None:  # fmt: skip
    """Tells in which of its fences a player, who is still in them all, has dwelt by now."""
    if own.waits == 0:
        return
    own.waits = 0
    m = int(own.member)
    while m >= 0:
        one = member[m]
        dwell_us = fence[one.fence].dwell_us
        if one.dwelt == 0 and dwell_us > 0:
            if time_us - one.since_us >= dwell_us:
                one.dwelt = 1
                note(hit, counter, row, slot, one.fence, DWELT, one.since_us, time_us)
            else:
                own.waits = 1
        m = int(one.next)


@inner_kernel
def look(
    row: int, slot: int, time_us: int, x: float, y: float, z: float, here: int, came: bool, first: int, end: int,
    own: Any, member: NDArray[Any], index: Columns, stamp: I64, inside: I32, hit: NDArray[Any], counter: I64,
) -> None:  # fmt: skip
    """Compares the fences that hold a place with those the player is in, and what lies between with the way there: of
    the entries from `first` on, besides those at the place, or of all for -1.
    """
    counter[STAMP] += 1
    now = counter[STAMP]
    found = 0
    at = index.node[here]
    while at >= 0:
        cell = index.cell[at]
        for k in range(cell.entry, cell.entry + cell.entries):
            entry = index.entry[k]
            if entry.kind == INSIDE or is_inside(entry, x, y, z, index):
                stamp[entry.fence] = now
                inside[found] = entry.fence
                found += 1
        at = cell.parent
    before, m = NOTHING, int(own.member)
    while m >= 0:
        one = member[m]
        following, fence = int(one.next), int(one.fence)
        if stamp[fence] != now:
            note(hit, counter, row, slot, fence, LEFT, one.since_us, time_us)
            if before < 0:
                own.member = following
            else:
                member[before].next = following
            release(member, m, counter)
        else:
            before = m
            dwell_us = index.fence[fence].dwell_us
            if one.dwelt == 0 and dwell_us > 0 and time_us - one.since_us >= dwell_us:
                one.dwelt = 1
                note(hit, counter, row, slot, fence, DWELT, one.since_us, time_us)
        stamp[fence] = -now
        m = following
    if came:
        follow(row, slot, time_us, x, y, z, here, first, end, own, index, stamp, hit, counter)
    for k in range(found):
        if stamp[inside[k]] == now:
            note(hit, counter, row, slot, inside[k], ENTERED, time_us, time_us)
            enter(own, member, slot, inside[k], time_us, 0, counter)


@inner_kernel
def follow(
    row: int, slot: int, time_us: int, x: float, y: float, z: float, here: int, first: int, end: int, own: Any,
    index: Columns, stamp: I64, hit: NDArray[Any], counter: I64,
) -> None:  # fmt: skip
    """Tells the fences that the way from the last fix leads through: a way that is short is in a cell that is known."""
    if first < 0:
        cross(row, slot, time_us, x, y, z, here, own, index, stamp, hit, counter)
    else:
        scan(row, slot, time_us, x, y, z, here, own, index, stamp, hit, counter)
        scan_entries(row, slot, time_us, x, y, z, first, end, own, index, stamp, hit, counter)


@making_kernel
def cross(
    row: int, slot: int, time_us: int, x: float, y: float, z: float, here: int, own: Any, index: Columns, stamp: I64,
    hit: NDArray[Any], counter: I64,
) -> None:  # fmt: skip
    """Tells the fences that the way from the last fix leads through, with neither end in them.

    The way is halved until each piece lies in a cell that lies in one range, or is shorter than what cells were widened
    by: then whatever it meets is an entry at one of its ends.
    """
    start = index.start
    key_before, key = leaf_key(own.x, own.y, own.z), leaf_key(x, y, z)
    before = int(own.range)
    if before < 0 or key_before < start[before] or key_before >= start[before + 1]:  # of who was clear it is an old one
        before = range_near(start, key_before, before)
    scan(row, slot, time_us, x, y, z, before, own, index, stamp, hit, counter)
    if before != here:
        scan(row, slot, time_us, x, y, z, here, own, index, stamp, hit, counter)
    share = np.empty((_PIECES_MAX, 2))
    keys = np.empty((_PIECES_MAX, 2), np.int64)
    share[0, 0], share[0, 1] = 0.0, 1.0
    keys[0, 0], keys[0, 1] = key_before, key
    whole2 = (x - own.x) ** 2 + (y - own.y) ** 2 + (z - own.z) ** 2
    last, depth = here, 1
    while depth > 0:
        depth -= 1
        a, b, key_a, key_b = share[depth, 0], share[depth, 1], keys[depth, 0], keys[depth, 1]
        if whole2 * (b - a) ** 2 <= _PIECE_CHORD2 or lie_in_one(start, key_a, key_b):
            continue
        half = 0.5 * (a + b)
        mx, my, mz = own.x + half * (x - own.x), own.y + half * (y - own.y), own.z + half * (z - own.z)
        middle = leaf_key(mx, my, mz)
        if middle < start[last] or middle >= start[last + 1]:
            last = range_of(start, middle)
            scan(row, slot, time_us, x, y, z, last, own, index, stamp, hit, counter)
        share[depth, 0], share[depth, 1], keys[depth, 0], keys[depth, 1] = a, half, key_a, middle
        share[depth + 1, 0], share[depth + 1, 1], keys[depth + 1, 0], keys[depth + 1, 1] = half, b, middle, key_b
        depth += 2


@inner_kernel
def scan(
    row: int, slot: int, time_us: int, x: float, y: float, z: float, at_range: int, own: Any, index: Columns,
    stamp: I64, hit: NDArray[Any], counter: I64,
) -> None:  # fmt: skip
    """Tells the fences at one range that the whole way from the last fix crosses, each once."""
    at = index.node[at_range]
    while at >= 0:
        cell = index.cell[at]
        scan_entries(
            row, slot, time_us, x, y, z, cell.entry, cell.entry + cell.entries, own, index, stamp, hit, counter
        )  # fmt: skip
        at = cell.parent


@inner_kernel
def scan_entries(
    row: int, slot: int, time_us: int, x: float, y: float, z: float, first: int, end: int, own: Any, index: Columns,
    stamp: I64, hit: NDArray[Any], counter: I64,
) -> None:  # fmt: skip
    """The same for some entries."""
    now = counter[STAMP]
    for k in range(first, end):
        entry = index.entry[k]
        mark = stamp[entry.fence]
        if entry.kind != INSIDE and abs(mark) != now and leads_through(entry, x, y, z, own, index):
            stamp[entry.fence] = -now
            note(hit, counter, row, slot, entry.fence, CROSSED, time_us, time_us)


@inner_kernel
def note(
    hit: NDArray[Any], counter: I64, row: int, slot: int, fence: int, kind: int, since_us: int, time_us: int
) -> None:  # fmt: skip
    """Writes what happened."""
    one = hit[counter[HITS]]
    one.row, one.slot, one.fence, one.kind = row, slot, fence, kind
    one.since_us, one.time_us = since_us, time_us
    counter[HITS] += 1


@inner_kernel
def enter(own: Any, member: NDArray[Any], slot: int, fence: int, since_us: int, dwelt: int, counter: I64) -> None:
    """Makes a player a member of a fence."""
    m = counter[FREE]
    one = member[m]
    counter[FREE] = one.next
    counter[FREE_COUNT] -= 1
    counter[USED] = max(counter[USED], m + 1)
    one.since_us, one.fence, one.next, one.slot = since_us, fence, own.member, slot
    one.dwelt, one.used = dwelt, 1
    own.member = m
    own.waits = 1


@inner_kernel
def release(member: NDArray[Any], m: int, counter: I64) -> None:
    """Gives a membership back to the free ones."""
    member[m].used = 0
    member[m].next = counter[FREE]
    counter[FREE] = m
    counter[FREE_COUNT] += 1


@inner_kernel
def release_all(own: Any, member: NDArray[Any], counter: I64) -> None:
    """Lets go of all memberships of a player, without a word."""
    m = int(own.member)
    while m >= 0:
        following = int(member[m].next)
        release(member, m, counter)
        m = following
    own.member = NOTHING


@kernel
def install(
    slot: I32, fence: I32, since_us: I64, dwelt: U8, trail: NDArray[Any], member: NDArray[Any], counter: I64
) -> None:  # fmt: skip
    """Enters what is kept of players: rows of memberships, aligned. There must be as many free ones."""
    for k in range(slot.size):
        trail[slot[k]].clear = LOOK
        enter(trail[slot[k]], member, slot[k], fence[k], since_us[k], dwelt[k], counter)


@kernel
def forget_players(slot: I32, trail: NDArray[Any], member: NDArray[Any], counter: I64) -> None:
    """Makes players unknown: their fixes wait until it is read again which fences they are in."""
    for k in range(slot.size):
        release_all(trail[slot[k]], member, counter)
        trail[slot[k]].known = 0
        trail[slot[k]].clear = LOOK


@kernel
def drop_fences(is_gone: U8, trail: NDArray[Any], member: NDArray[Any], counter: I64) -> None:
    """Lets go, without a word, of all memberships in fences that are gone, by row."""
    for k in range(counter[USED]):
        if member[k].used == 0 or is_gone[member[k].fence] == 0:
            continue
        own = trail[member[k].slot]
        before, m = NOTHING, int(own.member)
        while m != k:
            before, m = m, int(member[m].next)
        if before < 0:
            own.member = member[k].next
        else:
            member[before].next = member[k].next
        release(member, k, counter)


@kernel
def find_dwelt(
    now_us: int, fixed_since_us: int, at_us: I64, tracks: NDArray[Any], trail: NDArray[Any], member: NDArray[Any],
    fence: NDArray[Any], hit: NDArray[Any], counter: I64,
) -> bool:  # fmt: skip
    """Tells dwelling of players who are silent for less than a while; whether there was room for all of it.

    Those on their own time line dwell by their fixes alone.
    """
    for k in range(counter[USED]):
        one = member[k]
        if one.used == 0 or one.dwelt != 0:
            continue
        dwell_us, slot = fence[one.fence].dwell_us, one.slot
        if dwell_us <= 0 or now_us - one.since_us < dwell_us:
            continue
        if trail[slot].known == 0 or at_us[slot] < fixed_since_us or tracks[slot].own_timeline != 0:
            continue
        if counter[HITS] >= hit.size:
            return False
        one.dwelt = 1
        note(hit, counter, NOTHING, slot, one.fence, DWELT, one.since_us, now_us)
    return True


ALL = (
    trigger_batch, dwell, look, follow, cross, scan, scan_entries, note, enter, release, release_all, install,
    forget_players, drop_fences, find_dwelt,
)  # fmt: skip
