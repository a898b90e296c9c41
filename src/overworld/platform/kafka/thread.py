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
        """What `work` gives, run in that thread. Cancelled, it is still run to its end there."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, lambda: work(*args, **kwargs))

    def close(self) -> None:
        """No more calls; the one under way ends by itself."""
        self._executor.shutdown(wait=False)


def back_on(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, R], *, timeout_s: float) -> R:
    """What `work` gives, run on the loop, for a callback in such a thread. Raises: TimeoutError."""
    return asyncio.run_coroutine_threadsafe(work, loop).result(timeout_s)
