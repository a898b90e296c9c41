"""What becomes of an event that a consumer gives up: a row to try again from, and an event that tells of it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import asyncpg

from overworld.kernel.events import Envelope, Event, enclose
from overworld.kernel.ids import derived_id
from overworld.platform.eventlog import store
from overworld.platform.eventlog.types import DeadLetter

_ERROR_LENGTH_MAX = 2_000
_KEY_LENGTH_MAX = 1_000
DATA_LENGTH_MAX = 100_000
"""Bytes of a given-up event that are told again; a longer one is kept in the row alone."""


class EventFailed(Event):
    """A consumer gave an event up after its last try, and goes on without it.

    `data` is the event as it was, as JSON; it is empty when that is longer than 100,000 bytes. Of a key that is longer
    than 1,000 characters only these are told.
    """

    topic = "dlq.failed.events"
    consumer: str
    event_id: UUID
    event_topic: str
    event_key: str
    error: str
    attempts: int
    data: str

    @property
    def key(self) -> str:
        """The consumer: what it gave up comes in the order in which it did."""
        return self.consumer


async def bury(
    session: asyncpg.Connection, event: Envelope, *, consumer: str, error: Exception, attempts: int, at: datetime
) -> None:
    """Keeps the event as a dead letter and tells of it, both or neither. The same failure has the same event id.

    What fails of what is told about failures is kept and not told of again: it could fail for ever.
    """
    letter = DeadLetter(
        consumer=consumer,
        event_id=event.id,
        topic=event.topic,
        envelope=event,
        error=repr(error)[:_ERROR_LENGTH_MAX].replace("\x00", ""),
        attempts=attempts,
        failed_at=at,
    )
    async with session.transaction():
        await store.bury(session, letter)
        if event.topic != EventFailed.topic:
            told = enclose(
                _failed(letter), id=derived_id(event.id, consumer, EventFailed.topic), at=at, game=event.game
            )
            await store.append(session, [told], at=at)


def _failed(letter: DeadLetter) -> EventFailed:
    data = bytes(letter.envelope.data)
    return EventFailed(
        consumer=letter.consumer,
        event_id=letter.event_id,
        event_topic=letter.topic,
        event_key=letter.envelope.key[:_KEY_LENGTH_MAX],
        error=letter.error,
        attempts=letter.attempts,
        data=data.decode() if len(data) <= DATA_LENGTH_MAX else "",
    )
