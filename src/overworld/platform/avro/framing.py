"""What stands before the Avro of an event and says which schema it was written with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from overworld.platform.avro.errors import BadFrame, UnknownSchema
from overworld.platform.avro.released import Released, Version

SINGLE_OBJECT = b"\xc3\x01"
CONFLUENT = b"\x00"
SINGLE_OBJECT_BYTES = len(SINGLE_OBJECT) + 8
CONFLUENT_BYTES = len(CONFLUENT) + 4


class Framing(Protocol):
    """Names schemas in front of bytes."""

    def head(self, version: Version) -> bytes:
        """What stands before bytes that were written with this version. Raises: UnknownSchema."""
        ...

    def written_with(self, frame: bytes) -> tuple[Version, int]:
        """The version that a frame names, and where its Avro begins. Raises: UnknownSchema; BadFrame."""
        ...


class SingleObject:
    """Avro's own: C3 01 and the schema's fingerprint. Nobody has to be asked what it stands for.

    Source: Apache Avro 1.12 specification, "Single-object encoding".
    """

    def __init__(self, released: Released) -> None:
        self._released = released

    def head(self, version: Version) -> bytes:
        """What stands before bytes that were written with this version."""
        return SINGLE_OBJECT + version.fingerprint

    def written_with(self, frame: bytes) -> tuple[Version, int]:
        """The version that a frame names, and where its Avro begins. Raises: UnknownSchema; BadFrame."""
        if not frame.startswith(SINGLE_OBJECT) or len(frame) < SINGLE_OBJECT_BYTES:
            raise BadFrame("these bytes name no schema")
        return self._released.by_fingerprint(frame[len(SINGLE_OBJECT) : SINGLE_OBJECT_BYTES]), SINGLE_OBJECT_BYTES


class Confluent:
    """A zero byte and the number that a registry gave the schema, 4 bytes, big-endian.

    `ids` are those numbers, with the version each stands for. Frames of single-object encoding are understood too, so
    that what was written before there was a registry stays readable.
    """

    def __init__(self, released: Released, ids: Mapping[int, Version]) -> None:
        self._single = SingleObject(released)
        self._by_id: dict[int, Version] = {}
        self._ids: dict[tuple[str, int], int] = {}
        self.number(ids)

    def number(self, ids: Mapping[int, Version]) -> None:
        """Adds numbers that the registry gave our versions."""
        self._by_id.update(ids)
        self._ids.update({(version.topic, version.number): number for number, version in ids.items()})

    def know(self, schema_id: int, version: Version) -> None:
        """Adds one that was looked up in the registry: of a build that is newer than this."""
        self._by_id[schema_id] = version

    def head(self, version: Version) -> bytes:
        """What stands before bytes that were written with this version. Raises: UnknownSchema."""
        schema_id = self._ids.get((version.topic, version.number))
        if schema_id is None:
            raise UnknownSchema(f"version {version.number} of {version.topic} has no number in the registry")
        return CONFLUENT + schema_id.to_bytes(4, "big")

    def written_with(self, frame: bytes) -> tuple[Version, int]:
        """The version that a frame names, and where its Avro begins. Raises: UnknownSchema; BadFrame."""
        if not frame.startswith(CONFLUENT) or len(frame) < CONFLUENT_BYTES:
            return self._single.written_with(frame)
        schema_id = int.from_bytes(frame[1:CONFLUENT_BYTES], "big")
        version = self._by_id.get(schema_id)
        if version is None:
            raise UnknownSchema(f"the schema {schema_id} of the registry is not known here", schema_id=schema_id)
        return version, CONFLUENT_BYTES
