"""Garbage collection that nobody waits for: what is there at the start is never looked through again.

CPython collects whenever enough containers were made, in the middle of whatever runs, and a full collection goes
through every object: a tenth of a second with the libraries of a server loaded. Here the heap of the start is frozen,
automatic collection is off, and young objects are collected every so often in a turn of the event loop of their own.
All that was made since is looked through when the process has little else to do.
Source: `gc` in the Python documentation; thresholds as CPython's own: 700 containers, ten young collections, a quarter.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable

_EVERY_S = 0.05
_YOUNG_MIN = 700
_YOUNG_PER_MIDDLE = 10
_GROWN_SHARE = 0.25
_GROWN_MIN = 50_000
_QUIET_SHARE = 0.25
_PATIENCE = 8


class Collector:
    """Takes over from the automatic collector of this process. `counts` and `longest_s` are by generation, 0 to 2."""

    def __init__(self, *, monotonic_s: Callable[[], float], cpu_s: Callable[[], float] = time.process_time) -> None:
        self.counts = [0, 0, 0]
        self.longest_s = [0.0, 0.0, 0.0]
        self._monotonic_s = monotonic_s
        self._cpu_s = cpu_s
        self._before_s = (monotonic_s(), cpu_s())
        self._is_quiet = False
        self._grown_old = 0
        self._old = 0

    def take_over(self) -> None:
        """Freezes what is there, and turns automatic collection off. Call it when everything is warm."""
        gc.collect()
        gc.freeze()
        gc.disable()

    async def run(self) -> None:
        """Collects until cancelled."""
        while True:
            await asyncio.sleep(_EVERY_S)
            self.turn()

    def turn(self) -> None:
        """Collects what is due: the young when there are enough, every tenth time the middle too.

        All that was made since the start is due when a quarter of it, and 50,000 objects, have grown old since the last
        time; then it waits for a turn before which the process was quiet, until eight times as many have.
        """
        self._look_at_load()
        if gc.get_count()[0] < _YOUNG_MIN:
            return
        if gc.get_count()[1] < _YOUNG_PER_MIDDLE:
            self._collect(0)
            return
        growing = len(gc.get_objects(generation=0)) + len(gc.get_objects(generation=1))
        self._grown_old += growing - self._collect(1)
        due = max(_GROWN_MIN, _GROWN_SHARE * self._old)
        if self._grown_old > (due if self._is_quiet else _PATIENCE * due):
            self._collect(2)
            self._grown_old, self._old = 0, len(gc.get_objects(generation=2))

    def _look_at_load(self) -> None:
        """Quiet is who has used less than a quarter of a processor since the last turn."""
        now_s, used_s = self._monotonic_s(), self._cpu_s()
        before_s, used_before_s = self._before_s
        self._before_s = now_s, used_s
        self._is_quiet = used_s - used_before_s < _QUIET_SHARE * (now_s - before_s)

    def _collect(self, generation: int) -> int:
        started_s = self._monotonic_s()
        found = gc.collect(generation)
        self.counts[generation] += 1
        self.longest_s[generation] = max(self.longest_s[generation], self._monotonic_s() - started_s)
        return found
