"""The log as an operator works with it: who is behind, what failed for good, what comes in now.

`Desk` is what the command line and the routes for staff ask for. `PostgresDesk` is the log in PostgreSQL; a log
elsewhere implements the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, suppress
from datetime import datetime
from typing import Protocol
from uuid import UUID

from overworld.kernel.clock import Clock
from overworld.kernel.events import Envelope
from overworld.kernel.ports import Tx
from overworld.platform.eventlog import letters, store
from overworld.platform.eventlog.pulse import Pulse
from overworld.platform.eventlog.settings import EventLogSettings
from overworld.platform.eventlog.types import DeadLetter, Lag, Replay, Which
from overworld.platform.postgres import Database


class Desk(Protocol):
    """A log, as an operator works with it."""

    async def lag(self) -> list[Lag]:
        """How far each durable consumer is behind, by name."""
        ...

    async def dead_letters(self, which: Which, *, before: tuple[UUID, str] | None, limit: int) -> list[DeadLetter]:
        """What consumers gave up on, the newest event first, from before an (event id, consumer) on."""
        ...

    async def dead_letters_by_topic(self) -> dict[str, int]:
        """How many dead letters there are of each topic that has any."""
        ...

    async def replay(self, tx: Tx, which: Which, *, at: datetime) -> list[Replay]:
        """Hands dead letters to their consumers again when `tx` commits: to these alone, not to whoever took them.

        What is handled is a dead letter no more; what fails again stays one.
        """
        ...

    def follow(self, topics: Sequence[str]) -> AsyncIterator[Envelope]:
        """The events of some topics, from now on, without end. Nothing is kept of how far it came."""
        ...


class PostgresDesk:
    """The log of one database."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def lag(self) -> list[Lag]:
        """How far each durable consumer is behind, by name. One round trip."""
        async with self._database.read() as tx:
            return await store.lag(tx, at=self._clock.now())

    async def dead_letters(self, which: Which, *, before: tuple[UUID, str] | None, limit: int) -> list[DeadLetter]:
        """What consumers gave up on, the newest event first, from before an (event id, consumer) on. One round trip."""
        async with self._database.read() as tx:
            return await letters.found(tx, which, before=before, limit=limit)

    async def dead_letters_by_topic(self) -> dict[str, int]:
        """How many dead letters there are of each topic that has any. One round trip."""
        async with self._database.read() as tx:
            return await letters.counted(tx)

    async def replay(self, tx: Tx, which: Which, *, at: datetime) -> list[Replay]:
        """Marks dead letters, and tells their consumers when `tx` commits. One round trip."""
        return await letters.want_replay(tx, which, at=at)

    async def follow(self, topics: Sequence[str]) -> AsyncIterator[Envelope]:
        """The events of some topics, from now on, without end. Raises: database faults."""
        settings, wanted = EventLogSettings(), frozenset(topics)
        pulse = Pulse(self._database, settings=settings)
        looking = asyncio.create_task(pulse.run(), name="eventlog-follow")
        try:
            async with self._database.read() as tx:
                position = await store.now(tx)
            while True:
                head = await pulse.beyond(position)
                async with self._database.read() as tx:
                    batches = await store.read(tx, after=position, topics=wanted, batches_max=settings.batches_max)
                position = batches[-1].position if batches else head
                for batch in batches:
                    for event in batch.events:
                        yield event
        finally:
            looking.cancel()
            with suppress(asyncio.CancelledError):
                await looking


async def first(events: AsyncIterator[Envelope], count: int | None) -> AsyncIterator[Envelope]:
    """The first so many, or all of them with None; then the source is closed."""
    left = count
    async with aclosing(events) as source:  # type: ignore[type-var]
        async for event in source:
            yield event
            left = None if left is None else left - 1
            if left == 0:
                return
