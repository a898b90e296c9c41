"""The two logs that the processor follows."""

from __future__ import annotations

import asyncio

from overworld.domains.telemetry import store
from overworld.domains.telemetry.processing.facts import Facts
from overworld.domains.telemetry.processing.follower import Taken
from overworld.domains.telemetry.processing.told import Told
from overworld.kernel.clock import Clock
from overworld.kernel.ports import Tx
from overworld.platform.eventlog import store as eventlog
from overworld.platform.eventlog.types import START, Position
from overworld.platform.postgres import Database

_BATCHES_MAX = 2_000


class ToldStretches:
    """What clients told, as it lies in `telemetry.raw`."""

    def __init__(self, told: Told, *, database: Database, events_max: int) -> None:
        self._told = told
        self._database = database
        self._events_max = events_max

    async def next(self, after: Position) -> Taken | None:
        """What comes after a place, made into columns in a thread of its own."""
        async with self._database.read() as tx:
            rows = await store.read(tx, after=after, events_max=self._events_max)
        if not rows:
            return None
        made = await asyncio.to_thread(self._told.made, rows)
        return Taken(
            upto=rows[-1].place,
            full=len(rows) == store.ROWS_MAX or sum(row.events for row in rows) >= self._events_max,
            batches=[made.batch] if made.batch.num_rows else [],
            refused=made.refused,
            counts={
                "kept": made.batch.num_rows,
                "refused": len(made.refused),
                "repeated": made.repeated,
                "exposed": made.exposed,
                "corrected": made.corrected,
                "sampled": made.sampled,
            },
        )

    async def passed(self, tx: Tx, upto: Position) -> None:
        """Nothing: maintenance asks the steps before it throws a day away."""


class FactStretches:
    """What domains published, as it lies in PostgreSQL's event log, wherever else it is relayed to."""

    def __init__(self, facts: Facts, *, name: str, database: Database, clock: Clock) -> None:
        self._facts = facts
        self._name = name
        self._database = database
        self._clock = clock
        self._opened = False

    async def next(self, after: Position) -> Taken | None:
        """What comes after a place, made into columns in a thread of its own."""
        async with self._database.read() as tx:
            if not self._opened:
                await eventlog.open_cursor(tx, self._name, start=START, at=self._clock.now())
                await eventlog.move_cursor(tx, self._name, to=after, at=self._clock.now())
                self._opened = True
            batches = await eventlog.read(tx, after=after, topics=None, batches_max=_BATCHES_MAX)
        if not batches:
            return None
        events = [event for batch in batches for event in batch.events]
        made = [await asyncio.to_thread(self._facts.made, events)] if events else []
        full = len(batches) == _BATCHES_MAX
        return Taken(upto=batches[-1].position, full=full, batches=made, counts={"kept": len(events)})

    async def passed(self, tx: Tx, upto: Position) -> None:
        """Moves the cursor that keeps the log from being cut, and that tells how far behind we are."""
        await eventlog.move_cursor(tx, self._name, to=upto, at=self._clock.now())
