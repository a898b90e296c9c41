"""Avro that was written with another schema than the newest, as fastavro reads it, which knows how to resolve them."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any
from uuid import UUID

import msgspec
from fastavro import parse_schema, schemaless_reader
from msgspec import Raw

from overworld.kernel.events import Envelope
from overworld.platform.avro.errors import BadFrame
from overworld.platform.avro.json_shape import without_uuids
from overworld.platform.avro.released import Version

_encode_json = msgspec.json.Encoder().encode
_DAMAGE = (EOFError, IndexError, KeyError, ValueError, OverflowError, TypeError)


class Resolver:
    """Reads what was written with one version as the newest has it."""

    def __init__(self, version: Version, newest: Version) -> None:
        self._topic = version.topic
        self._written = parse_schema(without_uuids(version.schema))
        self._wanted = None if newest is version else parse_schema(without_uuids(newest.schema))

    def read(self, frames: Sequence[bytes], *, start: int) -> list[Envelope | BadFrame]:
        """The events of frames whose Avro begins at `start`, (n,), or why they are none."""
        return [self._read(frame, start) for frame in frames]

    def _read(self, frame: bytes, start: int) -> Envelope | BadFrame:
        stream = BytesIO(frame)
        stream.seek(start)
        try:
            said: Any = schemaless_reader(stream, self._written, self._wanted)
            event_id = UUID(said["id"])
        except _DAMAGE as error:
            return BadFrame(f"these bytes are no event of {self._topic}: {error!r}")
        if stream.tell() != len(frame):
            return BadFrame(f"{len(frame) - stream.tell()} bytes follow an event of {self._topic}")
        return Envelope(
            id=event_id,
            topic=self._topic,
            at=said["at"],
            key=said["key"],
            game=said["game"],
            data=Raw(_encode_json(said["data"])),
        )
