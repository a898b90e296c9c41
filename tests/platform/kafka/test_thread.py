"""The thread of a client: what it was asked for is done, and what a callback no longer waits for is not."""

from __future__ import annotations

import asyncio
import threading

import pytest

from overworld.platform.kafka.thread import Thread, back_on


async def test_a_call_that_is_no_longer_waited_for_is_made_in_its_turn():
    """A client that is not closed because leaving took too long would keep its partitions from all others."""
    thread, gate, closed = Thread("test"), threading.Event(), threading.Event()
    busy = asyncio.create_task(thread.call(gate.wait))
    closing = asyncio.create_task(thread.call(closed.set))
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait([closing])
    thread.close()
    gate.set()
    await busy
    assert await asyncio.to_thread(closed.wait, 10)


async def test_work_of_a_callback_that_waited_in_vain_does_not_come_later():
    loop, cancelled = asyncio.get_running_loop(), asyncio.Event()

    async def late():
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    with pytest.raises(TimeoutError):
        await asyncio.to_thread(lambda: back_on(loop, late(), timeout_s=0.01))
    async with asyncio.timeout(10):
        await cancelled.wait()
