"""What outlives a line: whose it is, which channels it holds, and the events it was sent, to be told again.

A connection carries one stream. When its line breaks, the stream goes on without one for a while: it stays subscribed,
numbers and keeps what it is sent, and the same account may take it over on another connection.
"""

from __future__ import annotations

from typing import Protocol

from overworld.domains.realtime.kept import Kept
from overworld.domains.realtime.protocol import Subprotocol
from overworld.domains.realtime.types import CloseCode, RealtimeSettings
from overworld.kernel.identity import Principal

NOTHING_SENT = -1  # no bytes hash to it
NO_CHANNELS: frozenset[str] = frozenset()  # one for all streams: an empty set of its own takes 216 bytes


class Line(Protocol):
    """What a stream writes to."""

    @property
    def congested(self) -> bool:
        """Whether so much waits for the reader that it gets no positions."""
        ...

    @property
    def resumable(self) -> bool:
        """Whether its client may go on elsewhere: it has neither left nor been sent away."""
        ...

    def event(self, seq: int, tail: bytes) -> None:
        """Writes an event that must arrive."""
        ...

    def snapshot(self, frame: bytes) -> None:
        """Writes positions."""
        ...

    def positions(self, frame: bytes) -> bool:
        """Writes a packed frame of positions; False, and nothing written, for a slow reader."""
        ...

    def position_dropped(self) -> None:
        """Counts positions that were not written."""
        ...

    def close(self, code: CloseCode, reason: str) -> None:
        """Says why, then hangs up."""
        ...


class Stream:
    """The events of one client, numbered without gaps, whatever lines they went over.

    `channels` maps each channel held to the digest of the last snapshot of positions written for it; `stale` are those
    whose newest snapshot could not be written. `seen_from` is the room cell from which all its cell channels are known
    to be in sight, None when that is to be found out. Only `Streams` sets `line`.

    `is_packed` says that positions go as packed frames, `is_behind` that some were left out. `around_m` is how far
    around its player it holds cells by itself, None when it does not; `around_cells` are those, the nearest first, and
    `around_channels` the channels that it holds for no other reason.
    """

    __slots__ = (
        "_kept",
        "around_cells",
        "around_channels",
        "around_m",
        "channels",
        "epoch",
        "is_behind",
        "is_packed",
        "line",
        "principal",
        "seen_from",
        "seq",
        "stale",
        "subprotocol",
    )

    def __init__(self, *, epoch: str, subprotocol: Subprotocol, settings: RealtimeSettings) -> None:
        self.epoch = epoch
        self.subprotocol = subprotocol
        self.principal: Principal | None = None
        self.line: Line | None = None
        self.seq = 0
        self.channels: dict[str, int] = {}
        self.stale = NO_CHANNELS
        self.is_packed = self.is_behind = False
        self.around_m: float | None = None
        self.around_cells: list[int] = []
        self.around_channels = NO_CHANNELS
        self.seen_from: int | None = None
        # All of it is told at once, and must then fit into what may wait for the reader.
        bytes_max = min(settings.history_bytes_max, settings.unsent_bytes_max // 2)
        self._kept = Kept(events_max=settings.history_max, bytes_max=bytes_max)

    def event(self, tail: bytes) -> None:
        """Numbers an event, keeps it, and writes it where there is a line."""
        self.seq += 1
        self._kept.add(tail)
        if self.line is not None:
            self.line.event(self.seq, tail)

    def position_event(self, channel: str, frame: bytes) -> None:
        """Writes a snapshot of positions of a channel held, unless it says what the last one said.

        A slow reader does not get it; the channel is then `stale` until the newest snapshot can be written. Without a
        line it is nothing: whoever takes the stream over gets new ones.
        """
        digest = hash(frame)
        if self.line is None or self.channels.get(channel, digest) == digest:
            return
        if self.line.congested:
            self.stale |= {channel}
            self.line.position_dropped()
            return
        self.channels[channel] = digest
        self.line.snapshot(frame)

    def since(self, seq: int) -> list[tuple[int, bytes]] | None:
        """The events after a number, each with its own; None when they are no longer kept, or were never sent."""
        missed = self.seq - seq
        if not 0 <= missed <= len(self._kept):
            return None
        return list(enumerate(self._kept.newest(missed), seq + 1))

    def speak(self, subprotocol: Subprotocol) -> None:
        """Goes on in a subprotocol; what was kept in another one is forgotten."""
        if subprotocol is not self.subprotocol:
            self.subprotocol = subprotocol
            self._kept.clear()

    def no_longer_around(self, channel: str) -> None:
        """A channel is held by its name from now on, or not at all."""
        if channel in self.around_channels:
            self.around_channels -= {channel}

    def begin_line(self, line: Line | None) -> None:
        """Goes on over a line that has been told no positions, or over none."""
        self.line = line
        self.stale = NO_CHANNELS
        self.channels = dict.fromkeys(self.channels, NOTHING_SENT)
