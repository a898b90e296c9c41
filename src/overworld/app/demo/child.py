"""The walkers beside a server: a process of their own, so they cost its loop nothing and use its public doors only."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import NoReturn

import structlog

from overworld.app.demo.settings import DemoSettings
from overworld.app.loops import Loops

_END_S = 5.0


class WalkersEnded(Exception):
    """The walkers' process ended by itself, which it never should."""


@asynccontextmanager
async def walkers(settings: DemoSettings, *, data: Path) -> AsyncIterator[None]:
    """Has walkers walk through the server that uses the data folder while the block runs, if they are enabled.

    Should their process end, that is logged and it is started again after a growing pause. Ours may end in any way: the
    pipe to their standard input ends with it, and then they end too.
    """
    loops = Loops()
    if settings.enabled:
        loops.run("demo", partial(_keep_walking, _command(settings, data)))
    try:
        yield
    finally:
        await loops.stop()


def _command(settings: DemoSettings, data: Path) -> Sequence[str]:
    options = [f"--{name.replace('_', '-')}={getattr(settings, name)}" for name in ("walkers", "seed", "lat", "lng")]
    options += [f"--radius-m={settings.radius_m}", f"--data={data.absolute()}", "--until-input-ends"]
    return [sys.executable, "-m", "overworld", "demo", *options]


async def _keep_walking(command: Sequence[str]) -> NoReturn:
    """Raises: WalkersEnded; OSError when they cannot be started."""
    # A session of its own: Ctrl-C reaches the server alone, which then ends the walkers in its order.
    process = await asyncio.create_subprocess_exec(
        *command, stdin=PIPE, stdout=PIPE, stderr=STDOUT, start_new_session=True
    )
    try:
        last_words = await _log(process)
        raise WalkersEnded(f"exit code {await process.wait()}: {last_words}")
    finally:
        await _end(process)


async def _log(process: Process) -> str:
    """Logs what they say until they end; gives the last line."""
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    log = structlog.get_logger("overworld.demo")
    said = ""
    async for line in process.stdout:
        said = line.decode(errors="replace").rstrip()
        log.info(said)
    return said


async def _end(process: Process) -> None:
    """Lets them finish what they began, for a while."""
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(_END_S):
            await _log(process)
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
