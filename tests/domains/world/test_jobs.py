"""What runs from time to time keeps running, and says when it failed."""

from __future__ import annotations

import asyncio

import pytest

from overworld.domains.world.jobs import Job
from overworld.kernel.refusals import Fault


@pytest.mark.parametrize(("error", "level"), [(Fault("gone"), "WARNING"), (ZeroDivisionError(), "ERROR")])
async def test_a_step_that_fails_is_logged_and_runs_again(error, level, caplog):
    tries: list[int] = []
    enough = asyncio.Event()

    async def step():
        tries.append(len(tries))
        if len(tries) == 3:
            enough.set()
            await asyncio.Event().wait()
        raise error

    task = asyncio.create_task(Job("test", 0.0, step).run())
    await asyncio.wait_for(enough.wait(), 5)
    task.cancel()
    assert tries == [0, 1, 2]
    assert [record.levelname for record in caplog.records] == [level] * 2


def test_a_single_server_shares_nothing_and_several_do(open_field):
    async def names(**settings):
        return {job.name for job in open_field(**settings).parts.jobs}

    alone = asyncio.run(names())
    assert alone == {"world.expire", "world.forget", "world.dwelling", "world.write_events"}
    assert asyncio.run(names(share_fixes=True)) - alone == {"world.share_fixes", "world.delete_shared_fixes"}


async def test_the_jobs_run_from_start_to_stop(field):
    await field.parts.start()
    assert {task.get_name() for task in asyncio.all_tasks()} >= {job.name for job in field.parts.jobs}
    await field.parts.stop()
    assert {task.get_name() for task in asyncio.all_tasks()}.isdisjoint({job.name for job in field.parts.jobs})
