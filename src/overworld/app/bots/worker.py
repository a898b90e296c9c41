"""A process of bots: it does as it is told over a pipe, and ends when the other end of that is gone."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

import uvloop

from overworld.app.bots.fleet import TROUBLE, Fleet
from overworld.app.bots.wire import Begin, End, Failed, Plan, Ready
from overworld.app.open_files import allow_open_files


def work(plan: Plan, line: Connection) -> None:
    """What the process does from its beginning to its end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; who started us tells us what to do
    allow_open_files(connections_max=plan.players // plan.of + 100)
    with suppress(asyncio.CancelledError):
        uvloop.run(_Work(plan, line).done())


class _Work:
    def __init__(self, plan: Plan, line: Connection) -> None:
        self._line = line
        self._plan = plan
        self._begin: asyncio.Future[Begin]

    async def done(self) -> None:
        self._begin = asyncio.get_running_loop().create_future()
        try:
            fleet = Fleet(self._plan, say=self._say)
        except TROUBLE as trouble:
            self._say(Failed(str(trouble)))
            return
        running = asyncio.current_task()
        assert running is not None  # noqa: S101 - it is this one
        listening = asyncio.create_task(self._listen(fleet, running))
        try:
            await fleet.enter()
            self._say(Ready())
            begin = await self._begin
            self._say(await fleet.run(begin.start_us))
        except TROUBLE as trouble:
            self._say(Failed(f"{trouble or type(trouble).__name__}"))
        finally:
            listening.cancel()
            fleet.close()

    def _say(self, what: Any) -> None:
        with suppress(BrokenPipeError, OSError):
            self._line.send(what)

    async def _listen(self, fleet: Fleet, running: asyncio.Task[Any]) -> None:
        while True:
            try:
                told = await asyncio.to_thread(self._line.recv)
            except (EOFError, OSError):
                running.cancel()
                return
            if isinstance(told, Begin):
                self._begin.set_result(told)
            elif isinstance(told, End):
                fleet.end()
