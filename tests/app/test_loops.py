"""Background loops go on after a failure and end when they are told to."""

import asyncio

from overworld.app import loops as loops_module
from overworld.app.loops import Loops


async def test_a_loop_that_fails_is_counted_and_runs_again(monkeypatch):
    monkeypatch.setattr(loops_module, "_PAUSE_FIRST_S", 0.0)
    runs: asyncio.Queue[int] = asyncio.Queue()
    count = 0

    async def fails_twice() -> None:
        nonlocal count
        count += 1
        runs.put_nowait(count)
        if count <= 2:
            raise RuntimeError("broken for a moment")
        await asyncio.Event().wait()

    loops = Loops()
    loops.run("shaky", fails_twice)
    assert [await runs.get() for _ in range(3)] == [1, 2, 3]
    assert loops.failures == {"shaky": 2}
    await loops.stop()


async def test_stop_ends_every_loop_and_waits_for_its_last_word():
    ended: list[str] = []
    started = asyncio.Event()

    async def until_told() -> None:
        try:
            started.set()
            await asyncio.Event().wait()
        finally:
            ended.append("loop")

    loops = Loops()
    loops.run("patient", until_told)
    await started.wait()
    await loops.stop()
    assert ended == ["loop"]
    assert not loops.failures


async def test_a_loop_that_returns_has_finished():
    runs = 0
    done = asyncio.Event()

    async def once() -> None:
        nonlocal runs
        runs += 1
        done.set()

    loops = Loops()
    loops.run("once", once)
    await done.wait()
    await asyncio.sleep(0)
    await loops.stop()
    assert runs == 1


async def test_a_loop_that_fails_on_its_way_out_is_not_run_again():
    started: asyncio.Queue[None] = asyncio.Queue()

    async def breaks_at_the_end() -> None:
        started.put_nowait(None)
        try:
            await asyncio.Event().wait()
        finally:
            raise RuntimeError("the connection is gone")

    loops = Loops()
    loops.run("breaking", breaks_at_the_end)
    await started.get()
    async with asyncio.timeout(5):
        await loops.stop()
    assert (loops.failures, started.empty()) == ({}, True)
