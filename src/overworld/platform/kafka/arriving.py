"""What arrives of a partition, one message after another, and which of its events are news."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from confluent_kafka import Message
from msgspec import Struct

from overworld.kernel.events import Envelope
from overworld.platform.kafka.codec import NOWHERE, PLACE, TRACE, Place, place_of
from overworld.platform.kafka.places import Part

RUN_MAX = 100
"""Messages that stay together at most: a fold that fails with them tries them one by one in the end."""


class Run(Struct, frozen=True):
    """Messages of one partition, in their order; at least one."""

    part: Part
    messages: list[Message]


def part_of(message: Message) -> Part:
    """The partition that a message lies in."""
    return str(message.topic()), int(message.partition() or 0)


def runs_of(messages: Iterable[Message]) -> list[Run]:
    """Messages by their partitions, in the order in which they came."""
    runs: list[Run] = []
    topic, number, together = None, None, list[Message]()
    for message in messages:
        if message.partition() != number or message.topic() != topic or len(together) == RUN_MAX:
            topic, number, together = message.topic(), message.partition(), []
            runs.append(Run(part_of(message), together))
        together.append(message)
    return runs


def beyond(messages: list[Message], offset: int) -> list[Message]:
    """Those that do not lie before an offset."""
    if (messages[0].offset() or 0) >= offset:
        return messages
    return [message for message in messages if (message.offset() or 0) >= offset]


Arrived = tuple[Envelope | None, Place | None]
"""The event of a message, none where nobody can read it, and its place in the log, which only the relay gives."""

UNREAD: Arrived = None, None


class Beside:
    """Reads what stands beside messages. Neighbours have most of their places in common, which is looked at once."""

    def __init__(self) -> None:
        self._known: bytes | None = None
        self._place = NOWHERE

    def arrived(self, event: Envelope, message: Message) -> Arrived:
        """An event, not yet in other hands, with the trace that stands beside it, and its place.

        Raises: ValueError when what stands there is damaged.
        """
        headers = message.headers()
        if not headers:
            return event, None
        trace, place = None, None
        for name, value in headers.items() if isinstance(headers, dict) else headers:
            if value is not None and name == PLACE:
                place = value
            elif value is not None and name == TRACE:
                trace = value
        if trace:
            msgspec.structs.force_setattr(event, "trace", _text(trace))
        return event, self._place_of(place) if place else None

    def _place_of(self, told: bytes | str) -> Place:
        raw = told.encode() if isinstance(told, str) else told
        before, _, number = raw.rpartition(b".")
        if before != self._known:
            self._place = place_of(raw.decode())
            self._known = before
            return self._place
        return Place(self._place.era, self._place.stamp, self._place.batch, int(number))


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def news(found: Sequence[Arrived], *, seen: Place) -> tuple[list[Envelope], Place]:
    """The events that the relay had not sent before, and the place of the last one."""
    events = []
    for event, place in found:
        if event is not None and (place is None or place > seen):
            events.append(event)
            seen = place or seen
    return events, seen
