"""Envelopes as Avro, and back."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from msgspec import Struct

from overworld.kernel.events import Envelope
from overworld.platform.avro.errors import BadFrame, UnknownSchema
from overworld.platform.avro.framing import Framing
from overworld.platform.avro.programs import Unsteady
from overworld.platform.avro.reading import Reader
from overworld.platform.avro.released import Released, Version
from overworld.platform.avro.resolving import Resolver
from overworld.platform.avro.writing import Writer

NoEvent = UnknownSchema | BadFrame
"""Why bytes are no event."""


class Codec:
    """Writes with the newest released schema of a topic, reads what any released one has written.

    Both keep what they need for a topic from its first event on, and take many at a time for little more than one. Not
    for several threads at once.
    """

    def __init__(self, released: Released, framing: Framing) -> None:
        self._released = released
        self._framing = framing
        self._writers: dict[str, Writer] = {}
        self._readers: dict[tuple[str, int], Reader | Resolver] = {}

    def encode(self, envelope: Envelope) -> bytes:
        """The bytes of one event, which name their schema. Raises: as `encode_many`."""
        return self.encode_many([envelope])[0]

    def encode_many(self, envelopes: Sequence[Envelope]) -> list[bytes]:
        """The bytes of each event, (n,), which name their schema.

        Raises: NotReleased for a topic without a schema; UnknownSchema; msgspec.ValidationError for a damaged event;
        OverflowError for a number of more than 64 bits.
        """
        topics = {envelope.topic for envelope in envelopes}
        if len(topics) == 1:
            return self._writer_of(topics.pop()).write(envelopes)
        by_topic: dict[str, list[int]] = {}
        for place, envelope in enumerate(envelopes):
            by_topic.setdefault(envelope.topic, []).append(place)
        frames = [b""] * len(envelopes)
        for topic, places in by_topic.items():
            writer = self._writer_of(topic)
            for place, frame in zip(places, writer.write([envelopes[place] for place in places]), strict=True):
                frames[place] = frame
        return frames

    def decode(self, frame: bytes) -> Envelope:
        """The event of some bytes, with the fields that this build knows; those it lacks have their defaults.

        Raises: UnknownSchema; BadFrame.
        """
        (found,) = self.decode_many([frame])
        if isinstance(found, Exception):
            raise found
        return found

    def decode_many(self, frames: Sequence[bytes]) -> list[Envelope | NoEvent]:
        """As `decode`, of many, (n,): the event of each, or what `decode` would raise."""
        found: list[Envelope | NoEvent] = [_NOT_LOOKED_AT] * len(frames)
        for run in self._runs(frames, found):
            reader = self._readers.get((run.version.topic, run.version.number)) or self._reader_of(run.version)
            read = reader.read([frames[place] for place in run.places], start=run.start)
            if len(read) == len(found):
                return list(read)
            for place, one in zip(run.places, read, strict=True):
                found[place] = one
        return found

    def _runs(self, frames: Sequence[bytes], found: list[Envelope | NoEvent]) -> list[_Run]:
        """The frames by what they were written with; those that do not say it are told of in `found`."""
        runs: dict[bytes, _Run] = {}
        head, places = b"", list[int]()
        for place, frame in enumerate(frames):
            if not head or not frame.startswith(head):
                try:
                    version, start = self._framing.written_with(frame)
                except (UnknownSchema, BadFrame) as error:
                    found[place] = error
                    continue
                head = frame[:start]
                places = runs.setdefault(head, _Run(version, start, [])).places
            places.append(place)
        return list(runs.values())

    def _writer_of(self, topic: str) -> Writer:
        made = self._writers.get(topic)
        if made is not None:
            return made
        version = self._released.newest(topic)
        made = Writer(version.schema, head=self._framing.head(version))
        self._writers[topic] = made
        return made

    def _reader_of(self, version: Version) -> Reader | Resolver:
        """What was written with another schema than the newest takes fastavro, which knows how to get along with it."""
        newest = self._released.newest(version.topic)
        made: Reader | Resolver
        try:
            made = Reader(version.topic, version.schema) if version is newest else Resolver(version, newest)
        except Unsteady:
            made = Resolver(version, newest)
        self._readers[version.topic, version.number] = made
        return made


def warm(released: Released) -> None:
    """Compiles what codecs need, or loads it from the folder of compiled kernels, before anybody waits for it."""
    for topic in sorted(released.topics):
        version = released.newest(topic)
        with suppress(Unsteady):
            Reader(topic, version.schema).read([b""], start=0)
            Writer(version.schema, head=b"").write([])
            return


class _Run(Struct):
    """Frames of one version, by where they stand among all; their Avro begins at `start`."""

    version: Version
    start: int
    places: list[int]


_NOT_LOOKED_AT = BadFrame("not looked at")
