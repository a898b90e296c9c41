"""The newest events of a stream, kept to be told again: within a number of events and of bytes, large ones packed."""

from __future__ import annotations

import zlib
from typing import NamedTuple

# What lies around a player is some 8 kB, kept for as long as little else happens, and packed a third of that. Shorter
# events soon make room for others, and packing takes 5 us a kB.
_PACKED_FROM_BYTES = 2048
_LEVEL = 1


class _Packed(NamedTuple):
    """An event that was so many bytes long."""

    size: int
    content: bytes


class Kept:
    """Events in their order, the oldest let go of first. `bytes_max` is of what is told, not of what is kept here."""

    __slots__ = ("_bytes", "_bytes_max", "_events", "_max")

    def __init__(self, *, events_max: int, bytes_max: int) -> None:
        self._events: list[bytes | _Packed] = []  # a deque takes half a kilobyte before anything is in it
        self._bytes = 0
        self._max = events_max
        self._bytes_max = bytes_max

    def __len__(self) -> int:
        return len(self._events)

    def add(self, event: bytes) -> None:
        """Keeps an event as the newest."""
        events = self._events
        self._bytes += len(event)
        events.append(event if len(event) < _PACKED_FROM_BYTES else _Packed(len(event), zlib.compress(event, _LEVEL)))
        while len(events) > self._max or self._bytes > self._bytes_max:
            oldest = events.pop(0)
            self._bytes -= oldest.size if isinstance(oldest, _Packed) else len(oldest)

    def newest(self, count: int) -> list[bytes]:
        """The last `count`, the oldest of them first; no more than there are."""
        return [_unpacked(event) for event in self._events[len(self._events) - count :]]

    def clear(self) -> None:
        """Lets go of all."""
        self._events.clear()
        self._bytes = 0


def _unpacked(event: bytes | _Packed) -> bytes:
    return zlib.decompress(event.content) if isinstance(event, _Packed) else event
