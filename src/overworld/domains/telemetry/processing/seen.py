"""The ids of events that went by, so that a second one is known: a window, bounded in memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from overworld.geo.columns import U64, Bools


class SeenIds:
    """The last `kept_max` ids, each as 64 bits of it: 8 bytes of memory an id.

    Two of two million ids look alike by chance once in 10^7 such windows. Ids lie in sorted runs, and runs of like size
    are merged, so that there are never more than about the logarithm of their number; the oldest is dropped first.
    """

    def __init__(self, *, kept_max: int) -> None:
        self._kept_max = kept_max
        self._run_max = max(1, kept_max // 8)
        self._runs: list[U64] = []

    def __len__(self) -> int:
        return sum(len(run) for run in self._runs)

    def first_times(self, ids: np.ndarray[Any, np.dtype[np.void]]) -> Bools:
        """Which of the ids of 16 bytes, (n,), are new, the first of each kind; they are known from then on."""
        half = np.ascontiguousarray(ids).view(np.uint64)
        number = half[0::2] ^ (half[1::2] * np.uint64(0x9E37_79B9_7F4A_7C15))
        known, first = np.unique(number, return_index=True)
        fresh = np.zeros(len(number), np.bool_)
        fresh[first] = True
        new = np.ones(len(known), np.bool_)
        for run in self._runs:
            at = np.searchsorted(run, known)
            at[at == len(run)] = 0
            new &= run[at] != known
        fresh[first[~new]] = False
        self._add(known[new])
        return fresh

    def _add(self, run: U64) -> None:
        if not len(run):
            return
        self._runs.append(run)
        while len(self._runs) > 1 and self._may_merge(self._runs[-2], self._runs[-1]):
            newer = self._runs.pop()
            self._runs[-1] = np.sort(np.concatenate([self._runs[-1], newer]), kind="stable")
        while len(self) > self._kept_max and len(self._runs) > 1:
            del self._runs[0]

    def _may_merge(self, older: U64, newer: U64) -> bool:
        return len(older) < 2 * len(newer) and len(older) + len(newer) <= self._run_max
