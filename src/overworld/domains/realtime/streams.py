"""The streams of a gateway: those that a connection carries, and those that wait to be taken over."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from uuid import UUID

from overworld.domains.realtime.stream import Line, Stream
from overworld.domains.realtime.subscriptions import Subscriptions
from overworld.domains.realtime.types import RealtimeSettings
from overworld.kernel.clock import Clock
from overworld.kernel.identity import Principal


class Streams:
    """All streams of a gateway by their epoch, and those without a line, which end after a while.

    Streams without a line are bounded for the process and per account; the one that has waited longest makes room.
    """

    def __init__(self, *, settings: RealtimeSettings, subscriptions: Subscriptions, clock: Clock) -> None:
        self._settings = settings
        self._subscriptions = subscriptions
        self._clock = clock
        self.closed = False
        self._by_epoch: dict[str, Stream] = {}
        self._waiting: dict[Stream, asyncio.TimerHandle] = {}
        self._waiting_of: defaultdict[UUID, dict[Stream, None]] = defaultdict(dict)

    def __iter__(self) -> Iterator[Stream]:
        return iter(self._by_epoch.values())

    @property
    def waiting(self) -> int:
        """Streams without a line."""
        return len(self._waiting)

    def begin(self, stream: Stream, line: Line) -> None:
        """Counts a new stream in, with its line."""
        stream.line = line
        self._by_epoch[stream.epoch] = stream

    def find(self, epoch: str, principal: Principal) -> Stream | None:
        """The stream of that name that the principal may take over: the account's own, and no scope fewer."""
        stream = self._by_epoch.get(epoch)
        if stream is None or stream.principal is None or (stream.line is not None and not stream.line.resumable):
            return None
        owner = stream.principal
        theirs = owner.account_id == principal.account_id and owner.scopes <= principal.scopes
        return stream if theirs else None

    def waiting_of(self, account_id: UUID) -> list[Stream]:
        """The account's streams without a line, the one that has waited longest first."""
        return list(self._waiting_of.get(account_id, ()))

    def line_gone(self, line: Line, stream: Stream) -> None:
        """A stream's line is cut: it waits for another one, unless it has one already or its client has left."""
        if stream.line is not line:
            return
        if line.resumable and not self.closed:
            self._detach(stream)
        else:
            self.end(stream)

    def attach(self, stream: Stream, line: Line, principal: Principal) -> None:
        """Gives a stream another line."""
        self._wait_no_more(stream)
        stream.principal = principal
        stream.seen_from = None
        stream.begin_line(line)
        self._subscriptions.anew(stream)

    def end(self, stream: Stream) -> None:
        """Forgets a stream: it holds no channel any more and cannot be taken over."""
        self._wait_no_more(stream)
        self._by_epoch.pop(stream.epoch, None)
        self._subscriptions.remove_all(stream)
        stream.line = None
        stream.around_m = None

    def close(self) -> None:
        """Ends all that have no line, and from now on each one whose line goes."""
        self.closed = True
        for stream in tuple(self._waiting):
            self.end(stream)

    def _detach(self, stream: Stream) -> None:
        principal = stream.principal
        if principal is None:
            self.end(stream)
            return
        entitled_s = (principal.expires_us - self._clock.now_us()) / 1e6
        wait_s = min(self._settings.resume_s, entitled_s)
        if wait_s <= 0:
            self.end(stream)
            return
        stream.begin_line(None)
        self._subscriptions.changed(stream)
        self._waiting[stream] = asyncio.get_running_loop().call_later(wait_s, self.end, stream)
        mine = self._waiting_of[principal.account_id]
        mine[stream] = None
        if len(mine) > self._settings.sockets_per_account_max:
            self.end(next(iter(mine)))
        if len(self._waiting) > self._settings.detached_max:
            self.end(next(iter(self._waiting)))

    def _wait_no_more(self, stream: Stream) -> None:
        timer = self._waiting.pop(stream, None)
        if timer is None or stream.principal is None:
            return
        timer.cancel()
        account_id = stream.principal.account_id
        self._waiting_of[account_id].pop(stream, None)
        if not self._waiting_of[account_id]:
            del self._waiting_of[account_id]
