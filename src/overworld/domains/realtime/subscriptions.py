"""Channels: who listens to which, and which names are well formed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

from overworld.domains.realtime.errors import BadChannel
from overworld.domains.realtime.stream import NOTHING_SENT, Stream
from overworld.geo import cells

CELL_PREFIX = "location:cell:"
AROUND = "location:around"
SYSTEM = "system"
USER_PREFIX = "user:"
_CHANNELS_MAX = 65_536


@lru_cache(maxsize=_CHANNELS_MAX)
def cell_channel(cell: int) -> str:
    """The channel of a room cell; one text for all who hold it, as a player holds a dozen."""
    return CELL_PREFIX + cells.token(cell)


def cell_of_channel(channel: str, *, room_level: int) -> int:
    """The cell of a `location:cell:` channel.

    Raises: BadChannel unless the rest is the token of a cell of the room level, written the one canonical way.
    """
    token = channel.removeprefix(CELL_PREFIX)
    try:
        cell = cells.from_token(token)
    except ValueError:
        raise BadChannel from None
    if not cells.is_valid(cell) or cells.level_of(cell) != room_level or cells.token(cell) != token:
        raise BadChannel
    return cell


def watched_cells(stream: Stream) -> Iterator[tuple[str, int]]:
    """The cell channels that a stream holds, each with its cell."""
    for channel in tuple(stream.channels):
        if channel.startswith(CELL_PREFIX):
            yield channel, cells.from_token(channel.removeprefix(CELL_PREFIX))


class Subscriptions:
    """The listeners of each channel of this process. A channel exists while somebody listens.

    `changed` is called for a stream that holds other cells than before, `anew` for one to be told everything again.
    """

    def __init__(self, *, changed: Callable[[Stream], None], anew: Callable[[Stream], None]) -> None:
        self.changed = changed
        self.anew = anew
        self._listeners: dict[str, dict[Stream, None]] = {}

    def __len__(self) -> int:
        return len(self._listeners)

    def add(self, stream: Stream, channel: str) -> None:
        """Adds a listener; once is enough."""
        if channel in stream.channels:
            return
        stream.channels[channel] = NOTHING_SENT
        self._listeners.setdefault(channel, {})[stream] = None
        if channel.startswith(CELL_PREFIX):
            self.changed(stream)

    def remove(self, stream: Stream, channel: str) -> None:
        """Removes a listener; one that never listened is no error."""
        if channel in stream.stale:
            stream.stale -= {channel}
        if stream.channels.pop(channel, None) is None:
            return
        listeners = self._listeners[channel]
        del listeners[stream]
        if not listeners:
            del self._listeners[channel]
        if channel.startswith(CELL_PREFIX):
            self.changed(stream)

    def remove_all(self, stream: Stream) -> None:
        """Removes a stream from every channel."""
        for channel in list(stream.channels):
            self.remove(stream, channel)

    def tell_again(self, stream: Stream, channels: Sequence[str]) -> None:
        """What a stream was told of the players in cells that it holds counts as never told."""
        if channels:
            stream.channels.update(dict.fromkeys(channels, NOTHING_SENT))
            self.anew(stream)

    def listeners(self, channel: str) -> tuple[Stream, ...]:
        """Those who listen now, in the order in which they came."""
        return tuple(self._listeners.get(channel, ()))

    def has_listeners(self, channel: str) -> bool:
        """Whether anybody listens."""
        return channel in self._listeners

    def __iter__(self) -> Iterator[str]:
        return iter(self._listeners)
