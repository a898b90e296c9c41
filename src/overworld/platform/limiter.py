"""Token buckets in this process's memory."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable

from overworld.kernel.ports import Limit, Taken

BUCKETS_MAX = 100_000
_ROUNDING = 1e-9


class MemoryLimiter:
    """The kernel's Limiter for one process. A bucket costs one float: when it will be full again.

    At most `buckets_max` are kept. A new one pushes out the one longest not asked for, which is full again unless
    more than `buckets_max` callers spend at once; then that caller starts afresh, rather than memory growing.
    Source: the generic cell rate algorithm, ITU-T I.371, equal to a token bucket.
    """

    def __init__(self, *, monotonic_s: Callable[[], float], buckets_max: int = BUCKETS_MAX) -> None:
        self._monotonic_s = monotonic_s
        self._buckets_max = buckets_max
        self._full_at_s: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at_s)

    async def take(self, key: str, limit: Limit, *, cost: int = 1) -> Taken:
        """Takes `cost` tokens of the bucket `key`, or nothing when they are not there.

        Raises: ValueError for a cost below 0 or above the burst, which no wait would ever allow.
        """
        if not 0 <= cost <= limit.burst:
            raise ValueError(f"cost {cost} is outside 0..{limit.burst}")
        now_s = self._monotonic_s()
        fill_s = limit.burst / limit.per_s
        full_at_s = max(self._full_at_s.get(key, now_s), now_s)
        if full_at_s > now_s + fill_s * (1 + _ROUNDING):  # the limit was larger: what is kept shrinks with it
            full_at_s = self._full_at_s[key] = now_s + fill_s
        wanted_s = full_at_s + cost / limit.per_s
        wait_s = wanted_s - now_s - fill_s
        allowed = wait_s <= _ROUNDING * fill_s
        if allowed:
            self._keep(key, wanted_s, now_s=now_s)
            full_at_s = wanted_s
        used_s = full_at_s - now_s
        return Taken(
            allowed=allowed,
            remaining=max(0, math.floor((fill_s - used_s) * limit.per_s + _ROUNDING * limit.burst)),
            reset_s=used_s,
            retry_after_s=0.0 if allowed else wait_s,
        )

    def _keep(self, key: str, full_at_s: float, *, now_s: float) -> None:
        self._full_at_s[key] = full_at_s
        self._full_at_s.move_to_end(key)
        oldest, oldest_full_at_s = next(iter(self._full_at_s.items()))
        if oldest_full_at_s <= now_s or len(self._full_at_s) > self._buckets_max:
            del self._full_at_s[oldest]
