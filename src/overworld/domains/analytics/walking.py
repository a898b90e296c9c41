"""Players on their way through the steps of a funnel, told in the order of time and in pieces of any size."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from overworld.geo.compiled import threaded_kernel

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]

_SLOTS_FIRST = 1 << 12
_NEVER = np.iinfo(np.int64).min


class Walk:
    """How far each player came. What it takes is 16 to 32 bytes and 8 a step for each player, whatever they did.

    Of everything that reaches a step the latest beginning is carried on, the newest first step that leads to it: with a
    later beginning there is never less time left, so nobody is lost.
    """

    def __init__(self, *, steps: int, within_us: int) -> None:
        self._steps = steps
        self._within_us = within_us
        self._count = 0
        self._who = np.zeros(_SLOTS_FIRST, np.uint64)
        self._begun = np.full((_SLOTS_FIRST, steps), _NEVER, np.int64)

    def tell(self, who: U64, at_us: I64, step: I64) -> None:
        """What happened next, in any order among itself, but not before what was told before; aligned, (n,).

        Of what happened at the same time nothing follows anything else.
        """
        order = np.argsort(at_us * 16 + (15 - step), kind="stable")
        who, at_us, step = who[order], at_us[order], step[order].astype(np.int64)
        done = 0
        while done < len(who):
            done, self._count = _walk(self._who, self._begun, who, at_us, step, done, self._count, self._within_us)
            if done < len(who):
                self._grow()

    def reached(self) -> list[int]:
        """How many players came to each step, (steps,)."""
        return [int(count) for count in np.count_nonzero(self._begun != _NEVER, axis=0)]

    def _grow(self) -> None:
        wider = np.zeros(2 * len(self._who), np.uint64)
        begun = np.full((len(wider), self._steps), _NEVER, np.int64)
        _move(self._who, self._begun, wider, begun)
        self._who, self._begun = wider, begun


@threaded_kernel
def _walk(  # noqa: PLR0917  # kernels take no keywords
    table: U64, begun: I64, who: U64, at_us: I64, step: I64, start: int, count: int, within_us: int
) -> tuple[int, int]:
    """Goes on at `start` until the table is half full; how far it came, and how many players are in the table."""
    last = np.uint64(len(table) - 1)
    full = len(table) // 2
    for i in range(start, len(who)):
        # A player whose hash is 0 goes as 1: one in 2^64.
        key = who[i] if who[i] != np.uint64(0) else np.uint64(1)
        slot = key & last
        while table[slot] != np.uint64(0) and table[slot] != key:
            slot = (slot + np.uint64(1)) & last
        if table[slot] == np.uint64(0):
            if step[i] > 0:
                continue  # nothing can follow what never began
            if count >= full:
                return i, count
            table[slot] = key
            count += 1
        if step[i] == 0:
            begun[slot, 0] = at_us[i]
        else:
            since_us = begun[slot, step[i] - 1]
            if since_us != _NEVER and at_us[i] - since_us <= within_us:
                begun[slot, step[i]] = since_us
    return len(who), count


@threaded_kernel
def _move(table: U64, begun: I64, wider: U64, wider_begun: I64) -> None:
    """Puts players into a larger table."""
    last = np.uint64(len(wider) - 1)
    for i in range(len(table)):
        if table[i] != np.uint64(0):
            slot = table[i] & last
            while wider[slot] != np.uint64(0):
                slot = (slot + np.uint64(1)) & last
            wider[slot] = table[i]
            for k in range(begun.shape[1]):
                wider_begun[slot, k] = begun[i, k]
