"""Background loops: kept running while the server lives, loud when they fail, ended together."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import structlog

from overworld.kernel.cancelling import end_if_cancelled

_PAUSE_FIRST_S = 0.1
_PAUSE_MAX_S = 5.0

Loop = Callable[[], Awaitable[None]]


class Loops:
    """Runs loops until `stop`. One that fails is logged, counted in `failures` and run again after a growing pause.

    A loop that returns has finished its work and is not run again.
    """

    def __init__(self) -> None:
        self.failures: Counter[str] = Counter()
        self._tasks: list[asyncio.Task[None]] = []

    def run(self, name: str, loop: Loop) -> None:
        """Starts a loop under a name of its own."""
        self._tasks.append(asyncio.create_task(self._keep(name, loop), name=name))

    async def stop(self) -> None:
        """Cancels every loop and waits for the last one."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def _keep(self, name: str, loop: Loop) -> None:
        pause_s = _PAUSE_FIRST_S
        while True:
            started_s = asyncio.get_running_loop().time()
            try:
                await loop()
            except Exception:
                end_if_cancelled()
                self.failures[name] += 1
                structlog.get_logger("overworld.loops").exception("loop failed", loop=name, again_in_s=pause_s)
            else:
                return
            await asyncio.sleep(pause_s)
            lasted_s = asyncio.get_running_loop().time() - started_s
            pause_s = _PAUSE_FIRST_S if lasted_s > 2 * _PAUSE_MAX_S else min(2 * pause_s, _PAUSE_MAX_S)
