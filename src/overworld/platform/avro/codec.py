"""Envelopes as Avro, and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from io import BytesIO
from typing import Any
from uuid import UUID

import msgspec
from fastavro import parse_schema, schemaless_reader
from msgspec import Raw

from overworld.kernel.events import Envelope
from overworld.platform.avro.errors import BadFrame
from overworld.platform.avro.framing import Framing
from overworld.platform.avro.json_shape import shape_of, without_uuids
from overworld.platform.avro.released import Released, Version
from overworld.platform.avro.writing import EPOCH, instant, text, writer_of

_encode_json = msgspec.json.Encoder().encode
_DAMAGE = (EOFError, IndexError, KeyError, ValueError, OverflowError, TypeError)


class Codec:
    """Writes with the newest released schema of a topic, reads what any released one has written.

    Both keep what they need for a topic from its first event on. Not for several threads at once.
    """

    def __init__(self, released: Released, framing: Framing) -> None:
        self._released = released
        self._framing = framing
        self._writers: dict[str, Callable[[Envelope], bytes]] = {}
        self._last_at, self._last_instant = EPOCH, instant(EPOCH)
        self._readers: dict[tuple[str, Any], tuple[Any, Any]] = {}

    def encode(self, envelope: Envelope) -> bytes:
        """The bytes of one event, which name their schema.

        Raises: NotReleased for a topic without a schema; UnknownSchema; msgspec.ValidationError for a damaged event.
        """
        writer = self._writers.get(envelope.topic) or self._writer_of(envelope.topic)
        return writer(envelope)

    def encode_many(self, envelopes: Sequence[Envelope]) -> list[bytes]:
        """As `encode`, of many, (n,)."""
        return [self.encode(envelope) for envelope in envelopes]

    def decode(self, frame: bytes) -> Envelope:
        """The event of some bytes, with the fields that this build knows; those it lacks have their defaults.

        Raises: UnknownSchema; BadFrame.
        """
        version, start = self._framing.written_with(frame)
        writer, reader = self._reader_of(version)
        stream = BytesIO(frame)
        stream.seek(start)
        try:
            said: Any = schemaless_reader(stream, writer, reader)
        except _DAMAGE as error:
            raise BadFrame(f"these bytes are no event of {version.topic}: {error!r}") from error
        if stream.tell() != len(frame):
            raise BadFrame(f"{len(frame) - stream.tell()} bytes follow an event of {version.topic}")
        return Envelope(
            id=UUID(said["id"]),
            topic=version.topic,
            at=said["at"],
            key=said["key"],
            game=said["game"],
            data=Raw(_encode_json(said["data"])),
        )

    def _writer_of(self, topic: str) -> Callable[[Envelope], bytes]:
        version = self._released.newest(topic)
        head, schema = self._framing.head(version), version.schema["fields"][-1]["type"]
        read, write = msgspec.json.Decoder(shape_of(schema)).decode, writer_of(schema)

        def written(envelope: Envelope) -> bytes:
            start = (head, text(str(envelope.id)), self._instant(envelope.at), text(envelope.key), text(envelope.game))
            return b"".join((*start, write(read(envelope.data))))

        self._writers[topic] = written
        return written

    def _instant(self, at: datetime) -> bytes:
        """A batch has one time, so the last one is kept."""
        if at != self._last_at:
            self._last_at, self._last_instant = at, instant(at)
        return self._last_instant

    def _reader_of(self, version: Version) -> tuple[Any, Any]:
        """What fastavro reads with: the schema it was written with and, if that is another, the newest here."""
        key = (version.topic, version.number)
        if key not in self._readers:
            newest = self._released.newest(version.topic)
            reader = None if newest is version else parse_schema(without_uuids(newest.schema))
            self._readers[key] = parse_schema(without_uuids(version.schema)), reader
        return self._readers[key]
