"""LISTEN on one connection that comes back by itself."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol

import asyncpg

from overworld.kernel.cancelling import end_if_cancelled
from overworld.platform.postgres.errors import DatabaseUnavailable

OnNotice = Callable[[str], None]

_PROBE_S = 30.0
_FIRST_PAUSE_S = 0.1
_PAUSE_MAX_S = 5.0

_log = logging.getLogger(__name__)


class Connect(Protocol):
    """Opens a connection of its own, with server settings."""

    async def __call__(self, **session: str) -> asyncpg.Connection: ...


class Listener:
    """Every channel of a process on one connection, opened with the first channel and kept until `close`."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._callbacks: dict[str, list[OnNotice]] = {}
        self._task: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()

    @asynccontextmanager
    async def listening(self, channel: str, on_notice: OnNotice) -> AsyncIterator[None]:
        """Hears the channel while the block runs; see `Database.listen`."""
        self._callbacks.setdefault(channel, []).append(on_notice)
        self._changed.set()
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="postgres-listener")
        try:
            yield
        finally:
            self._callbacks[channel].remove(on_notice)
            if not self._callbacks[channel]:
                del self._callbacks[channel]
            self._changed.set()

    async def close(self) -> None:
        """Stops listening and closes the connection."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def _run(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                connection = await self._connect()
            except DatabaseUnavailable as error:
                _log.warning("cannot listen for notices, next try in %.1f s: %s", pause_s, error)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _PAUSE_MAX_S)
                continue
            pause_s = _FIRST_PAUSE_S
            try:
                await self._serve(connection)
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
                end_if_cancelled()
                _log.warning("the connection that listens for notices was lost: %s", error)
            finally:
                connection.terminate()

    async def _serve(self, connection: asyncpg.Connection) -> None:
        """Keeps the server's LISTENs equal to the channels asked for; raises when the connection is lost."""
        connection.add_termination_listener(lambda _: self._changed.set())
        heard: set[str] = set()
        while True:
            self._changed.clear()
            wanted = set(self._callbacks)
            for channel in wanted - heard:
                await connection.add_listener(channel, self._on_notice)
                self._call(channel, "")
            for channel in heard - wanted:
                await connection.remove_listener(channel, self._on_notice)
            heard = wanted
            try:
                async with asyncio.timeout(_PROBE_S):
                    await self._changed.wait()
            except TimeoutError:
                await connection.execute("SELECT 1", timeout=_PROBE_S)
            if connection.is_closed():
                raise ConnectionError("closed by the server")

    def _on_notice(self, _connection: Any, _pid: int, channel: str, payload: Any) -> None:
        self._call(channel, str(payload))

    def _call(self, channel: str, payload: str) -> None:
        for on_notice in tuple(self._callbacks.get(channel, ())):
            try:
                on_notice(payload)
            except Exception:
                _log.exception("a callback of channel %s failed", channel)
