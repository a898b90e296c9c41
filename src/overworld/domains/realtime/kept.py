"""The newest events of a stream, kept to be told again: within a number of events and of bytes, large ones packed."""

from __future__ import annotations

import zlib

# What a cell holds is 5 to 30 kB and is kept for as long as little else happens: a third of that is what a connection
# costs. Shorter events are gone before packing them, 5 us a kB, would pay.
_PACKED_FROM_BYTES = 2048
_LEVEL = 1


class _Packed(bytes):
    """An event's bytes, packed."""

    __slots__ = ()


class Kept:
    """Events in their order, the oldest let go of first. `bytes_max` is of what is told, not of what is kept here."""

    __slots__ = ("_bytes", "_bytes_max", "_events", "_max")

    def __init__(self, *, events_max: int, bytes_max: int) -> None:
        self._events: list[bytes] = []  # a deque takes half a kilobyte before anything is in it
        self._bytes = 0
        self._max = events_max
        self._bytes_max = bytes_max

    def __len__(self) -> int:
        return len(self._events)

    def add(self, event: bytes) -> None:
        """Keeps an event as the newest."""
        events = self._events
        self._bytes += len(event)
        events.append(event if len(event) < _PACKED_FROM_BYTES else _Packed(zlib.compress(event, _LEVEL)))
        while len(events) > self._max or self._bytes > self._bytes_max:
            self._bytes -= len(_unpacked(events.pop(0)))

    def newest(self, count: int) -> list[bytes]:
        """The last `count`, the oldest of them first; no more than there are."""
        return [_unpacked(event) for event in self._events[len(self._events) - count :]]

    def clear(self) -> None:
        """Lets go of all."""
        self._events.clear()
        self._bytes = 0


def _unpacked(event: bytes) -> bytes:
    return zlib.decompress(event) if isinstance(event, _Packed) else event
