"""Durable consumers whose whole effect is rows of the same database: each event counts exactly once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from itertools import chain
from typing import Any

import asyncpg

from overworld.kernel.cancelling import end_if_cancelled
from overworld.kernel.events import Envelope
from overworld.kernel.refusals import Refusal
from overworld.platform.eventlog import store
from overworld.platform.eventlog.consumer import Consumer
from overworld.platform.eventlog.traced import delivery, delivery_place
from overworld.platform.eventlog.types import Apply, Batch

_log = logging.getLogger(__name__)


class Fold(Consumer):
    """A consumer whose handler writes in the transaction that moves the cursor: both last, or neither.

    So no event is counted twice, whatever crashes, and no mark is kept for each event. The place is moved first, which
    locks its row.

    A handler that raises is tried again as in `Consumer`. When it keeps failing the batches are halved until one stands
    alone; of that one each event is applied by itself, and those that fail become dead letters.
    """

    def __init__(self, name: str, *, apply: Apply, **options: Any) -> None:
        super().__init__(name, handle=_nothing, **options)
        self._apply = apply

    async def _deliver(self, session: asyncpg.Connection, batches: Sequence[Batch[Any]]) -> None:
        parts: list[list[Batch[Any]]] = [[]]
        size = 0
        for batch in batches:
            if parts[-1] and size + len(batch.events) > self._settings.events_max:
                parts.append([])
                size = 0
            parts[-1].append(batch)
            size += len(batch.events)
        for part in parts:
            if any(batch.events for batch in part):
                await self._fold_or_split(session, part, tries=self._settings.tries)

    async def _fold_or_split(self, session: asyncpg.Connection, batches: Sequence[Batch[Any]], *, tries: int) -> None:
        error = await self._try_to_fold(session, batches, tries=tries)
        if error is None:
            return
        parts = [part for batch in batches for part in self._source.parts(batch)]
        if len(parts) == 1:
            await self._one_by_one(session, parts[0])
            return
        middle = len(parts) // 2
        for half in (parts[:middle], parts[middle:]):
            await self._fold_or_split(session, half, tries=1 if len(half) > 1 else self._settings.tries)

    async def _try_to_fold(
        self, session: asyncpg.Connection, batches: Sequence[Batch[Any]], *, tries: int
    ) -> Exception | None:
        """Folds batches in one transaction; the last error when it never succeeds, and nothing is left of it then."""
        events = list(chain.from_iterable(batch.events for batch in batches))
        tried, pause_s = 0, self._settings.backoff_first_ms / 1000
        while True:
            committing = False
            try:
                async with asyncio.timeout(self._settings.handle_timeout_s), session.transaction():
                    await self._source.move(session, batches)
                    with delivery(self.name, events):
                        await self._apply(session, events)
                    committing = True
            except Exception as error:
                end_if_cancelled()
                self.retried += 1
                tried += not (isinstance(error, Refusal) and error.retryable)
                _require_known(session, error, committing=committing)
                if tried >= tries:
                    return error
                with delivery_place(events):
                    _log.warning("fold %s failed with %d events: %r", self.name, len(events), error)
            else:
                self.handled += len(events)
                return None
            pause_s = await self._back_off(pause_s)

    async def _one_by_one(self, session: asyncpg.Connection, batch: Batch[Any]) -> None:
        """The events of one batch, each in a savepoint of its own; with them the cursor passes the batch."""
        async with session.transaction():
            await self._source.move(session, [batch])
            for event in batch.events:
                try:
                    async with session.transaction():
                        with delivery(self.name, [event]):
                            await self._apply(session, [event])
                except Exception as error:
                    end_if_cancelled()
                    if session.is_closed():
                        raise ConnectionError("the session was lost with events in hand") from error
                    await self._bury(session, event, error)
                else:
                    self.handled += 1

    async def _handle_again(self, session: asyncpg.Connection, event: Envelope) -> None:
        """In the transaction that ends the dead letter, so that it counts once."""
        committing = False
        try:
            async with asyncio.timeout(self._settings.handle_timeout_s), session.transaction():
                await store.hold_cursor(session, self.name)
                await store.dig_up(session, self.name, [event.id])
                with delivery(self.name, [event]):
                    await self._apply(session, [event])
                committing = True
        except Exception as error:
            end_if_cancelled()
            self.retried += 1
            _require_known(session, error, committing=committing)
            await self._bury(session, event, error)
        else:
            self.handled += 1


def _require_known(session: asyncpg.Connection, error: Exception, *, committing: bool) -> None:
    """Passes when nothing is left of what failed. Raises: ConnectionError when that is not known: whoever has the next
    lease reads from the database how far this one came.
    """
    if session.is_closed():
        raise ConnectionError("the session was lost with events in hand") from error
    if committing and isinstance(error, TimeoutError):
        raise ConnectionError("no answer came to a commit with events in hand") from error


async def _nothing(_events: Sequence[Envelope]) -> None:
    """What a consumer hands its events to; a fold applies them instead."""
