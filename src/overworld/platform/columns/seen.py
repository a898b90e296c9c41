"""The event ids that came lately, so that an event which comes twice is kept once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from overworld.geo.compiled import kernel

_SLOTS_FIRST = 1 << 12
_LOAD_MAX = 0.5

U64 = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]


class Seen:
    """The newest ids, at least half of `ids_max` and at most all: two tables, the older of which is dropped when the
    newer is full. 32 bytes an id at most; 64 bits of each are kept, so what it finds is likely and not certain.
    """

    def __init__(self, ids_max: int) -> None:
        self._half_max = max(1, ids_max // 2)
        self._newer = _empty(_SLOTS_FIRST)
        self._older = _empty(_SLOTS_FIRST)
        self._count = 0

    def add(self, keys: U64) -> None:
        """Remembers the keys, (n,)."""
        for start in range(0, len(keys), self._half_max):
            self._add(keys[start : start + self._half_max])

    def find(self, keys: U64) -> Mask:
        """Which keys are remembered, or stand before in the same column; bool (n,)."""
        known = np.empty(len(keys), np.bool_)
        own = _empty(_slots_for(len(keys)))
        _find(self._newer, self._older, own, keys, known)
        return known

    def _add(self, keys: U64) -> None:
        if self._count + len(keys) > self._half_max:
            self._older, self._newer, self._count = self._newer, _empty(_SLOTS_FIRST), 0
        self._count += len(keys)
        if self._count > _LOAD_MAX * len(self._newer):
            wider = _empty(_slots_for(self._count))
            _insert(wider, self._newer)
            self._newer = wider
        _insert(self._newer, keys)


def keys_of(event_ids: bytes) -> U64:
    """A key of 64 bits for each id of 16 bytes: its halves, mixed, so that ids made of time and chance spread as well.

    Source: finalizer of SplitMix64, Steele, Lea, Flood, OOPSLA 2014.
    """
    halves = np.frombuffer(event_ids, np.uint64).reshape(-1, 2)
    mixed = halves[:, 0] * np.uint64(0x9E3779B97F4A7C15) ^ halves[:, 1]
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return np.where(mixed == 0, np.uint64(1), mixed)


def _empty(slots: int) -> U64:
    return np.zeros(slots, np.uint64)


def _slots_for(count: int) -> int:
    return max(_SLOTS_FIRST, 1 << int(count / _LOAD_MAX).bit_length())


@kernel
def _insert(table: U64, keys: U64) -> None:
    """Puts keys into a table with room for them; 0 is no key."""
    last = np.uint64(len(table) - 1)
    for i in range(len(keys)):
        key = keys[i]
        if key == np.uint64(0):
            continue
        slot = key & last
        while table[slot] != np.uint64(0) and table[slot] != key:
            slot = (slot + np.uint64(1)) & last
        table[slot] = key


@kernel
def _find(newer: U64, older: U64, own: U64, keys: U64, known: Mask) -> None:
    """Fills `known`; `own` is an empty table with room for all keys."""
    for i in range(len(keys)):
        key = keys[i]
        found = False
        for table in (newer, older, own):
            last = np.uint64(len(table) - 1)
            slot = key & last
            while table[slot] != np.uint64(0) and table[slot] != key:
                slot = (slot + np.uint64(1)) & last
            if table[slot] == key:
                found = True
        known[i] = found
        if not found:
            last = np.uint64(len(own) - 1)
            slot = key & last
            while own[slot] != np.uint64(0):
                slot = (slot + np.uint64(1)) & last
            own[slot] = key
