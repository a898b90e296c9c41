"""The verdict pass over columns: judge the fixes of a batch in order, move who may move, choose what to tell.

Each function is one stage. Rows are in the order in which the fixes came, so several fixes of one player in a batch
are judged and moved one after the other.
"""
# ruff: noqa: PLR0917 - kernels call each other by position

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from overworld.domains.world.engine.cell_index import NOWHERE, Cells, change_cell, find, note_change, unseat
from overworld.domains.world.engine.motion import motion_of
from overworld.domains.world.engine.observing import close, is_due, observe, when_of
from overworld.domains.world.engine.shown import note_fix
from overworld.domains.world.rules import Limits, judge, take_mode
from overworld.domains.world.types import Reason
from overworld.geo.columns import F64, I32, I64, U8, U32
from overworld.geo.compiled import inner_kernel, kernel
from overworld.geo.kernels import cell_at_xyz, centre_xyz, is_surely_within, metres_of_chord2, unit_xyz

GONE = 255
"""In `reason`: the slot was given to another player after the fix was queued. Nobody waits for its verdict."""

EXACT = -1
"""In place of a level: others may see where a player is, to 0.1 m.

Nobody is shown a place to the centimetre: who copies a track as it is walked must not come by it from what is shown,
for then both would be taken for one.
"""

# Steps of a coordinate in an Earth's radius, 0.095 m each. In a coarser grid who walks straight on seems to jump by
# more than the half metre that watchers may be off, and is told again and again.
_GRID = 2.0**26

TELL_MOVED, TELL_REFUSED = 1, 2
"""In `tell`; 0 is nothing."""


JUDGED = np.dtype(
    [
        ("x", "<f8"),
        ("y", "<f8"),
        ("z", "<f8"),
        ("cell", "<u8"),
        ("amount", "<f8"),
        ("reason", "u1"),
        ("begins", "u1"),
        ("crosses", "u1"),
        ("tell", "u1"),
        ("spare", "<u4"),
    ]
)
"""A fix after judgement: its unit vector and room cell; the reason (0 is accepted), whether a track begins with it,
whether it leads into another room cell, and what to tell of it, with the metres walked or the refusals since the last
word as `amount`."""


@kernel
def judge_batch(
    fix: NDArray[Any], generation: U32, seen_us: I64, tracks: NDArray[Any], now_us: int, room_level: int,
    limits: Limits, modes: NDArray[Any], judged: NDArray[Any], counts: I64, observe_us: int, trails: NDArray[Any],
    windows: NDArray[Any], closed: NDArray[Any], whose: I32, used: I64,
) -> None:  # fmt: skip
    """Fills `judged` but for `crosses`, `tell` and `amount`, counts the reasons, and moves the players' tracks on.

    With `observe_us` above 0 it adds each fix to its player's window too, and closes windows as long as that.
    """
    for i in range(fix.size):
        slot = fix[i].slot
        if generation[slot] != fix[i].generation:
            judged[i].reason = GONE
            counts[GONE] += 1
            continue
        seen_us[slot] = now_us
        x, y, z = unit_xyz(fix[i].lat_deg, fix[i].lng_deg)
        judged[i].x, judged[i].y, judged[i].z = x, y, z
        track = tracks[slot]
        before_x, before_y, before_z, before_us = track.x, track.y, track.z, track.time_us
        reason = judge(fix[i], x, y, z, now_us, limits, track)
        judged[i].reason = reason
        counts[reason] += 1
        if reason == Reason.NONE:
            judged[i].begins = track.begins
            if modes.size > 0:
                take_mode(modes, track)
            judged[i].cell = np.uint64(cell_at_xyz(x, y, z, room_level))
        if observe_us > 0:
            when_us = when_of(fix[i], reason, now_us, trails[slot])
            if is_due(fix[i], when_us, observe_us, windows[slot]):
                close(slot, trails, windows, closed, whose, used)
            observe(
                fix[i], reason, x, y, z, now_us, when_us, before_x, before_y, before_z, before_us,
                limits.teleport_m_s, track, trails[slot], windows[slot],
            )  # fmt: skip
            if reason == Reason.NONE:
                windows[slot].cell = np.int64(judged[i].cell)


