"""Ephemeral readers: what happens from now on, in every process that asks, with nothing kept."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from overworld.kernel.cancelling import end_if_cancelled
from overworld.kernel.events import Envelope
from overworld.kernel.refusals import Busy, Fault
from overworld.platform.eventlog import store
from overworld.platform.eventlog.pulse import Pulse
from overworld.platform.eventlog.settings import EventLogSettings
from overworld.platform.eventlog.traced import apart, delivery, delivery_place
from overworld.platform.eventlog.types import Batch, Handle, Position
from overworld.platform.postgres import Database

_RETRY_S = 0.2

_log = logging.getLogger(__name__)


class Tail:
    """Hands the events of some topics to a handler, from the place given on; for sockets and caches.

    The place is in memory only. Events that the handler fails are logged and passed over; while the database is away
    it waits and then goes on where it was.
    """

    def __init__(
        self,
        name: str,
        *,
        topics: Sequence[str],
        handle: Handle,
        start: Position,
        database: Database,
        pulse: Pulse,
        settings: EventLogSettings,
    ) -> None:
        self.name = name
        self.topics = frozenset(topics)
        self.failed = 0
        self._handle = handle
        self._position = start
        self._database = database
        self._pulse = pulse
        self._batches_max = settings.batches_max

    async def run(self) -> None:
        """Reads until cancelled."""
        self._pulse.recent.join(self, lambda: self.topics)
        try:
            await self._read_on()
        finally:
            self._pulse.recent.leave(self)

    async def _read_on(self) -> None:
        while True:
            head = await self._pulse.beyond(self._position)
            try:
                batches = await self._next()
            except (Fault, Busy) as error:
                end_if_cancelled()
                _log.warning("cannot read the event log: %s", error)
                await asyncio.sleep(_RETRY_S)
                continue
            self._position = batches[-1].position if batches else head
            if events := [event for batch in batches for event in batch.events]:
                for part in apart(events):
                    await self._hand_over(part)

    async def _next(self) -> list[Batch[Position]]:
        batches = self._pulse.recent.after(self._position, topics=self.topics, batches_max=self._batches_max)
        if batches is not None:
            return batches
        async with self._database.read() as tx:
            return await store.read(tx, after=self._position, topics=self.topics, batches_max=self._batches_max)

    async def _hand_over(self, events: Sequence[Envelope]) -> None:
        try:
            with delivery(self.name, events):
                await self._handle(events)
        except Exception:
            end_if_cancelled()
            self.failed += len(events)
            with delivery_place(events):
                _log.exception(
                    "a reader of %s failed with %d events, which are passed over", sorted(self.topics), len(events)
                )
