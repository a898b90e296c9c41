"""When to send, and when to try again."""

from __future__ import annotations

import asyncio
from random import Random

_PAUSE_S_MAX = 10.0


class Pace:
    """Lets calls through one after another, at most so many a second."""

    def __init__(self, per_s: float) -> None:
        self._every_s = 1 / per_s
        self._next_s = 0.0

    async def turn(self) -> None:
        """Waits for one's turn."""
        now_s = asyncio.get_running_loop().time()
        wait_s = self._next_s - now_s
        self._next_s = max(self._next_s, now_s) + self._every_s
        if wait_s > 0:
            await asyncio.sleep(wait_s)


class Pauses:
    """The pauses before tries: a part of the first, then twice as long each time, up to 10 s or the first.

    Each is drawn by chance, so that the many who were cut off at once do not all come back at once.
    """

    def __init__(self, first_s: float, *, random: Random) -> None:
        self._first_s = first_s
        self._random = random
        self._tries = 0
        self._not_before_s = 0.0

    def begin(self) -> None:
        """The next try is the first of its row."""
        self._tries = 0

    def not_before(self, after_s: float) -> None:
        """The server asks not to come back for so long; it has spread that out itself."""
        self._not_before_s = asyncio.get_running_loop().time() + after_s

    def next_s(self) -> float:
        """How long to wait before the next try."""
        most_s = min(self._first_s * 2.0**self._tries, max(_PAUSE_S_MAX, self._first_s))
        least_s = 0.0 if self._tries == 0 else most_s / 2
        self._tries += 1
        asked_s = self._not_before_s - asyncio.get_running_loop().time()
        return asked_s if asked_s > 0 else self._random.uniform(least_s, most_s)
