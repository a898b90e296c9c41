"""What watchers were last told of each player: columns beside the seats of the index, (slots,).

A player is shown only in the cell it sits in, and only while somebody watches that cell. Who is shown and leaves its
seat is written into `departed`, at most once between two publications, so the columns never overflow. Who moves on by
itself is in a list in the order in which that ends; it runs through the records, as slot + 1, 0 being nobody.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from overworld.geo.columns import I32, I64
from overworld.geo.compiled import inner_kernel
from overworld.kernel.packed import COAST_S

SHOWN, FRESH, COASTS = 1, 2, 4
"""In `flags`: watchers know of it; a fix came since the last publication; it moves on by itself in their eyes."""

COAST_MS = int(COAST_S * 1_000)

# `east`, `north`, `heading` and `speed` as watchers have them since `when_ms`; by then they had let it move on for
# `coasted_ms` already; `fixed_ms`, `fix_heading` and `fix_speed` are of the last fix.
ENTITY = np.dtype(
    [
        ("when_ms", "<i8"),
        ("fixed_ms", "<i8"),
        ("id", "<u4"),
        ("next", "<i4"),
        ("before", "<i4"),
        ("east", "<i2"),
        ("north", "<i2"),
        ("coasted_ms", "<u2"),
        ("heading", "u1"),
        ("speed", "u1"),
        ("fix_heading", "u1"),
        ("fix_speed", "u1"),
        ("flags", "u1"),
        ("spare", "u1"),
    ]
)
DEPARTED = np.dtype([("cell", "<i4"), ("id", "<u4")])

N_DEPARTED, N_FRESH, COAST_FIRST, COAST_LAST = 0, 1, 2, 3


class Shown(NamedTuple):
    """`used` counts entries of `departed` and `fresh` (slots), and names the first and the last who coast."""

    entity: NDArray[Any]
    departed: NDArray[Any]
    fresh: I32
    used: I64


def shown_columns(players: int) -> Shown:
    """Columns for so many slots, nobody shown."""
    return Shown(
        entity=np.zeros(players, ENTITY),
        departed=np.zeros(players, DEPARTED),
        fresh=np.zeros(players, np.int32),
        used=np.zeros(4, np.int64),
    )


def longer(shown: Shown, players: int) -> Shown:
    """The same with room for more slots."""
    more = shown_columns(players - shown.entity.size)
    return Shown(
        entity=np.concatenate([shown.entity, more.entity]),
        departed=np.concatenate([shown.departed, more.departed]),
        fresh=np.concatenate([shown.fresh, more.fresh]),
        used=shown.used,
    )


@inner_kernel
def coast_off(shown: Shown, slot: int) -> None:
    """Takes who is in it out of the list of those who coast."""
    one = shown.entity[slot]
    if one.flags & COASTS == 0:
        return
    if one.before == 0:
        shown.used[COAST_FIRST] = one.next
    else:
        shown.entity[one.before - 1].next = one.next
    if one.next == 0:
        shown.used[COAST_LAST] = one.before
    else:
        shown.entity[one.next - 1].before = one.before
    one.next = one.before = 0
    one.flags &= ~COASTS


@inner_kernel
def coast(shown: Shown, slot: int) -> None:
    """Puts a player at the end of the list of those who coast, or takes it out when it has no speed."""
    coast_off(shown, slot)
    one = shown.entity[slot]
    if one.speed == 0:
        return
    last = shown.used[COAST_LAST]
    one.before = last
    if last == 0:
        shown.used[COAST_FIRST] = slot + 1
    else:
        shown.entity[last - 1].next = slot + 1
    shown.used[COAST_LAST] = slot + 1
    one.flags |= COASTS


@inner_kernel
def depart(shown: Shown, slot: int, cell: int) -> None:
    """Notes that a player is no longer where watchers were told; nothing when they were told nothing."""
    one = shown.entity[slot]
    if one.flags & SHOWN == 0:
        return
    n = shown.used[N_DEPARTED]
    shown.departed[n].cell = cell
    shown.departed[n].id = one.id
    shown.used[N_DEPARTED] = n + 1
    coast_off(shown, slot)
    one.flags &= ~SHOWN


@inner_kernel
def note_fix(shown: Shown, slot: int, heading: int, speed: int) -> None:
    """Notes a new fix of a player in a cell that somebody watches."""
    one = shown.entity[slot]
    one.fix_heading = heading
    one.fix_speed = speed
    if one.flags & FRESH == 0:
        one.flags |= FRESH
        shown.fresh[shown.used[N_FRESH]] = slot
        shown.used[N_FRESH] += 1


ALL = (coast_off, coast, depart, note_fix)