@kernel
def move_batch(
    first: int, fix: NDArray[Any], judged: NDArray[Any], now_us: int, lat_deg: F64, lng_deg: F64, at_us: I64,
    unshared: U8, room: I64, hidden: U8, tracks: NDArray[Any], seen_level: int, cells: Cells,
) -> int:  # fmt: skip
    """Moves who was accepted, from row `first` on; gives the row it came to, not the end if `cells` is too short.

    The index gets the places that others may see: centres of cells of `seen_level`, or of a fine grid for `EXACT`, and
    only then speed and heading are shown. Of those who are hidden it gets none.
    """
    for i in range(first, fix.size):
        slot = int(fix[i].slot)
        if judged[i].reason == GONE:
            continue
        unshared[slot] = 1
        if judged[i].reason != 0:
            continue
        bits = int(np.int64(judged[i].cell))
        if hidden[slot] == 0:
            k = find(cells.entry, bits)
            if (k == NOWHERE or cells.seat[slot].cell != k) and not change_cell(cells, slot, bits, k):
                return i
            k = int(cells.seat[slot].cell)
            row = cells.row[cells.cell[k].start + cells.seat[slot].row]
            x, y, z = judged[i].x, judged[i].y, judged[i].z
            heading = speed = 0
            if seen_level != EXACT:
                row.x, row.y, row.z = centre_xyz(x, y, z, seen_level)
            else:
                row.x, row.y, row.z = on_grid(x, y, z)
                if cells.cell[k].watchers > 0:
                    heading, speed = motion_of(fix[i], tracks[slot], x, y, z)
            note_change(cells, k)
            if cells.cell[k].watchers > 0:
                note_fix(cells.shown, slot, heading, speed)
        judged[i].crosses = room[slot] != bits
        room[slot] = bits
        lat_deg[slot] = fix[i].lat_deg
        lng_deg[slot] = fix[i].lng_deg
        at_us[slot] = now_us
    return int(fix.size)


@inner_kernel
def on_grid(x: float, y: float, z: float) -> tuple[float, float, float]:
    """A unit vector near by of which no more can be told than that: some 0.04 m off, 0.08 m at most."""
    x, y, z = np.rint(x * _GRID), np.rint(y * _GRID), np.rint(z * _GRID)
    scale = 1.0 / math.sqrt(x * x + y * y + z * z)
    return x * scale, y * scale, z * scale


@kernel
def choose_told(
    fix: NDArray[Any], judged: NDArray[Any], tracks: NDArray[Any], told: NDArray[Any], now_us: int,
    every_m: float, every_us: int, refused_every_us: int,
) -> None:  # fmt: skip
    """Fills `judged.tell` and `judged.amount`: which fixes become events, so that no player makes many.

    Movement less than the accuracies is rest, and walks no metres; it is not lost either, because distance is taken
    from the last place told.
    """
    for i in range(fix.size):
        if judged[i].reason == GONE:
            continue
        last = told[fix[i].slot]
        if judged[i].reason != 0:
            last.refused_count += 1
            if now_us - last.refused_us >= refused_every_us:
                judged[i].tell = TELL_REFUSED
                judged[i].amount = last.refused_count
                last.refused_us = now_us
                last.refused_count = 0
            continue
        moved_m = 0.0
        if judged[i].begins == 0:
            chord2 = (judged[i].x - last.x) ** 2 + (judged[i].y - last.y) ** 2 + (judged[i].z - last.z) ** 2
            reach_m = 2.0 * tracks[fix[i].slot].accuracy_m
            if not is_surely_within(chord2, reach_m):
                moved_m = metres_of_chord2(chord2)
            if moved_m <= reach_m:
                moved_m = 0.0
        if judged[i].begins != 0 or moved_m >= every_m or fix[i].time_us - last.time_us >= every_us:
            judged[i].tell = TELL_MOVED
            judged[i].amount = moved_m
            last.time_us = fix[i].time_us
            if judged[i].begins != 0 or moved_m > 0.0:
                last.x, last.y, last.z = judged[i].x, judged[i].y, judged[i].z


@kernel
def expire(cells: Cells, at_us: I64, before_us: int) -> int:
    """Takes out of the index who has no accepted fix since `before_us`; gives how many."""
    gone = 0
    for slot in range(at_us.size):
        if cells.seat[slot].cell != NOWHERE and at_us[slot] < before_us:
            unseat(cells, slot)
            gone += 1
    return gone


ALL = (judge_batch, move_batch, on_grid, choose_told, expire)
