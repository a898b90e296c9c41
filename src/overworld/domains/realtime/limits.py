"""The bound on how fast one connection may send."""

from __future__ import annotations


class FrameRate:
    """A token bucket as one number: the time at which it is full again.

    Source: the generic cell rate algorithm as virtual scheduling, ITU-T I.371, annex A.
    """

    __slots__ = ("_full_at_s", "_reach_s", "_step_s")

    def __init__(self, *, per_s: float, burst: int) -> None:
        self._step_s = 1.0 / per_s
        self._reach_s = (burst + 0.5) * self._step_s  # half a step absorbs rounding, so a burst is exactly `burst`
        self._full_at_s = 0.0

    def take(self, now_s: float) -> bool:
        """Takes one token; False, and nothing taken, when there is none. `now_s` never goes back."""
        full_at_s = self._full_at_s  # without max(), which takes as long as all the rest
        full_at_s = (full_at_s if full_at_s > now_s else now_s) + self._step_s
        if full_at_s - now_s > self._reach_s:
            return False
        self._full_at_s = full_at_s
        return True
