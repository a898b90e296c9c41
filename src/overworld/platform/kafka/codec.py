"""An event as a message of Kafka: its bytes, and beside them where it lies in the log."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol

import msgspec
from confluent_kafka import Message
from msgspec import Struct

from overworld.kernel.events import Envelope
from overworld.platform import avro
from overworld.platform.avro import Confluent, Released, SingleObject, UnknownSchema
from overworld.platform.avro.registering import register_all, version_of
from overworld.platform.avro.registry import SchemaRegistry

PLACE = "place"
EVENT_ID = "event-id"
TRACE = "traceparent"
_PARTS = 4


class Codec(Protocol):
    """What events are written as, and read from."""

    async def prepare(self) -> None:
        """Makes ready to write. Raises: Fault when that is to be tried again."""
        ...

    async def learn(self, unknown: UnknownSchema) -> None:
        """Looks up a schema that `decode` did not know. Raises: UnknownSchema when nobody here knows it; Fault."""
        ...

    def encode(self, envelope: Envelope) -> bytes:
        """The bytes of an event."""
        ...

    def decode(self, frame: bytes) -> Envelope:
        """The event of some bytes. Raises: UnknownSchema; ValueError, LookupError when they are none."""
        ...


class JsonCodec:
    """Events as the log in PostgreSQL has them."""

    def __init__(self) -> None:
        self.encode = msgspec.json.Encoder().encode
        self.decode = msgspec.json.Decoder(Envelope).decode

    async def prepare(self) -> None:
        """Is always ready."""

    async def learn(self, unknown: UnknownSchema) -> None:
        """Knows no schemas."""
        raise unknown


class AvroCodec:
    """Events as Avro: in front stands the schema's number in a registry, or its fingerprint where there is none."""

    def __init__(self, released: Released, registry: Callable[[], SchemaRegistry] | None) -> None:
        self._released = released
        self._registry = registry
        self._numbers = Confluent(released, {})
        self._codec = avro.Codec(released, self._numbers if registry else SingleObject(released))
        self._is_ready = registry is None
        self.encode = self._codec.encode
        self.decode = self._codec.decode

    async def prepare(self) -> None:
        """Asks the registry for the numbers, once. Raises: RegistryUnavailable, RegistryRefused."""
        if not self._is_ready:
            async with self._asking() as registry:
                self._numbers.number(await register_all(registry, self._released))
            self._is_ready = True

    async def learn(self, unknown: UnknownSchema) -> None:
        """Asks the registry for a schema that a newer build has written with.

        Raises: UnknownSchema without a registry; BadFrame; RegistryUnavailable, RegistryRefused.
        """
        if self._registry is None or unknown.schema_id is None:
            raise unknown
        async with self._asking() as registry:
            self._numbers.know(unknown.schema_id, await version_of(unknown.schema_id, registry))

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[SchemaRegistry]:
        assert self._registry is not None  # noqa: S101 - for the type checker; who calls has looked
        registry = self._registry()
        try:
            yield registry
        finally:
            await registry.close()


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


def event_and_place(message: Message, codec: Codec) -> tuple[Envelope, Place | None]:
    """The event of a message with the trace that stands beside it, and its place; none when the relay did not send it.

    Raises: those of `Codec.decode`; ValueError.
    """
    event = codec.decode(message.value() or b"")
    beside = headers_of(message)
    trace, place = beside.get(TRACE), beside.get(PLACE)
    if trace and trace != event.trace:
        event = msgspec.structs.replace(event, trace=trace)
    return event, place_of(place) if place else None


def headers_of(message: Message) -> dict[str, str]:
    """What stands beside a message, the last of each name. Raises: UnicodeDecodeError."""
    found = message.headers() or ()
    pairs = found.items() if isinstance(found, dict) else found
    return {name: value.decode() if isinstance(value, bytes) else value for name, value in pairs if value is not None}
