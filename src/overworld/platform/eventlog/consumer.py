"""Durable consumers: every event at least once and in order, one active process per name."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from hashlib import blake2b

import asyncpg

from overworld.kernel.clock import Clock
from overworld.kernel.events import Envelope
from overworld.kernel.refusals import Refusal
from overworld.platform.eventlog import letters, store
from overworld.platform.eventlog.pulse import Pulse
from overworld.platform.eventlog.settings import EventLogSettings
from overworld.platform.eventlog.types import START, Batch, DeadLetter, Handle, Position
from overworld.platform.postgres import Database, DatabaseUnavailable

_REJOIN_S = 0.2
_LETTERS_AT_ONCE = 100
_ERROR_LENGTH_MAX = 2000

_log = logging.getLogger(__name__)


class _Stopped(Exception):
    """`stop` was called while a try was being waited for."""


class Consumer:
    """Hands the events of some topics to a handler; `run` it in one task, `stop` it to finish the events in hand.

    The active process holds a session lock, and reads and moves the cursor on that same session, so a process that
    lost the lock cannot move the cursor. A handler may still see events twice then, as after any crash.

    A handler that raises is tried again with the same events. A retryable refusal (a dependency is down) is tried for
    as long as it takes; anything else `tries` times, then the events are halved until the one that fails stands alone:
    it becomes a dead letter, and the others go on in order. Dead letters that staff want handled again it takes between
    two reads.
    """

    def __init__(
        self,
        name: str,
        *,
        topics: Sequence[str],
        handle: Handle,
        database: Database,
        pulse: Pulse,
        clock: Clock,
        settings: EventLogSettings,
    ) -> None:
        self.name = name
        self.topics = frozenset(topics)
        self.active = False
        self.handled = 0
        self.retried = 0
        self.buried = 0
        self._handle = handle
        self._database = database
        self._pulse = pulse
        self._clock = clock
        self._settings = settings
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Lets `run` end after the events in hand; their cursor is saved."""
        self._stopping.set()

    async def run(self) -> None:
        """Waits for its turn and consumes, until `stop` or until it is cancelled, which loses nothing either."""
        with suppress(_Stopped):
            while not self._stopping.is_set():
                try:
                    async with self._lease() as session:
                        await self._consume(session)
                except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, DatabaseUnavailable) as error:
                    _log.warning("consumer %s lost its session and joins again: %s", self.name, error)
                    await self._pause(_REJOIN_S)

    @asynccontextmanager
    async def _lease(self) -> AsyncIterator[asyncpg.Connection]:
        """A session that holds this consumer's lock. A lost cursor move only repeats events, so it need not sync."""
        session = await self._database.connect(synchronous_commit="off")
        try:
            while not await session.fetchval("SELECT pg_try_advisory_lock($1)", _lock_key(self.name)):
                await self._pause(self._settings.takeover_ms / 1000)
            self.active = True
            yield session
        finally:
            self.active = False
            session.terminate()

    async def _consume(self, session: asyncpg.Connection) -> None:
        at = self._clock.now()
        position = saved = await store.open_cursor(session, self.name, start=START, at=at)
        saved_s = asyncio.get_running_loop().time()
        answered = -1
        while not self._stopping.is_set():
            if self._pulse.asked > answered:
                answered = self._pulse.asked
                await self._replay(session)
            head = await self._head_after(position, unsaved=position != saved, answered=answered)
            if head is None:
                if position != saved:
                    await store.move_cursor(session, self.name, to=position, at=self._clock.now())
                    saved = position
                continue
            batches = await store.read(
                session, after=position, topics=self.topics, batches_max=self._settings.batches_max
            )
            await self._deliver(session, batches)
            position = batches[-1].position if batches else head
            now_s = asyncio.get_running_loop().time()
            if any(batch.events for batch in batches) or now_s - saved_s > self._settings.save_ms / 1000:
                await store.move_cursor(session, self.name, to=position, at=self._clock.now())
                saved, saved_s = position, now_s

    async def _head_after(self, position: Position, *, unsaved: bool, answered: int) -> Position | None:
        """The last readable batch once there is one to read; None when there is something else to do first.

        That is to save, to stop, or to look for dead letters.
        """
        head = asyncio.ensure_future(self._pulse.beyond(position))
        stop = asyncio.ensure_future(self._stopping.wait())
        asked = asyncio.ensure_future(self._pulse.asked_since(answered))
        timeout_s = self._settings.save_ms / 1000 if unsaved else None
        try:
            await asyncio.wait([head, stop, asked], timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
            return head.result() if head.done() and not stop.done() else None
        finally:
            for waiting in (head, stop, asked):
                waiting.cancel()

    async def _replay(self, session: asyncpg.Connection) -> None:
        """Handles dead letters again that staff want handled; what fails again stays one."""
        while asked_for := await letters.wanted(session, self.name, count_max=_LETTERS_AT_ONCE):
            for letter in asked_for:
                if self._stopping.is_set():
                    return
                await self._handle_again(session, letter.envelope)

    async def _handle_again(self, session: asyncpg.Connection, event: Envelope) -> None:
        error = await self._try(session, [event], tries=self._settings.tries)
        if error is None:
            self.handled += 1
            await store.dig_up(session, self.name, [event.id])
        else:
            await self._bury(session, event, error)

    async def _deliver(self, session: asyncpg.Connection, batches: Sequence[Batch]) -> None:
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
                async with asyncio.timeout(self._settings.handle_timeout_s):
                    await self._handle(events)
            except Exception as error:
                self.retried += 1
                tried += not (isinstance(error, Refusal) and error.retryable)
                if tried >= tries:
                    return error
                _log.warning("consumer %s failed with %d events: %r", self.name, len(events), error)
            else:
                return None
            await self._pause(pause_s)
            pause_s = min(2 * pause_s, self._settings.backoff_max_ms / 1000)
            if session.is_closed():
                raise ConnectionError("the session was closed while a try was waited for")

    async def _bury(self, session: asyncpg.Connection, event: Envelope, error: Exception) -> None:
        _log.error("consumer %s gives up event %s (%s)", self.name, event.id, event.topic, exc_info=error)
        self.buried += 1
        letter = DeadLetter(
            consumer=self.name,
            event_id=event.id,
            topic=event.topic,
            envelope=event,
            error=repr(error)[:_ERROR_LENGTH_MAX].replace("\x00", ""),
            attempts=self._settings.tries,
            failed_at=self._clock.now(),
        )
        await store.bury(session, letter)

    async def _pause(self, seconds: float) -> None:
        """Raises: _Stopped when `stop` is called meanwhile."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
            raise _Stopped


def _lock_key(name: str) -> int:
    digest = blake2b(f"eventlog.consumer {name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
