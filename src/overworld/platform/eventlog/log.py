"""The event log as the app builds it: one pulse, and the readers that hang on it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from overworld.kernel.cancelling import end_if_cancelled
from overworld.kernel.clock import Clock
from overworld.kernel.refusals import Busy, Fault
from overworld.platform.eventlog import retention, store
from overworld.platform.eventlog.consumer import Consumer
from overworld.platform.eventlog.desk import Desk, PostgresDesk
from overworld.platform.eventlog.fold import Fold
from overworld.platform.eventlog.pulse import Pulse
from overworld.platform.eventlog.settings import EventLogSettings
from overworld.platform.eventlog.source import PostgresSource
from overworld.platform.eventlog.tail import Tail
from overworld.platform.eventlog.types import Apply, DeadLetter, Handle, Lag, Which
from overworld.platform.postgres import Database

_log = logging.getLogger(__name__)


class EventLog:
    """Reads the log of one database. `start` it before its readers, `close` it after them.

    `pulse` is this process's look at it; `consumers`, here or on Kafka, and `tails` are those that were made in this
    process, for who measures them.
    """

    def __init__(self, database: Database, *, clock: Clock, settings: EventLogSettings | None = None) -> None:
        self.desk: Desk = PostgresDesk(database, clock=clock)
        self._database = database
        self._clock = clock
        self._settings = settings or EventLogSettings()
        self.pulse = Pulse(database, settings=self._settings)
        self._task: asyncio.Task[None] | None = None
        self.consumers: list[Consumer] = []
        self.tails: list[Tail] = []

    @property
    def looks(self) -> int:
        """How often this process has looked for the end of the log."""
        return self.pulse.looks

    async def start(self) -> None:
        """Makes today's partitions and begins to look at the log."""
        await self.maintain()
        self._task = asyncio.create_task(self.pulse.run(), name="eventlog-pulse")

    async def close(self) -> None:
        """Stops looking. Readers that still run wait from then on."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    def consumer(self, name: str, *, topics: Sequence[str], handle: Handle) -> Consumer:
        """A durable consumer; its name is its identity for ever. A new one begins with the oldest event kept."""
        made = Consumer(
            name,
            topics=topics,
            handle=handle,
            source=self.source(name),
            pulse=self.pulse,
            clock=self._clock,
            settings=self._settings,
        )
        self.consumers.append(made)
        return made

    def fold(self, name: str, *, topics: Sequence[str], apply: Apply) -> Fold:
        """As `consumer`, for a handler that writes in the transaction which moves the cursor: exactly once."""
        made = Fold(
            name,
            topics=topics,
            apply=apply,
            source=self.source(name),
            pulse=self.pulse,
            clock=self._clock,
            settings=self._settings,
        )
        self.consumers.append(made)
        return made

    def source(self, name: str, *, settings: EventLogSettings | None = None) -> PostgresSource:
        """What a durable consumer of this name reads, for who builds one of its own kind."""
        chosen = settings or self._settings
        return PostgresSource(name, database=self._database, pulse=self.pulse, clock=self._clock, settings=chosen)

    async def tail(self, *, topics: Sequence[str], handle: Handle, name: str = "tail") -> Tail:
        """A reader of what commits from now on, for this process only; the caller runs it. Traces tell its name."""
        async with self._database.read() as tx:
            start = await store.now(tx)
        made = Tail(
            name,
            topics=topics,
            handle=handle,
            start=start,
            database=self._database,
            pulse=self.pulse,
            settings=self._settings,
        )
        self.tails.append(made)
        return made

    async def lag(self) -> list[Lag]:
        """How far each consumer is behind, by name. One round trip."""
        return await self.desk.lag()

    async def dead_letters(self, consumer: str, *, count_max: int = 100) -> list[DeadLetter]:
        """What a consumer could not handle, newest event first."""
        return await self.desk.dead_letters(Which(consumer=consumer), before=None, limit=count_max)

    async def forget(self, consumer: str) -> bool:
        """Drops the cursor of a consumer that is gone for good, which else would keep the log from being cut."""
        async with self._database.read() as tx:
            return await store.forget(tx, consumer)

    async def maintain(self) -> None:
        """Makes and drops partitions once. Raises: database faults."""
        await retention.maintain(self._database, now=self._clock.now(), settings=self._settings)

    async def keep_maintained(self) -> None:
        """Maintains every `maintain_every_s`; a loop that runs until it is cancelled."""
        while True:
            await asyncio.sleep(self._settings.maintain_every_s)
            try:
                await self.maintain()
            except (Fault, Busy) as error:
                end_if_cancelled()
                _log.warning("the event log was not maintained this time: %s", error)
