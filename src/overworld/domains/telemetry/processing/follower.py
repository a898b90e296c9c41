"""One reader of a log: what comes next is made into columns and handed to the store, once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Any, Protocol

from msgspec import Struct

from overworld.domains.telemetry import store
from overworld.domains.telemetry.types import Refused
from overworld.kernel.clock import Clock
from overworld.kernel.ports import Tx
from overworld.platform.columns import EventColumns
from overworld.platform.eventlog.types import START, Position
from overworld.platform.postgres import Database


class Taken(Struct, frozen=True, kw_only=True):
    """What a stretch of a log came to, and where it ends; `batches` are record batches of Arrow.

    It is `full` when it is as long as a stretch may be: more may lie behind it.
    """

    upto: Position
    full: bool
    batches: Sequence[Any] = ()
    refused: Sequence[Refused] = ()
    counts: Mapping[str, int] = MappingProxyType({})


class Stretches(Protocol):
    """A log as a follower reads it. It may remember what went by: each run of a follower has one of its own."""

    async def next(self, after: Position) -> Taken | None:
        """What comes after a place, made into columns; None when nothing does yet."""
        ...

    async def passed(self, tx: Tx, upto: Position) -> None:
        """Hears in a transaction how far the columns surely are."""
        ...


class Follower:
    """Follows one log: looks every `look_s`, and at once behind a full stretch, so that each is worth a transaction.

    While the store takes one stretch, the next is read and made.

    How far it is only the store knows, which keeps a number in the transaction that keeps the events. What a number
    means is written here first. So a crash at any point leaves a number whose meaning is known, and what lies behind
    it is kept and nothing else.
    """

    def __init__(
        self,
        name: str,
        *,
        database: Database,
        columns: EventColumns,
        clock: Clock,
        look_s: float,
        counts: Counter[str],
    ) -> None:
        self.name = name
        self.events = 0
        self.counts = counts
        self._database = database
        self._columns = columns
        self._clock = clock
        self._look_s = look_s

    async def run(self, log: Stretches, *, ended: asyncio.Event) -> None:
        """Goes on where the store is, until `ended`. Raises: Fault of the database or the store."""
        place, number = await self._start()
        keeping: asyncio.Task[None] | None = None
        try:
            while not ended.is_set():
                next_look_s = self._clock.monotonic_s() + self._look_s
                taken = await log.next(place)
                if keeping is not None:
                    await keeping
                    keeping = None
                if taken is not None:
                    number += 1
                    await self._write_step(log, number, taken, before=place)
                    keeping = asyncio.create_task(self._keep(number, taken))
                    place = taken.upto
                if taken is None or not taken.full:
                    await pause(next_look_s - self._clock.monotonic_s(), ended)
        finally:
            if keeping is not None:
                await asyncio.wait([keeping])
        if keeping is not None:
            await keeping

    async def _start(self) -> tuple[Position, int]:
        placed = await self._columns.placed(self.name)
        async with self._database.read() as tx:
            last = await store.last_number(tx, self.name)
            step = None if placed is None else await store.step_of(tx, self.name, number=placed)
            await store.mark_kept(tx, self.name, number=0 if step is None else step[0])
        return (START if step is None else step[1]), max(last, placed or 0)

    async def _write_step(self, log: Stretches, number: int, taken: Taken, *, before: Position) -> None:
        async with self._database.transaction() as tx:
            if taken.refused:
                await store.refuse(tx, taken.refused)
            await store.put_step(tx, self.name, number=number, place=taken.upto, at=self._clock.now())
            await log.passed(tx, before)

    async def _keep(self, number: int, taken: Taken) -> None:
        await self._columns.append(taken.batches, place=self.name, at=number)
        async with self._database.read() as tx:
            await store.mark_kept(tx, self.name, number=number)
        self.counts.update(taken.counts)
        self.events += sum(batch.num_rows for batch in taken.batches)


async def pause(rest_s: float, ended: asyncio.Event) -> None:
    """Waits so many seconds, or until `ended`."""
    with suppress(TimeoutError):
        async with asyncio.timeout(rest_s):
            await ended.wait()
