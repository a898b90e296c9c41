"""An event as a message of Kafka: its bytes, and beside them where it lies in the log."""

from __future__ import annotations

from typing import Protocol

import msgspec
from confluent_kafka import Message
from msgspec import Struct

from overworld.kernel.events import Envelope

PLACE = "place"
EVENT_ID = "event-id"
TRACE = "traceparent"
_PARTS = 4


class Codec(Protocol):
    """What events are written as, and read from."""

    def encode(self, envelope: Envelope) -> bytes:
        """The bytes of an event."""
        ...

    def decode(self, frame: bytes) -> Envelope:
        """The event of some bytes. Raises: ValueError, LookupError when they are none."""
        ...


class JsonCodec:
    """Events as the log in PostgreSQL has them."""

    def __init__(self) -> None:
        self.encode = msgspec.json.Encoder().encode
        self.decode = msgspec.json.Decoder(Envelope).decode


class Place(Struct, frozen=True, order=True):
    """Where an event lies in the log, for good: places grow in the order of the relay.

    `era` grows when the log is restored into another cluster, whose stamps begin low again.
    """

    era: int
    stamp: int
    batch: int
    number: int

    def __str__(self) -> str:
        return f"{self.era}.{self.stamp}.{self.batch}.{self.number}"


NOWHERE = Place(0, 0, 0, -1)


def place_of(text: str) -> Place:
    """The place that a text tells. Raises: ValueError."""
    parts = [int(part) for part in text.split(".")]
    if len(parts) != _PARTS:
        raise ValueError(f"no place in the log: {text!r}")
    return Place(*parts)


def place_in(message: Message) -> Place | None:
    """The place that a message says it comes from; None for one that the relay has not sent. Raises: ValueError."""
    headers = message.headers() or []
    found = next((value for name, value in headers if name == PLACE), None) if isinstance(headers, list) else None
    if found is None:
        return None
    return place_of(found.decode() if isinstance(found, bytes) else found)
