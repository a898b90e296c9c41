"""Events on their way out: encoded once for each subprotocol, written in slices, positions coalesced.

One queue holds what does not go out at once, and a pump writes at most `slice_sends` frames before the event loop gets
to serve others; so a room of ten thousand delays nobody, and events of one channel keep their order.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from uuid import UUID

from msgspec import Struct

from overworld.domains.realtime.ports import CellViews
from overworld.domains.realtime.protocol import OncePerSubprotocol, PlayersFrame, Subprotocol
from overworld.domains.realtime.stream import NO_CHANNELS, Stream
from overworld.domains.realtime.subscriptions import CELL_PREFIX, Subscriptions, cell_channel
from overworld.domains.realtime.types import Counters, RealtimeSettings
from overworld.geo import cells as geo_cells
from overworld.kernel import tracing
from overworld.kernel.clock import Clock
from overworld.kernel.waiting import Marks

_log = logging.getLogger(__name__)


class Publisher:
    """Writes events to the listeners of channels."""

    def __init__(
        self,
        *,
        settings: RealtimeSettings,
        subscriptions: Subscriptions,
        views: CellViews,
        clock: Clock,
        counters: Counters,
    ) -> None:
        self._settings = settings
        self._subscriptions = subscriptions
        self._views = views
        self._clock = clock
        self._counters = counters
        self._jobs: deque[Iterator[None]] = deque()
        self._marks = Marks(monotonic_s=clock.monotonic_s)
        self._written = asyncio.Event()
        self._written.set()
        self._pump: asyncio.Handle | None = None
        self._changed: dict[int, None] = {}
        self._queued: set[int] = set()
        self._players_timer: asyncio.TimerHandle | None = None
        self._players_done_s = float("-inf")

    @property
    def waiting(self) -> int:
        """Publications in the queue."""
        return len(self._jobs)

    @property
    def waiting_max(self) -> int:
        """How many may wait."""
        return self._settings.publish_queue_max

    @property
    def oldest_s(self) -> float:
        """For how long the first of them has waited."""
        return self._marks.oldest_s

    @property
    def refused(self) -> int:
        """How many had to be written at once, because too many waited."""
        return self._counters.publications_hurried

    def publish(self, channel: str, message: Struct | bytes, *, except_account: UUID | None = None) -> None:
        """Sends an event to those who listen now; bytes are a complete JSON object with a `type`.

        When the queue is full, the oldest publication is written out on the spot: nothing is lost, and the publisher
        waits instead of the memory growing.
        """
        listeners = self._subscriptions.listeners(channel)
        if not listeners:
            return
        self._counters.published += 1
        tails = OncePerSubprotocol(partial(_tail, message, channel))
        job = _to_all(listeners, tails, except_account)
        span = tracing.begin("publish", kind=tracing.Kind.PRODUCER, attributes={"listeners": len(listeners)})
        if span is not None:
            span.attributes |= {"channel.kind": channel.partition(":")[0], "type": str(getattr(message, "type", ""))}
            job = _traced(job, span)
        self._add(job, at_once=len(listeners) <= self._settings.slice_sends)

    def broadcast(self, streams: Sequence[Stream], messages: Iterable[Struct]) -> None:
        """Sends each stream its own event; the two are aligned."""
        pairs = zip(streams, messages, strict=True)
        self._add(self._to_each(pairs), at_once=False)

    def players_changed(self, cells: Sequence[int]) -> None:
        """Sends the listeners of these cells who is there now, at most once per interval and cell."""
        self._changed.update((cell, None) for cell in cells if self._subscriptions.has_listeners(cell_channel(cell)))
        if not self._changed or self._players_timer is not None:
            return
        due_s = self._players_done_s + self._settings.players_interval_s - self._clock.monotonic_s()
        self._players_timer = asyncio.get_running_loop().call_later(max(0.0, due_s), self._queue_changed)

    def players_snapshot(self, stream: Stream, cells: Sequence[int]) -> None:
        """Sends one stream who is in the cells now."""
        self._add(self._to_one(stream, cells), at_once=len(cells) <= self._settings.slice_sends)

    def catch_up(self, stream: Stream) -> None:
        """Sends a reader that was slow the newest snapshots of what it missed."""
        missed = [geo_cells.from_token(channel.removeprefix(CELL_PREFIX)) for channel in sorted(stream.stale)]
        stream.stale = NO_CHANNELS
        self._add(self._to_one(stream, missed), at_once=False)

    async def written(self) -> None:
        """Returns when nothing is queued any more."""
        await self._written.wait()

    def stop(self) -> None:
        """Drops what is queued and publishes no more by itself."""
        self._marks.take(len(self._jobs))
        self._jobs.clear()
        self._written.set()
        if self._pump is not None:
            self._pump.cancel()
        if self._players_timer is not None:
            self._players_timer.cancel()

    def _queue_changed(self) -> None:
        self._players_timer = None
        self._players_done_s = self._clock.monotonic_s()
        changed, self._changed = self._changed, {}
        for cell in changed:
            if cell not in self._queued:
                self._queued.add(cell)
                self._add(self._to_cell(cell), at_once=False)

    def _players(self, cell: int) -> OncePerSubprotocol[PlayersFrame]:
        token, seen = geo_cells.token(cell), self._views.players(cell)
        return OncePerSubprotocol(lambda subprotocol: subprotocol.players_frame(cell=token, seen=seen))

    def _to_cell(self, cell: int) -> Iterator[None]:
        self._queued.discard(cell)
        channel = cell_channel(cell)
        listeners = self._subscriptions.listeners(channel)
        if not listeners:
            return
        players = self._players(cell)
        for stream in listeners:
            _write_players(stream, channel, players)
            yield

    def _to_one(self, stream: Stream, cells: Sequence[int]) -> Iterator[None]:
        for cell in cells:
            if _reads_lists(stream):  # or it would be looked at who is there for nothing
                _write_players(stream, cell_channel(cell), self._players(cell))
            yield

    def _to_each(self, pairs: Iterable[tuple[Stream, Struct]]) -> Iterator[None]:
        for stream, message in pairs:
            stream.event(stream.subprotocol.tail(message))
            yield

    def _add(self, job: Iterator[None], *, at_once: bool) -> None:
        if at_once and not self._jobs:
            _finish(job)
            return
        if len(self._jobs) >= self._settings.publish_queue_max:
            self._counters.publications_hurried += 1
            _finish(self._taken())
        self._jobs.append(job)
        self._marks.put(1)
        self._written.clear()
        if self._pump is None:
            self._pump = asyncio.get_running_loop().call_soon(self._run_slice)

    def _run_slice(self) -> None:
        self._pump = None
        for _ in range(self._settings.slice_sends):
            if not self._jobs:
                self._written.set()
                return
            try:
                next(self._jobs[0])
            except StopIteration:
                self._taken()
            except Exception:
                _log.exception("a publication failed")
                self._taken()
        self._pump = asyncio.get_running_loop().call_soon(self._run_slice)

    def _taken(self) -> Iterator[None]:
        self._marks.take(1)
        return self._jobs.popleft()


def _tail(message: Struct | bytes, channel: str, subprotocol: Subprotocol) -> bytes:
    return subprotocol.tail(message, channel=channel)


def _to_all(
    listeners: Sequence[Stream], tails: OncePerSubprotocol[bytes], except_account: UUID | None
) -> Iterator[None]:
    for stream in listeners:
        principal = stream.principal
        if except_account is None or principal is None or principal.account_id != except_account:
            stream.event(tails(stream.subprotocol))
            yield


def _traced(job: Iterator[None], span: tracing.Span) -> Iterator[None]:
    """The same; the span ends when everybody has been written to."""
    try:
        yield from job
    except Exception as error:
        span.end(error=type(error).__name__)
        raise
    finally:
        span.end()


def _write_players(stream: Stream, channel: str, players: OncePerSubprotocol[PlayersFrame]) -> None:
    if stream.principal is not None and _reads_lists(stream):
        stream.position_event(channel, players(stream.subprotocol).without(stream.principal.account_id))


def _reads_lists(stream: Stream) -> bool:
    return stream.line is not None and not stream.is_packed


def _finish(job: Iterator[None]) -> None:
    try:
        deque(job, maxlen=0)
    except Exception:
        _log.exception("a publication failed")
