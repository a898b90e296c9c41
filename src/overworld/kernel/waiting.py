"""Queues as whoever watches them sees them: how many wait, how many may, since when the first does, who was refused."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from overworld.kernel.refusals import Busy

_MERGED_S = 0.05
_MERGED_PART = 0.01


class Queue(Protocol):
    """What every bounded queue tells of itself."""

    @property
    def waiting(self) -> int:
        """How many wait."""
        ...

    @property
    def waiting_max(self) -> int:
        """How many may."""
        ...

    @property
    def oldest_s(self) -> float:
        """For how long the first of them has waited; 0 when none does."""
        ...

    @property
    def refused(self) -> int:
        """How many were refused or dropped, over time, because too many waited."""
        ...


class Line:
    """Counts callers who wait, each for itself: they may leave in any order."""

    def __init__(self, waiting_max: int, *, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self.waiting_max = waiting_max
        self.refused = 0
        self._monotonic_s = monotonic_s
        self._since_s: dict[object, float] = {}

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._since_s)

    @property
    def oldest_s(self) -> float:
        """For how long the first of them has waited."""
        return next((self._monotonic_s() - since_s for since_s in self._since_s.values()), 0.0)

    def enter(self) -> object:
        """Takes a place; hand it back to `leave`. Raises: Busy when too many wait."""
        if len(self._since_s) >= self.waiting_max:
            self.refused += 1
            raise Busy(waiting=len(self._since_s))
        place = object()
        self._since_s[place] = self._monotonic_s()
        return place

    def leave(self, place: object) -> None:
        """Gives a place back."""
        del self._since_s[place]

    @contextmanager
    def standing(self) -> Iterator[None]:
        """Waits while the block runs. Raises: Busy when too many do."""
        place = self.enter()
        try:
            yield
        finally:
            self.leave(place)


class Marks:
    """Since when the first of a first-in, first-out queue waits, without a time kept for each.

    What comes within 50 ms, or within a hundredth of the longest wait, shares a mark: a queue that stands still for
    hours has some hundreds of them.
    """

    def __init__(self, *, monotonic_s: Callable[[], float]) -> None:
        self._monotonic_s = monotonic_s
        self._marks: deque[list[float]] = deque()

    @property
    def oldest_s(self) -> float:
        """For how long the first has waited, to a hundredth of the longest wait when it came; 0 when none waits."""
        return self._monotonic_s() - self._marks[0][0] if self._marks else 0.0

    def put(self, count: int) -> None:
        """So many came."""
        if count <= 0:
            return
        now_s, marks = self._monotonic_s(), self._marks
        if marks and now_s - marks[-1][0] < max(_MERGED_S, _MERGED_PART * (now_s - marks[0][0])):
            marks[-1][1] += count
        else:
            marks.append([now_s, count])

    def take(self, count: int) -> None:
        """So many left, the first ones."""
        marks = self._marks
        while count > 0 and marks:
            taken = min(count, int(marks[0][1]))
            marks[0][1] -= taken
            count -= taken
            if marks[0][1] <= 0:
                marks.popleft()
