"""An event as a message of Kafka: its bytes, and beside them where it lies in the log."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Protocol
from uuid import UUID

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
_ID_BYTES = 36
_encode_json = msgspec.json.Encoder().encode


class Codec(Protocol):
    """What events are written as, and read from."""

    async def prepare(self) -> None:
        """Makes ready to write. Raises: Fault when that is to be tried again."""
        ...

    async def learn(self, unknown: UnknownSchema) -> None:
        """Looks up a schema that `decode_many` did not know. Raises: UnknownSchema when nobody here knows it; Fault."""
        ...

    def encode_many(self, envelopes: Sequence[Envelope]) -> list[bytes]:
        """The bytes of each event, (n,)."""
        ...

    def decode_many(self, frames: Sequence[bytes]) -> Sequence[Envelope | Exception]:
        """The event of each, (n,), or why it is none: UnknownSchema, ValueError, LookupError."""
        ...


class JsonCodec:
    """Events as the log in PostgreSQL has them."""

    def __init__(self) -> None:
        self._encode = _encode_json
        self._decode = msgspec.json.Decoder(Envelope).decode

    async def prepare(self) -> None:
        """Is always ready."""

    async def learn(self, unknown: UnknownSchema) -> None:
        """Knows no schemas."""
        raise unknown

    def encode_many(self, envelopes: Sequence[Envelope]) -> list[bytes]:
        """The bytes of each event, (n,)."""
        return list(map(self._encode, envelopes))

    def decode_many(self, frames: Sequence[bytes]) -> list[Envelope | Exception]:
        """The event of each, (n,), or why it is none."""
        return list(map(self._event, frames))

    def _event(self, frame: bytes) -> Envelope | Exception:
        try:
            return self._decode(frame)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            return error


class AvroCodec:
    """Events as Avro: in front stands the schema's number in a registry, or its fingerprint where there is none."""

    def __init__(self, released: Released, registry: Callable[[], SchemaRegistry] | None) -> None:
        self._released = released
        self._registry = registry
        self._numbers = Confluent(released, {})
        self._codec = avro.Codec(released, self._numbers if registry else SingleObject(released))
        self._is_ready = registry is None
        self.encode_many = self._codec.encode_many
        self.decode_many = self._codec.decode_many

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


def id_texts(ids: Sequence[UUID]) -> list[bytes]:
    """Ids as they stand in headers, (n,); msgspec writes many in a tenth of the time that Python takes."""
    said = _encode_json(ids)
    return [said[begin : begin + _ID_BYTES] for begin in range(2, len(said), _ID_BYTES + 3)]


def headers_of(message: Message) -> dict[str, str]:
    """What stands beside a message, the last of each name. Raises: UnicodeDecodeError."""
    found = message.headers() or ()
    pairs = found.items() if isinstance(found, dict) else found
    return {name: value.decode() if isinstance(value, bytes) else value for name, value in pairs if value is not None}
