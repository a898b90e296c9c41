"""One look at the log for everybody: it must not stop."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import asyncpg
import pytest

from overworld.platform.eventlog.pulse import Pulse
from overworld.platform.eventlog.types import START

from .conftest import FAST, Noted


class Shaky:
    """A database whose first connection fails in a way of its own."""

    def __init__(self, database, error: Exception) -> None:
        self._database = database
        self._errors = [error]
        self.listen = database.listen

    @asynccontextmanager
    async def read(self):
        if self._errors:
            raise self._errors.pop()
        async with self._database.read() as tx:
            yield tx


@pytest.mark.slow
@pytest.mark.parametrize(
    "error",
    [asyncpg.InterfaceError("the connection is closed"), asyncpg.UndefinedTableError("no log"), OSError("no route")],
    ids=lambda error: type(error).__name__,
)
async def test_whatever_a_look_ends_with_the_next_one_follows(rig, error):
    """Readers would else wait for ever, and a revoked session would stay connected."""
    await rig.publish(Noted(n=1))
    pulse = Pulse(Shaky(rig.database, error), settings=FAST)  # type: ignore[arg-type]
    looking = asyncio.create_task(pulse.run())
    try:
        async with asyncio.timeout(10):
            assert await pulse.beyond(START) > START
    finally:
        looking.cancel()
    assert pulse.looks == 2
