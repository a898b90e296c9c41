"""Every schema that was ever released: a file for each version of a topic, which never changes again.

What lies in a topic was written with one of them, so all are kept, and the newest is what is written with.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from fastavro.schema import fingerprint, parse_schema, to_parsing_canonical_form
from msgspec import Struct

from overworld.kernel.events import Event
from overworld.platform.avro.compatibility import Clash, clashes, same
from overworld.platform.avro.errors import NotReleased, UnknownSchema
from overworld.platform.avro.schema import Schema, schema_of

FOLDER = Path(__file__).parent / "versions"
_ENDING = ".avsc"


class Version(Struct, frozen=True, dict=True):
    """One version of a topic's schema, counted from 1."""

    topic: str
    number: int
    schema: Schema

    @property
    def text(self) -> str:
        """The schema as JSON, without white space: what a registry is given."""
        return json.dumps(self.schema, separators=(",", ":"))

    @cached_property
    def parsed(self) -> Any:
        """The schema as fastavro reads and writes with it."""
        return parse_schema(self.schema)

    @cached_property
    def fingerprint(self) -> bytes:
        """CRC-64-AVRO of the canonical form, 8 bytes, as single-object encoding has it: little-endian.

        Versions that differ in nothing that decides how bytes are read have the same.
        """
        return bytes.fromhex(fingerprint(to_parsing_canonical_form(self.schema), "CRC-64-AVRO"))


class Released:
    """The versions in a folder: `TOPIC/NUMBER.avsc`."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self.folder = folder

    @property
    def topics(self) -> frozenset[str]:
        """The topics that have a version."""
        return frozenset(self._kept)

    def versions(self, topic: str) -> list[Version]:
        """The versions of a topic, the oldest first. Raises: ValueError when one is missing between others."""
        return self._kept.get(topic, [])

    def newest(self, topic: str) -> Version:
        """What a topic is written with. Raises: NotReleased."""
        versions = self.versions(topic)
        if not versions:
            raise NotReleased(topic)
        return versions[-1]

    def by_fingerprint(self, wanted: bytes) -> Version:
        """The version with which bytes were written. Raises: UnknownSchema."""
        found = self._by_fingerprint.get(wanted)
        if found is None:
            raise UnknownSchema(f"no schema with the fingerprint {wanted.hex()} was released")
        return found

    def add(self, kind: type[Event]) -> Version:
        """Keeps what the code says of an event as its next version. Raises: OSError; NotInAvro."""
        versions = self._kept.setdefault(kind.topic, [])
        version = Version(kind.topic, len(versions) + 1, schema_of(kind))
        file = self.folder / version.topic / f"{version.number}{_ENDING}"
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8") as out:
            out.write(json.dumps(version.schema, indent=2, ensure_ascii=False) + "\n")
        versions.append(version)
        return version

    @cached_property
    def _kept(self) -> dict[str, list[Version]]:
        topics = {file.parent.name for file in self.folder.glob(f"*/*{_ENDING}")}
        return {topic: list(self._read(topic)) for topic in sorted(topics)}

    @cached_property
    def _by_fingerprint(self) -> Mapping[bytes, Version]:
        return {version.fingerprint: version for versions in self._kept.values() for version in versions}

    def _read(self, topic: str) -> Iterator[Version]:
        numbers = sorted(int(file.stem) for file in (self.folder / topic).glob(f"*{_ENDING}"))
        if numbers != list(range(1, len(numbers) + 1)):
            raise ValueError(f"{topic} has the versions {numbers}, which should be 1, 2, 3 and so on")
        for number in numbers:
            yield Version(topic, number, json.loads((self.folder / topic / f"{number}{_ENDING}").read_bytes()))


class Finding(Struct, frozen=True, kw_only=True):
    """What a comparison of the code with the released schemas found of a topic.

    `clashes` are the reasons why a reader of this build would not understand a version; with none of them, what the
    code says may become the next version.
    """

    topic: str
    number: int
    said: str
    clashes: tuple[Clash, ...] = ()


def findings(released: Released, kinds: Iterable[type[Event]], *, retired: frozenset[str]) -> Iterator[Finding]:
    """Where the code is not what was released: a line a topic, or one for each version it would not understand.

    `retired` are topics whose event is gone on purpose.
    """
    told = {kind.topic: schema_of(kind) for kind in kinds}
    for topic, schema in sorted(told.items()):
        yield from _of_topic(released.versions(topic), schema, topic)
    for topic in sorted(released.topics - told.keys() - retired):
        yield Finding(topic=topic, number=released.newest(topic).number, said="was released, and no event is of it")


def _of_topic(versions: list[Version], schema: Schema, topic: str) -> Iterator[Finding]:
    broken = [
        Finding(topic=topic, number=version.number, said="would not be understood any more", clashes=tuple(found))
        for version in versions
        if (found := clashes(reader=schema, writer=version.schema))
    ]
    if broken:
        yield from broken
    elif not versions:
        yield Finding(topic=topic, number=1, said="has no schema yet; `overworld events schema add` releases it")
    elif not same(schema, versions[-1].schema):
        said = "has changed and understands all that was; `overworld events schema add` releases it"
        yield Finding(topic=topic, number=len(versions) + 1, said=said)
