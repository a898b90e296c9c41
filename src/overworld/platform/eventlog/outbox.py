"""Writes events into the log, in the transaction that made them true."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime

import msgspec

from overworld.kernel import tracing
from overworld.kernel.events import Enclosed, Event
from overworld.kernel.ids import IdSource
from overworld.kernel.ports import Tx
from overworld.platform.eventlog import store

EVENTS_MAX = 10_000
_encoder = msgspec.json.Encoder()


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
        with _appending(events):
            await store.append(tx, self._enclosed(events, at=at), at=at)

    def encoded(self, events: Sequence[Event], *, at: datetime) -> list[bytes]:
        """Each event as the log keeps it, (n,), for who appends in SQL: `eventlog.append` of a JSON array of them."""
        with _appending(events):
            return [_encoder.encode(enclosed) for enclosed in self._enclosed(events, at=at)]

    def lines(self, events: Sequence[Event], *, at: datetime) -> str:
        """The same in one piece: each event in a line of its own. No event holds a line feed."""
        with _appending(events):
            return _encoder.encode_lines(self._enclosed(events, at=at))[:-1].decode()

    def _enclosed(self, events: Sequence[Event], *, at: datetime) -> list[Enclosed]:
        game = self._game()
        return [
            Enclosed(
                id=event_id,
                topic=event.topic,
                at=at,
                key=(key := event.key),
                game=game,
                trace=_trace_of(key),
                data=event,
            )
            for event, event_id in zip(events, self._ids.many(len(events)), strict=True)
        ]


def _appending(events: Sequence[Event]) -> AbstractContextManager[tracing.Span | None]:
    return tracing.span("append", kind=tracing.Kind.PRODUCER, attributes={"events": len(events)})


def _trace_of(key: str) -> str:
    place = tracing.here_of(key)
    return place.traceparent() if place is not None else ""
