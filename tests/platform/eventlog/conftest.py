"""An event log on a fresh database, and a handler that can be waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from overworld.kernel.events import Envelope, Event
from overworld.platform.eventlog import SCHEMA, EventLog, EventLogSettings, PostgresOutbox

PATIENCE_S = 60  # what never comes is a fault; what comes late is a busy machine
FAST = EventLogSettings(poll_ms=5, rest_ms=0, takeover_ms=10, backoff_first_ms=1, backoff_max_ms=2, tries=3, save_ms=20)


class Noted(Event):
    topic = "test.note.taken"
    n: int


class Dropped(Event):
    topic = "test.note.dropped"
    n: int


class Sink:
    """Keeps what it is handed; `fails` may raise for some events first."""

    def __init__(self, fails=lambda n: None) -> None:
        self.numbers: list[int] = []
        self.sizes: list[int] = []
        self._fails = fails
        self._grown = asyncio.Condition()

    async def __call__(self, events: Sequence[Envelope]) -> None:
        numbers = [event.decode().n for event in events]  # type: ignore[attr-defined]
        for n in numbers:
            if error := self._fails(n):
                raise error
        async with self._grown:
            self.sizes.append(len(numbers))
            self.numbers += numbers
            self._grown.notify_all()

    async def until(self, count: int) -> list[int]:
        """Waits until that many events have come, and gives all."""
        async with asyncio.timeout(PATIENCE_S), self._grown:
            await self._grown.wait_for(lambda: len(self.numbers) >= count)
        return self.numbers


class Rig:
    """A database with a log, its outbox, and tasks that end with the test."""

    def __init__(self, database, log, outbox, clock) -> None:
        self.database = database
        self.log = log
        self.clock = clock
        self._outbox = outbox
        self._tasks: list[asyncio.Task[None]] = []

    async def append(self, tx, *events: Event) -> None:
        await self._outbox.append(tx, events, at=self.clock.now())

    async def publish(self, *events: Event) -> None:
        async with self.database.transaction() as tx:
            await self.append(tx, *events)

    def run(self, reader) -> asyncio.Task[None]:
        task = asyncio.create_task(reader.run())
        self._tasks.append(task)
        return task

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@pytest.fixture
async def rig(open_database, clock, ids):
    async with open_database(SCHEMA) as database:
        log = EventLog(database, clock=clock, settings=FAST)
        await log.start()
        rig = Rig(database, log, PostgresOutbox(ids=ids, game=lambda: "g1"), clock)
        try:
            yield rig
        finally:
            await rig.close()
            await log.close()


async def eventually(condition) -> None:
    """Waits until an async condition holds, asking the database again and again."""
    async with asyncio.timeout(PATIENCE_S):
        while not await condition():  # noqa: ASYNC110 - the database has no event for this
            await asyncio.sleep(0.002)  # pace: leaves the core to what is waited for
