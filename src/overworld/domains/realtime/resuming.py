"""Going on after a broken line: a stream moves to a new connection, which is told what it missed."""

from __future__ import annotations

from overworld.domains.realtime.around import Around
from overworld.domains.realtime.connection import Connection
from overworld.domains.realtime.messages import Resume, Resumed, Resync
from overworld.domains.realtime.permission import authenticated
from overworld.domains.realtime.sight import SightKeeper
from overworld.domains.realtime.snapshots import Snapshots
from overworld.domains.realtime.stream import Stream
from overworld.domains.realtime.streams import Streams
from overworld.domains.realtime.subscriptions import watched_cells
from overworld.domains.realtime.types import CloseCode, Counters


class Resumption:
    """Carries out `resume`."""

    def __init__(
        self, *, streams: Streams, keeper: SightKeeper, around: Around, snapshots: Snapshots, counters: Counters
    ) -> None:
        self._streams = streams
        self._keeper = keeper
        self._around = around
        self._snapshots = snapshots
        self._counters = counters

    async def resume(self, connection: Connection, message: Resume) -> None:
        """Moves the stream here and tells what was missed, else how things stand now.

        Up to the last missed event nothing else gets its turn, so nothing is told out of order or twice.
        """
        if not connection.is_open:
            return
        stream = self._streams.find(message.epoch, authenticated(connection))
        if stream is None:
            self._counters.resynced += 1
            connection.reply(_resync(connection.stream, message))
            return
        same = stream.subprotocol is connection.subprotocol
        missed = stream.since(message.seq) if same else None
        self._move(stream, connection)
        if missed is None:
            self._counters.resynced += 1
            connection.reply(_resync(stream, message))
        else:
            self._counters.resumed += 1
            channels = list(stream.channels)
            connection.reply(Resumed(epoch=stream.epoch, seq=stream.seq, channels=channels, cid=message.cid))
            for seq, tail in missed:
                connection.event(seq, tail)
        await self._show_cells(stream, connection, collectibles=missed is None)

    def _move(self, stream: Stream, connection: Connection) -> None:
        before = stream.line
        if stream is not connection.stream:
            self._streams.end(connection.stream)
            connection.stream = stream
        stream.speak(connection.subprotocol)
        self._streams.attach(stream, connection, authenticated(connection))
        if before is not None and before is not connection:
            before.close(CloseCode.REPLACED, "its stream was resumed by another connection")

    async def _show_cells(self, stream: Stream, connection: Connection, *, collectibles: bool) -> None:
        new = (await self._around.follow([stream])).get(stream, [])
        await self._keeper.look([stream])
        cells = [cell for _, cell in watched_cells(stream)]
        if not cells or stream.line is not connection:
            return
        self._snapshots.players(stream, cells)
        shown = cells if collectibles else [cell for cell in cells if cell in new]
        if shown:
            await self._snapshots.collectibles(stream, shown)


def _resync(stream: Stream, message: Resume) -> Resync:
    return Resync(epoch=stream.epoch, seq=stream.seq, channels=list(stream.channels), cid=message.cid)
