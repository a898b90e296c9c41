"""One thread for what waits inside librdkafka: calls come one after another, and the loop goes on meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Thread:
    """A thread of its own for one client."""

    def __init__(self, name: str) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=name)

    async def call(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """What `work` gives, run in that thread. Cancelled, it is still run to its end there, in its turn."""
        loop = asyncio.get_running_loop()
        return await asyncio.shield(loop.run_in_executor(self._executor, lambda: work(*args, **kwargs)))

    def close(self) -> None:
        """No more calls; those that were made are run to their end."""
        self._executor.shutdown(wait=False)


def back_on(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, R], *, timeout_s: float) -> R:
    """What `work` gives, run on the loop, for a callback in such a thread.

    Raises: TimeoutError, after which the work is cancelled: it must not come later, when the thread has gone on.
    """
    running = asyncio.run_coroutine_threadsafe(work, loop)
    try:
        return running.result(timeout_s)
    finally:
        running.cancel()
