"""Where a durable consumer's events come from, and where its place among them is kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol, TypeVar

import asyncpg

from overworld.kernel.clock import Clock
from overworld.kernel.ports import Tx
from overworld.platform.eventlog import store
from overworld.platform.eventlog.pulse import Pulse
from overworld.platform.eventlog.settings import EventLogSettings
from overworld.platform.eventlog.stopping import Stop
from overworld.platform.eventlog.types import START, Batch, Position, Wanted
from overworld.platform.postgres import Database

P = TypeVar("P")


class Source(Protocol[P]):
    """What a consumer asks of a log; one source for each consumer. `P` is a place in that log.

    A place is kept in PostgreSQL whatever the log is, so that a fold moves it together with what it writes. Whatever
    ends a lease, a lost session or another process that took over, is raised as an OSError or an error of asyncpg; the
    consumer then asks for a new one.
    """

    def lease(self, stop: Stop) -> AbstractAsyncContextManager[asyncpg.Connection]:
        """The right to consume, once it is this process's turn, and the session to write with while it lasts."""
        ...

    async def next(self, session: asyncpg.Connection, *, topics: Wanted, until: asyncio.Event) -> Sequence[Batch[P]]:
        """What comes next, waiting for it, with the events of the topics that are wanted by then.

        Nothing when it is time to ask again, or when `until` is set.
        """
        ...

    def parts(self, batch: Batch[P]) -> Sequence[Batch[P]]:
        """A batch in the smallest ones that the place can be moved past, in order."""
        ...

    async def move(self, tx: Tx, batches: Sequence[Batch[P]]) -> None:
        """Moves the place past some batches in the transaction of what they brought about."""
        ...

    async def passed(self, session: asyncpg.Connection, batches: Sequence[Batch[P]]) -> None:
        """Hears that everything `next` gave has been handled."""
        ...


class PostgresSource:
    """The log in PostgreSQL, for one process at a time: it holds a session lock.

    The cursor is read and moved on that same session, so a process that lost the lock cannot move it.
    """

    def __init__(
        self, name: str, *, database: Database, pulse: Pulse, clock: Clock, settings: EventLogSettings
    ) -> None:
        self._name = name
        self._database = database
        self._pulse = pulse
        self._clock = clock
        self._settings = settings
        self._position = self._saved = START
        self._saved_s = 0.0

    @asynccontextmanager
    async def lease(self, stop: Stop) -> AsyncIterator[asyncpg.Connection]:
        """A session that holds this consumer's lock. A lost cursor move only repeats events, so it need not sync."""
        session = await self._database.connect(synchronous_commit="off", application_name=f"consumer {self._name}")
        try:
            key = store.lock_key(f"eventlog.consumer {self._name}")
            while not await session.fetchval("SELECT pg_try_advisory_lock($1)", key):
                await stop.pause(self._settings.takeover_ms / 1000)
            at = self._clock.now()
            self._position = self._saved = await store.open_cursor(session, self._name, start=START, at=at)
            self._saved_s = asyncio.get_running_loop().time()
            yield session
        finally:
            self._pulse.recent.leave(self)
            session.terminate()

    async def next(
        self, session: asyncpg.Connection, *, topics: Wanted, until: asyncio.Event
    ) -> Sequence[Batch[Position]]:
        """The next batches: the last ones from memory, where all readers of this process have them."""
        self._pulse.recent.join(self, topics)
        unsaved = self._position != self._saved
        head = await self._head_after(self._position, until, unsaved=unsaved)
        if head is None:
            if unsaved:
                await self._save(session)
            return ()
        wanted, batches_max = topics(), self._settings.batches_max
        batches = self._pulse.recent.after(self._position, topics=wanted, batches_max=batches_max)
        if batches is None:
            batches = await store.read(session, after=self._position, topics=wanted, batches_max=batches_max)
        self._position = batches[-1].position if batches else head
        return batches

    def parts(self, batch: Batch[Position]) -> Sequence[Batch[Position]]:
        """A row is one place."""
        return [batch]

    async def move(self, tx: Tx, batches: Sequence[Batch[Position]]) -> None:
        """Locks the cursor's row too: who rebuilds what was folded locks it, and finds both in step."""
        await store.move_cursor(tx, self._name, to=batches[-1].position, at=self._clock.now())

    async def passed(self, session: asyncpg.Connection, batches: Sequence[Batch[Position]]) -> None:
        """A place after batches of other topics only is saved now and then."""
        late = asyncio.get_running_loop().time() - self._saved_s > self._settings.save_ms / 1000
        if late or any(batch.events for batch in batches):
            await self._save(session)

    async def _save(self, session: asyncpg.Connection) -> None:
        await store.move_cursor(session, self._name, to=self._position, at=self._clock.now())
        self._saved, self._saved_s = self._position, asyncio.get_running_loop().time()

    async def _head_after(self, position: Position, until: asyncio.Event, *, unsaved: bool) -> Position | None:
        """The last readable batch once there is one to read; None when it is time to save first, or to leave."""
        head = asyncio.ensure_future(self._pulse.beyond(position))
        leaving = asyncio.ensure_future(until.wait())
        timeout_s = self._settings.save_ms / 1000 if unsaved else None
        try:
            await asyncio.wait([head, leaving], timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
            return head.result() if head.done() and not leaving.done() else None
        finally:
            head.cancel()
            leaving.cancel()


AnySource = Source[Any]
