"""Who reads about the players of which cells: kept in step with the channels that streams hold.

A stream with a line either watches its cells, and gets packed frames of what changes in them, or listens, and gets
`players.nearby`. One without a line does neither; what it missed comes whole when it has one again.
"""

from __future__ import annotations

import asyncio
import logging
from itertools import islice

from overworld.domains.realtime.ports import CellListeners, Interest
from overworld.domains.realtime.stream import Line, Stream
from overworld.domains.realtime.subscriptions import watched_cells
from overworld.domains.realtime.types import RealtimeSettings

_log = logging.getLogger(__name__)

_NOTHING: frozenset[int] = frozenset()


class Watching:
    """Tells the world who reads what, a moment after it changed, and hands its frames on to the lines."""

    def __init__(self, *, interest: Interest, listeners: CellListeners, settings: RealtimeSettings) -> None:
        self._interest = interest
        self._listeners = listeners
        self._at_once = settings.slice_streams
        self._changed: dict[Stream, None] = {}
        self._turn: asyncio.Handle | None = None
        self._watchers: dict[Stream, tuple[int, Line | None]] = {}
        self._readers: dict[int, tuple[Stream, Line]] = {}
        self._listened: dict[Stream, frozenset[int]] = {}
        interest.on_frames = self.hear

    def changed(self, stream: Stream) -> None:
        """Says that a stream holds other cells, has another line or none, or reads in another way. Cheap."""
        self._changed[stream] = None
        if self._turn is None:
            self._turn = asyncio.get_running_loop().call_soon(self._take_turn)

    def anew(self, stream: Stream) -> None:
        """Says that a stream is to be told everything of its cells again, on whatever line. Cheap."""
        if stream in self._watchers:
            self._watchers[stream] = self._watchers[stream][0], None
        self.changed(stream)

    def hear(self, numbers: list[int], starts: list[int], ends: list[int], frames: memoryview) -> None:
        """Writes frames to their readers, each the bytes from its start to its end.

        One who is too slow gets nothing more until `caught_up`.
        """
        for number, start, end in zip(numbers, starts, ends, strict=True):
            stream, line = self._readers[number]
            if stream.line is not line:
                continue  # its new line, if it has one, is told everything from the next turn on
            if not line.positions(bytes(frames[start:end])):
                stream.is_behind = True
                self._interest.pause(number)

    def caught_up(self, stream: Stream) -> None:
        """A reader that was too slow reads on: it is told everything anew."""
        stream.is_behind = False
        if stream in self._watchers:
            self._interest.resend(self._watchers[stream][0])

    def _take_turn(self) -> None:
        self._turn = None
        for stream in list(islice(self._changed, self._at_once)):
            del self._changed[stream]
            try:
                self._apply(stream)
            except Exception:
                _log.exception("what a stream watches could not be changed")
        if self._changed and self._turn is None:
            self._turn = asyncio.get_running_loop().call_soon(self._take_turn)

    def _apply(self, stream: Stream) -> None:
        line = stream.line
        cells = [] if line is None else _nearest_first(stream)
        self._listen(stream, _NOTHING if stream.is_packed else frozenset(cells))
        if line is None or not stream.is_packed or not cells:
            self._watch_nothing(stream)
        else:
            self._watch(stream, line, cells)

    def _watch(self, stream: Stream, line: Line, cells: list[int]) -> None:
        number, told = self._watchers.get(stream) or (self._interest.open(), line)
        self._watchers[stream] = number, line
        self._readers[number] = stream, line
        self._interest.watch(number, cells)
        if told is not line:
            stream.is_behind = False
            self._interest.resend(number)

    def _watch_nothing(self, stream: Stream) -> None:
        stream.is_behind = False
        watcher = self._watchers.pop(stream, None)
        if watcher is not None:
            del self._readers[watcher[0]]
            self._interest.close(watcher[0])

    def _listen(self, stream: Stream, cells: frozenset[int]) -> None:
        before = self._listened.get(stream, _NOTHING)
        for cell in cells - before:
            self._listeners.listen(cell)
        for cell in before - cells:
            self._listeners.unlisten(cell)
        if cells:
            self._listened[stream] = cells
        else:
            self._listened.pop(stream, None)


def _nearest_first(stream: Stream) -> list[int]:
    """The cells whose channels a stream holds, those around its player first."""
    held = dict.fromkeys(cell for _, cell in watched_cells(stream))
    around = [cell for cell in stream.around_cells if cell in held]
    return list(dict.fromkeys(around) | held)
