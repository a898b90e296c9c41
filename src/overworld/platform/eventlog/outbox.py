"""Writes events into the log, in the transaction that made them true."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from uuid import UUID

import msgspec
from msgspec import Struct

from overworld.kernel import tracing
from overworld.kernel.events import Event, enclose
from overworld.kernel.ids import IdSource
from overworld.kernel.ports import Tx
from overworld.platform.eventlog import store

EVENTS_MAX = 10_000
_encode = msgspec.json.Encoder().encode


class _Enclosed(Struct, frozen=True, kw_only=True, gc=False):
    """As an `Envelope`, and encoded to the same, with the event in it that is not encoded yet."""

    id: UUID
    topic: str
    at: datetime
    key: str
    game: str
    trace: str
    data: Event


class PostgresOutbox:
    """The outbox in the domain's own database. `game` gives the digest of the game definition in force."""

    def __init__(self, *, ids: IdSource, game: Callable[[], str] = str) -> None:
        self._ids = ids
        self._game = game

    async def append(self, tx: Tx, events: Sequence[Event], *, at: datetime) -> None:
        """Publishes the events when `tx` commits, all or none, in the order given: one row for the whole batch.

        An empty sequence writes nothing. One round trip. Raises: ValueError above `EVENTS_MAX` events.
        """
        if not events:
            return
        if len(events) > EVENTS_MAX:
            raise ValueError(f"{len(events)} events in one batch, at most {EVENTS_MAX}")
        game = self._game()
        with _appending(events):
            enclosed = [
                enclose(event, id=self._ids(), at=at, game=game, trace=_trace_of(event.key)) for event in events
            ]
            await store.append(tx, enclosed, at=at)

    def encoded(self, events: Sequence[Event], *, at: datetime) -> list[bytes]:
        """Each event as the log keeps it, (n,), for who appends in SQL: `eventlog.append` of a JSON array of them."""
        game = self._game()
        with _appending(events):
            return [
                _encode(
                    _Enclosed(
                        id=event_id,
                        topic=event.topic,
                        at=at,
                        key=(key := event.key),
                        game=game,
                        trace=_trace_of(key),
                        data=event,
                    )
                )
                for event, event_id in zip(events, self._ids.many(len(events)), strict=True)
            ]


def _appending(events: Sequence[Event]) -> AbstractContextManager[tracing.Span | None]:
    return tracing.span("append", kind=tracing.Kind.PRODUCER, attributes={"events": len(events)})


def _trace_of(key: str) -> str:
    place = tracing.here_of(key)
    return place.traceparent() if place is not None else ""
