"""Answers that are kept for as long as they are fresh enough, and worked out once however many ask."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

from overworld.kernel.clock import Clock

T = TypeVar("T")
_KEPT_MAX = 1_000


class Freshness:
    """Keeps answers by what was asked, for as long as whoever asked first takes them.

    An answer that is older goes with the next that comes, for some hold a million bytes and are never asked for again;
    when there are too many, the one that was not asked for longest.
    """

    def __init__(self, clock: Clock, *, kept_max: int = _KEPT_MAX) -> None:
        self._clock = clock
        self._kept_max = kept_max
        self._kept: OrderedDict[Hashable, tuple[float, float, Any]] = OrderedDict()
        self._under_way: dict[Hashable, asyncio.Task[Any]] = {}

    async def of(self, key: Hashable, work: Callable[[], Awaitable[T]], *, age_max_s: float) -> T:
        """The answer under a key, not older than `age_max_s`. Raises: what `work` raises, to all that wait for it."""
        kept = self._kept.get(key)
        if kept is not None and self._clock.monotonic_s() - kept[0] < age_max_s:
            self._kept.move_to_end(key)
            found: T = kept[2]
            return found
        task = self._under_way.get(key)
        if task is None:
            task = self._under_way[key] = asyncio.ensure_future(self._work(key, work, age_max_s=age_max_s))
        # One who goes away must not take the answer from the others.
        answer: T = await asyncio.shield(task)
        return answer

    async def _work(self, key: Hashable, work: Callable[[], Awaitable[T]], *, age_max_s: float) -> T:
        begun_s = self._clock.monotonic_s()
        try:
            answer = await work()
        finally:
            del self._under_way[key]
        self._forget_old()
        self._kept[key] = (begun_s, age_max_s, answer)
        self._kept.move_to_end(key)
        while len(self._kept) > self._kept_max:
            self._kept.popitem(last=False)
        return answer

    def _forget_old(self) -> None:
        now_s = self._clock.monotonic_s()
        for key in [key for key, (begun_s, age_max_s, _) in self._kept.items() if now_s - begun_s >= age_max_s]:
            del self._kept[key]
