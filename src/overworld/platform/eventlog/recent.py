"""The end of the log in memory: what was written last is read and decoded once for all readers of a process."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from itertools import takewhile

import msgspec

from overworld.kernel.events import Envelope
from overworld.platform.eventlog.types import START, Batch, Position, Wanted

_BYTES_MAX = 1_000_000
_BATCHES_MAX = 1_000
_decode = msgspec.json.Decoder(list[Envelope]).decode


class Written:
    """One batch as it was read: `events` are encoded, None where no reader of this process wanted any of its topics."""

    __slots__ = ("_decoded", "_events", "_topics", "bytes", "position")

    def __init__(self, position: Position, topics: Sequence[str], events: bytes | None) -> None:
        self.position = position
        self.bytes = len(events or b"")
        self._topics = frozenset(topics)
        self._events = events
        self._decoded: list[Envelope] | None = None

    def holds(self, topics: AbstractSet[str] | None) -> bool:
        """Whether its events of some topics, with None of all, are here; also where it has none."""
        return self._events is not None or (topics is not None and self._topics.isdisjoint(topics))

    def of(self, topics: AbstractSet[str] | None) -> Batch[Position]:
        """Its events of some topics, with None of all, which are here. They are the same objects for everybody."""
        if self._events is None or (topics is not None and self._topics.isdisjoint(topics)):
            return Batch(self.position, [])
        if self._decoded is None:
            self._decoded = _decode(self._events)
        events = self._decoded
        return Batch(
            self.position,
            list(events) if topics is None else [event for event in events if event.topic in topics],
        )


class Recent:
    """The last batches up to `until`, without a gap: a thousand at most, with a megabyte of events.

    Who is farther behind reads the log itself.
    """

    def __init__(self) -> None:
        self.until = START
        self._since = START
        self._written: deque[Written] = deque()
        self._bytes = 0
        self._readers: dict[object, Wanted] = {}

    def join(self, reader: object, topics: Wanted) -> None:
        """Has the topics of a reader be read for it, until it leaves."""
        self._readers[reader] = topics

    def leave(self, reader: object) -> None:
        """Ends that; who has not joined may leave too."""
        self._readers.pop(reader, None)

    def wanted(self) -> frozenset[str] | None:
        """The topics of all readers, or None for all topics; empty while nobody reads."""
        asked = [topics() for topics in self._readers.values()]
        known = [topics for topics in asked if topics is not None]
        return frozenset[str]().union(*known) if len(known) == len(asked) else None

    def begin_anew(self, since: Position) -> None:
        """Forgets all that is here: the next batches are those after a place."""
        self._since = self.until = since
        self._written.clear()
        self._bytes = 0

    def extend(self, written: Sequence[Written]) -> None:
        """Adds the batches that come next; the oldest go when there are too many."""
        if written:
            self.until = written[-1].position
        self._written.extend(written)
        self._bytes += sum(one.bytes for one in written)
        while self._bytes > _BYTES_MAX or len(self._written) > _BATCHES_MAX:
            oldest = self._written.popleft()
            self._since = oldest.position
            self._bytes -= oldest.bytes

    def after(
        self, position: Position, *, topics: AbstractSet[str] | None, batches_max: int
    ) -> list[Batch[Position]] | None:
        """The batches after a place, as `store.read` gives them, the first so many; None where they are not here."""
        if not self._since <= position < self.until:
            return None
        later = list(takewhile(lambda one: one.position > position, reversed(self._written)))
        chosen = later[::-1][:batches_max]
        return [one.of(topics) for one in chosen] if all(one.holds(topics) for one in chosen) else None
