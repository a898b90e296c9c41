"""Durable consumers: every event at least once and in order, whichever log it comes from."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import asyncpg

from overworld.kernel.cancelling import end_if_cancelled
from overworld.kernel.clock import Clock
from overworld.kernel.events import Envelope
from overworld.kernel.refusals import Refusal
from overworld.kernel.tracing import at
from overworld.platform.eventlog import failing, letters, store
from overworld.platform.eventlog.pulse import Pulse
from overworld.platform.eventlog.settings import EventLogSettings
from overworld.platform.eventlog.source import AnySource
from overworld.platform.eventlog.stopping import Stop, Stopped
from overworld.platform.eventlog.traced import delivery, delivery_place, place_of
from overworld.platform.eventlog.types import Batch, Handle
from overworld.platform.postgres import DatabaseUnavailable

_REJOIN_S = 0.2
_LETTERS_AT_ONCE = 100

# The internal error is what asyncpg ends with when a session is cut just between two of its steps.
_LOST = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, DatabaseUnavailable)

_log = logging.getLogger(__name__)


class Consumer:
    """Hands the events of some topics, with None of all, to a handler.

    `run` it in one task, `stop` it to finish the events in hand.

    Its place is moved in a session that only the holder of its lease has, so a process that lost the lease cannot move
    it. A handler may still see events twice then, as after any crash.

    A handler that raises is tried again with the same events. A retryable refusal (a dependency is down) is tried for
    as long as it takes; anything else `tries` times, then the events are halved until the one that fails stands alone:
    it becomes a dead letter, and the others go on in order. Dead letters that staff want handled again it takes between
    two reads.
    """

    def __init__(
        self,
        name: str,
        *,
        topics: Sequence[str] | None,
        handle: Handle,
        source: AnySource,
        pulse: Pulse,
        clock: Clock,
        settings: EventLogSettings,
    ) -> None:
        self.name = name
        self.topics = frozenset(topics or ())
        self.active = False
        self.handled = 0
        self.retried = 0
        self.buried = 0
        self._handle = handle
        self._source = source
        self._clock = clock
        self._settings = settings
        self._of_all_topics = topics is None
        self._stop = Stop()
        self._called = asyncio.Event()
        self._called.set()
        pulse.tell_of_replays(self._called.set)

    def stop(self) -> None:
        """Lets `run` end after the events in hand; their place is saved."""
        self._stop.set()
        self._called.set()

    async def run(self) -> None:
        """Waits for its turn and consumes, until `stop` or until it is cancelled, which loses nothing either."""
        with suppress(Stopped):
            while not self._stop.is_set():
                try:
                    async with self._source.lease(self._stop) as session:
                        await self._consume(session)
                except _LOST as error:
                    end_if_cancelled()
                    _log.warning("consumer %s lost its lease and asks for a new one: %s", self.name, error)
                    await self._stop.pause(_REJOIN_S)

    async def _consume(self, session: asyncpg.Connection) -> None:
        self.active = True
        try:
            while not self._stop.is_set():
                if self._called.is_set():
                    self._called.clear()
                    await self._replay(session)
                batches = await self._source.next(session, topics=self._wanted, until=self._called)
                if batches:
                    await self._deliver(session, batches)
                    await self._source.passed(session, batches)
        finally:
            self.active = False

    def _wanted(self) -> frozenset[str] | None:
        return None if self._of_all_topics else self.topics

    async def _replay(self, session: asyncpg.Connection) -> None:
        """Handles dead letters again that staff want handled; what fails again stays one."""
        async with letters.turn(session, self.name) as is_ours:
            while is_ours and (asked_for := await letters.wanted(session, self.name, count_max=_LETTERS_AT_ONCE)):
                for letter in asked_for:
                    if self._stop.is_set():
                        return
                    await self._handle_again(session, letter.envelope)

    async def _handle_again(self, session: asyncpg.Connection, event: Envelope) -> None:
        error = await self._try(session, [event], tries=self._settings.tries)
        if error is None:
            self.handled += 1
            await store.dig_up(session, self.name, [event.id])
        else:
            await self._bury(session, event, error)

    async def _deliver(self, session: asyncpg.Connection, batches: Sequence[Batch[Any]]) -> None:
        events = [event for batch in batches for event in batch.events]
        for start in range(0, len(events), self._settings.events_max):
            part = events[start : start + self._settings.events_max]
            await self._handle_or_split(session, part, tries=self._settings.tries)

    async def _handle_or_split(self, session: asyncpg.Connection, events: Sequence[Envelope], *, tries: int) -> None:
        error = await self._try(session, events, tries=tries)
        if error is None:
            self.handled += len(events)
        elif len(events) > 1:
            middle = len(events) // 2
            for half in (events[:middle], events[middle:]):
                await self._handle_or_split(session, half, tries=1 if len(half) > 1 else self._settings.tries)
        else:
            await self._bury(session, events[0], error)

    async def _try(self, session: asyncpg.Connection, events: Sequence[Envelope], *, tries: int) -> Exception | None:
        """Gives the events to the handler until it takes them; the last error when it never does."""
        tried, pause_s = 0, self._settings.backoff_first_ms / 1000
        while True:
            try:
                with delivery(self.name, events):
                    async with asyncio.timeout(self._settings.handle_timeout_s):
                        await self._handle(events)
            except Exception as error:
                end_if_cancelled()
                self.retried += 1
                tried += not (isinstance(error, Refusal) and error.retryable)
                if tried >= tries:
                    return error
                with delivery_place(events):
                    _log.warning("consumer %s failed with %d events: %r", self.name, len(events), error)
            else:
                return None
            pause_s = await self._back_off(pause_s)
            if session.is_closed():
                raise ConnectionError("the session was closed while a try was waited for")

    async def _back_off(self, pause_s: float) -> float:
        """Waits for a half to the whole of that, by chance, and gives how long to wait next. Raises: Stopped."""
        await self._stop.pause(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 - that not all knock at once
        return min(2 * pause_s, self._settings.backoff_max_ms / 1000)

    async def _bury(self, session: asyncpg.Connection, event: Envelope, error: Exception) -> None:
        with at(place_of(event)):
            _log.error("consumer %s gives up event %s (%s)", self.name, event.id, event.topic, exc_info=error)
        self.buried += 1
        tried = self._settings.tries
        await failing.bury(session, event, consumer=self.name, error=error, attempts=tried, at=self._clock.now())
