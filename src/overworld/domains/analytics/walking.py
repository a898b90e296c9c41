"""Players on their way through the steps of a funnel, told in the order of time and in pieces of any size."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from overworld.geo.compiled import threaded_kernel

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]

_SLOTS_FIRST = 1 << 12
_TURNED = np.iinfo(np.int64).min
_AT_ONCE = 64
_STEPS_ROOM = 16  # what a step is written into, below the time


class Walk:
    """How far each player came. What it takes is 16 to 32 bytes and 8 a step for each player, whatever they did.

    Of everything that reaches a step the latest beginning is carried on, the newest first step that leads to it: with a
    later beginning there is never less time left, so nobody is lost.
    """

    def __init__(self, *, steps: int, within_us: int) -> None:
        self._within_us = within_us
        self._count = 0
        self._table = _empty(_SLOTS_FIRST, steps)
        self._reached = np.zeros(steps, np.int64)

    def tell(self, who: U64, at_us: I64, step: U8 | I64) -> None:
        """What happened next, in any order among itself, but not before what was told before; aligned, (n,).

        Of what happened at the same time nothing follows anything else. What comes in long runs that are in the order
        of time, as files have it, takes less.
        """
        key = at_us * _STEPS_ROOM  # the last step first
        key += _STEPS_ROOM - 1
        key -= step
        order = np.argsort(key, kind="stable")
        key, player = key[order], who.view(np.int64)[order]
        done = 0
        while done < len(key):
            done, self._count, _ = _walk(self._table, self._reached, key, player, done, self._count, self._within_us)
            if done < len(key):
                self._grow()

    def reached(self) -> list[int]:
        """How many players came to each step, (steps,)."""
        return [int(count) for count in self._reached]

    def _grow(self) -> None:
        wider = _empty(2 * len(self._table), self._table.shape[1] - 1)
        _move(self._table, wider)
        self._table = wider


def _empty(slots: int, steps: int) -> I64:
    """A table of players: the bits of who it is, 0 for nobody, then the beginning that led to each step, 0 for none.

    Memory that nobody touches is not there, so it is all zeros, and times have their first bit turned.
    """
    return np.zeros((slots, 1 + steps), np.int64)


@threaded_kernel
def _walk(  # noqa: PLR0917  # kernels take no keywords
    table: I64, reached: I64, key: I64, player: I64, start: int, count: int, within_us: int
) -> tuple[int, int, int]:
    """Goes on at `start` until the table is half full; how far it came, and how many players are in the table.

    Some players are looked up at a time before they are needed, so that memory brings several at once: each waits for
    the one before it otherwise. The third number says nothing; without it nobody would be looked up.
    """
    last = len(table) - 1
    full = len(table) // 2
    met = 0
    for first in range(start, len(key), _AT_ONCE):
        beyond = min(first + _AT_ONCE, len(key))
        for i in range(first, beyond):
            met |= table[player[i] & last, 0]
        for i in range(first, beyond):
            at, step = key[i] >> 4 ^ _TURNED, 15 - (key[i] & 15)
            # A player whose hash is 0 goes as 1: one in 2^64.
            who = player[i] if player[i] != 0 else 1
            slot = who & last
            while table[slot, 0] != 0 and table[slot, 0] != who:
                slot = (slot + 1) & last
            if table[slot, 0] == 0:
                if step > 0:
                    continue  # nothing can follow what never began
                if count >= full:
                    return i, count, met
                table[slot, 0] = who
                count += 1
                reached[0] += 1
            if step == 0:
                table[slot, 1] = at
            else:
                since = table[slot, step]
                if since != 0 and at - since <= within_us:
                    reached[step] += table[slot, step + 1] == 0
                    table[slot, step + 1] = since
    return len(key), count, met


@threaded_kernel
def _move(table: I64, wider: I64) -> None:
    """Puts players into a larger table."""
    last = len(wider) - 1
    for i in range(len(table)):
        if table[i, 0] != 0:
            slot = table[i, 0] & last
            while wider[slot, 0] != 0:
                slot = (slot + 1) & last
            for k in range(table.shape[1]):
                wider[slot, k] = table[i, k]
