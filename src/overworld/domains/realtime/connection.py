"""One line: what may come in, what may wait to go out, and when it ends.

It owns bytes, bounds and times. What a message means is for the service; it gets each one as `handle(connection, ...)`.
Packed frames come a hundred thousand times a second and take the shortest way to it, as `packed(connection, ...)`. What
outlives the line is its `stream`. All of it runs in the event loop's thread.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Any, Protocol, cast

from msgspec import UNSET, Struct
from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from overworld.domains.realtime.errors import BadFrame, TokenExpired
from overworld.domains.realtime.limits import FrameRate
from overworld.domains.realtime.messages import AnyClientMessage, Error, ServerMessage
from overworld.domains.realtime.ports import Reporter
from overworld.domains.realtime.protocol import Subprotocol, Undecodable
from overworld.domains.realtime.stream import Stream
from overworld.domains.realtime.types import CloseCode, Counters, RealtimeSettings
from overworld.kernel.clock import Clock
from overworld.kernel.identity import Principal
from overworld.kernel.ids import IdSource
from overworld.kernel.packed import KIND_MAX
from overworld.kernel.refusals import Fault, Refusal, problem

_log = logging.getLogger(__name__)

_TIMER_S_MIN = 0.001
# picows copies a message behind its head into a buffer of 1,024 bytes, which stays as large as the largest message was.
_LARGE_BYTES = 1021
_HEAD_BYTES = 14
# An attribute of the enum costs more than a packed frame's whole check.
_BINARY, _TEXT, _CONTINUATION = WSMsgType.BINARY, WSMsgType.TEXT, WSMsgType.CONTINUATION
_CLOSE, _PING, _PONG = WSMsgType.CLOSE, WSMsgType.PING, WSMsgType.PONG
# The ends after which somebody may want to go on: the line was lost, or was too slow.
_BROKEN = frozenset({None, CloseCode.IDLE})
# A peer that means to leave closes with 1000 or, as browsers do without being told a code, with none.
_LEAVES = frozenset({WSCloseCode.OK, WSCloseCode.NO_INFO})


class Owner(Protocol):
    """Whom a connection tells what happens to it."""

    def opened(self, connection: Connection) -> None:
        """The upgrade is complete; frames may follow."""
        ...

    def handle(self, connection: Connection, message: AnyClientMessage) -> None:
        """A message came in. Never raises."""
        ...

    def packed(self, connection: Connection, payload: bytes, now_s: float) -> None:
        """A packed frame came in, whole and not empty, at a time of the monotonic clock. Never raises."""
        ...

    def drained(self, connection: Connection) -> None:
        """The reader caught up; what was dropped meanwhile is in `stale`."""
        ...

    def gone(self, connection: Connection) -> None:
        """The line is cut. Called once per opened connection."""
        ...


class Surroundings(Struct, frozen=True, kw_only=True):
    """What all connections of a gateway share."""

    owner: Owner
    settings: RealtimeSettings
    limits_enabled: bool
    clock: Clock
    ids: IdSource
    counters: Counters


class Connection(WSListener):
    """A connected client. The service sets `principal`, `stream` and `reporter`; streams write events.

    `reporter` takes its packed fixes.
    """

    __slots__ = (
        "_around",
        "_bad_frames",
        "_counters",
        "_fragment_kind",
        "_fragments",
        "_frame_bytes_max",
        "_gone",
        "_heard_s",
        "_left",
        "_message_kind",
        "_monotonic_s",
        "_opened_s",
        "_packed",
        "_pinged_s",
        "_rate",
        "_slow",
        "_timer",
        "_transport",
        "closing",
        "congested",
        "in_flight",
        "last_report",
        "last_subscription",
        "principal",
        "reporter",
        "stream",
        "subprotocol",
    )

    def __init__(self, around: Surroundings, subprotocol: Subprotocol, principal: Principal | None) -> None:
        settings = around.settings
        self._around = around
        self.subprotocol = subprotocol
        self.principal = principal
        self.stream = Stream(epoch=around.ids().hex, subprotocol=subprotocol, settings=settings)
        self.reporter: Reporter | None = None
        self.in_flight = 0
        self.last_report: asyncio.Future[Any] | None = None
        self.last_subscription: asyncio.Future[Any] | None = None
        self.closing: CloseCode | None = None
        self.congested = False
        self._slow: object | None = None
        self._counters = around.counters
        self._packed = around.owner.packed
        self._monotonic_s = around.clock.monotonic_s
        self._frame_bytes_max = settings.frame_bytes_max
        self._message_kind = _BINARY if subprotocol.binary else _TEXT
        self._rate = (
            FrameRate(per_s=settings.frames_per_s, burst=settings.frames_burst) if around.limits_enabled else None
        )
        self._fragments: bytearray | None = None
        self._fragment_kind = _TEXT
        self._bad_frames = 0
        self._left = False
        self._gone = False
        self._timer: asyncio.TimerHandle | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        self._opened_s = self._heard_s = self._pinged_s = self._around.clock.monotonic_s()
        settings, line = self._around.settings, transport.underlying_transport
        watermark = settings.unsent_bytes_max // 4
        line.set_write_buffer_limits(high=watermark, low=watermark // 4)
        line.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, settings.send_buffer_bytes)
        for kept in (transport.request, transport.response):
            kept.headers.clear()  # picows keeps them as long as the line, the bearer token with them
        self._counters.opened += 1
        self._around.owner.opened(self)
        self.check_times()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        if kind is _CLOSE:
            self._peer_closed(frame)
            return
        if self.closing is not None:
            return
        self._counters.frames_in += 1
        self._heard_s = now_s = self._monotonic_s()
        if self._rate is not None and not self._rate.take(now_s):
            self.close(CloseCode.TOO_FAST, "too many frames")
        elif (
            kind is _BINARY
            and frame.fin
            and self._fragments is None
            and frame.payload_size <= self._frame_bytes_max
            and not (frame.rsv1 or frame.rsv2 or frame.rsv3)
        ):
            payload = frame.get_payload_as_bytes()
            if payload and 0 < payload[0] <= KIND_MAX:
                self._packed(self, payload, now_s)
            else:
                self._whole(kind, payload)
        elif kind is _PING:
            if self._room_for(frame.payload_size):
                transport.send_pong(frame.get_payload_as_bytes())
        elif kind is not _PONG:
            self._data_frame(kind, frame)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._gone = True
        self._no_longer_slow()
        if self._timer is not None:
            self._timer.cancel()
        if self.closing is None:
            self._count_end(transport)
        self._around.owner.gone(self)

    def pause_writing(self) -> None:
        self.congested = True
        if self._slow is None:
            self._slow = self._counters.slow.enter()

    def resume_writing(self) -> None:
        self.congested = False
        self._no_longer_slow()
        if self.is_open and (self.stream.stale or self.stream.is_behind):
            self._around.owner.drained(self)

    def _no_longer_slow(self) -> None:
        if self._slow is not None:
            self._counters.slow.leave(self._slow)
            self._slow = None

    @property
    def is_open(self) -> bool:
        """Whether messages still go both ways."""
        return self.closing is None and not self._gone

    @property
    def resumable(self) -> bool:
        """Whether its client may go on elsewhere: it has neither left nor been sent away."""
        handshake = self._transport.close_handshake
        broke_the_protocol = self.closing is None and handshake is not None and not handshake.recv_then_sent
        return self.closing in _BROKEN and not self._left and not broke_the_protocol

    @property
    def waiting_bytes(self) -> int:
        """Bytes that wait for the reader, besides those the kernel holds."""
        return self._transport.underlying_transport.get_write_buffer_size()

    def reply(self, message: ServerMessage) -> None:
        """Writes an answer; lost when the connection is closing."""
        self._write(self.subprotocol.encode(message))

    def refuse(self, refusal: Refusal, cid: str | None = None, *, trace_id: str | None = None) -> None:
        """Writes a refusal as an `error` and counts it; what a fault says of itself goes to the log alone."""
        self._counters.refusals[refusal.code] += 1
        if isinstance(refusal, Fault) and refusal.detail:
            _log.warning("answered %s: %s", refusal.code, refusal.detail)
        trouble = problem(refusal, trace_id=trace_id or self._around.ids().hex)
        self.reply(
            Error(error=trouble.as_dict(), replayed=refusal.replayed or UNSET, cid=UNSET if cid is None else cid)
        )

    def event(self, seq: int, tail: bytes) -> None:
        """Writes an event that must arrive: a reader too slow for it is closed."""
        self._write(self.subprotocol.stamped(seq, tail))

    def snapshot(self, frame: bytes) -> None:
        """Writes a message of positions; whether the reader is too slow for it, its stream has looked."""
        self._write(frame)

    def tell(self, frame: bytes) -> None:
        """Writes a packed frame that must arrive: a reader too slow for it is closed."""
        self._write(frame, _BINARY)

    def positions(self, frame: bytes | bytearray | memoryview) -> bool:
        """Writes a packed frame of positions; False, and nothing written, for a slow reader or a line that ends."""
        if self.congested or self.closing is not None or self._gone:
            self._counters.positions_dropped += 1
            return False
        # Fifty thousand a second: who is not congested has room, so nothing else is looked at.
        self._counters.frames_out += 1
        self._transport.send(_BINARY, frame)
        return True

    def position_dropped(self) -> None:
        """Counts positions that a slow reader did not get."""
        self._counters.positions_dropped += 1

    def forget_subscription(self, ended: asyncio.Future[Any]) -> None:
        """Lets go of the last subscription once it has ended: nothing waits for it, and a task is no small thing."""
        if self.last_subscription is ended:
            self.last_subscription = None

    def close_reporter(self) -> None:
        """Takes no more packed fixes the way they went; those under way are still waited for."""
        if self.reporter is not None:
            self.last_report = self.reporter.settled() or self.last_report
            self.reporter.close()
            self.reporter = None

    def malformed(self, refusal: Refusal, cid: str | None = None) -> None:
        """Refuses a frame that is none of this protocol; one too many closes the connection."""
        self.refuse(refusal, cid)
        self._bad_frames += 1
        if self._bad_frames >= self._around.settings.bad_frames_max:
            self.close(CloseCode.BAD_FRAME, "malformed frames")

    def close(self, code: CloseCode, reason: str) -> None:
        """Says why, then hangs up: when the peer answers, or after `close_s`. Closing twice does nothing."""
        if not self.is_open:
            return
        self.closing = code
        self._counters.closes[code] += 1
        self._transport.send_close(cast(WSCloseCode, int(code)), reason)
        self._cut_later()

    def cut(self) -> None:
        """Hangs up at once; what waits to be read is lost."""
        self._transport.disconnect(False)

    def check_times(self) -> None:
        """Ends the connection when a time is up, pings when it has been quiet, and looks again when that is due."""
        if not self.is_open:
            return
        if self._timer is not None:
            self._timer.cancel()
        settings = self._around.settings
        now_s = self._around.clock.monotonic_s()
        if self._not_entitled(now_s):
            return
        silent_s = now_s - self._heard_s
        if silent_s >= settings.idle_s:
            self.close(CloseCode.IDLE, "idle")
            return
        if silent_s >= settings.ping_s and now_s - self._pinged_s >= settings.ping_s:
            self._pinged_s = now_s
            if not self._room_for(0):
                return
            self._transport.send_ping()
        ping_due_s = max(self._heard_s, self._pinged_s) + settings.ping_s
        due_s = min(self._heard_s + settings.idle_s, ping_due_s, self._entitled_until_s(now_s))
        self._timer = asyncio.get_running_loop().call_later(max(due_s - now_s, _TIMER_S_MIN), self.check_times)

    def _not_entitled(self, now_s: float) -> bool:
        if self._entitled_until_s(now_s) > now_s:
            return False
        if self.principal is not None:
            self.refuse(TokenExpired())
        self.close(CloseCode.UNAUTHENTICATED, "token expired" if self.principal else "not authenticated in time")
        return True

    def _entitled_until_s(self, now_s: float) -> float:
        if self.principal is None:
            return self._opened_s + self._around.settings.auth_s
        return now_s + (self.principal.expires_us - self._around.clock.now_us()) / 1e6

    def _data_frame(self, kind: WSMsgType, frame: WSFrame) -> None:
        if frame.payload_size + len(self._fragments or b"") > self._frame_bytes_max:
            self.close(CloseCode.TOO_BIG, "frame too big")
            return
        continued = kind is _CONTINUATION
        if continued is (self._fragments is None) or frame.rsv1 or frame.rsv2 or frame.rsv3:
            self.malformed(BadFrame("fragments out of order, or reserved bits set"))
        elif frame.fin and not continued:
            self._whole(kind, frame.get_payload_as_bytes())
        else:
            self._fragment(kind, frame)

    def _fragment(self, kind: WSMsgType, frame: WSFrame) -> None:
        if self._fragments is None:
            self._fragments, self._fragment_kind = bytearray(), kind
        self._fragments += frame.get_payload_as_bytes()
        if frame.fin:
            whole, self._fragments = bytes(self._fragments), None
            self._whole(self._fragment_kind, whole)

    def _whole(self, kind: WSMsgType, payload: bytes) -> None:
        if kind is _BINARY and payload and 0 < payload[0] <= KIND_MAX:
            self._packed(self, payload, self._heard_s)
        elif kind is self._message_kind:
            self._message(payload)
        else:
            self.malformed(BadFrame(f"{self.subprotocol.name} is {'binary' if self.subprotocol.binary else 'text'}"))

    def _message(self, payload: bytes) -> None:
        try:
            message = self.subprotocol.decode(payload)
        except Undecodable as undecodable:
            if isinstance(undecodable.refusal, BadFrame):
                self.malformed(undecodable.refusal, undecodable.cid)
            else:
                self.refuse(undecodable.refusal, undecodable.cid)
        else:
            self._around.owner.handle(self, message)

    def _count_end(self, transport: WSTransport) -> None:
        handshake = transport.close_handshake
        if handshake is None or handshake.sent is None or handshake.recv_then_sent:
            self._counters.left += 1
        else:
            self._counters.closes[cast(int, handshake.sent.code)] += 1

    def _write(self, payload: bytes | bytearray | memoryview, kind: WSMsgType | None = None) -> bool:
        if not self.is_open or not self._room_for(len(payload)):
            return False
        self._counters.frames_out += 1
        kind = self._message_kind if kind is None else kind
        if len(payload) < _LARGE_BYTES:
            self._transport.send(kind, payload)
        else:
            self._transport.send_reuse_external_bytearray(kind, bytearray(_HEAD_BYTES) + payload, _HEAD_BYTES)
        return True

    def _room_for(self, size: int) -> bool:
        waiting = self.waiting_bytes
        if waiting and waiting + size > self._around.settings.unsent_bytes_max:
            self._counters.slow.refused += 1
            self.close(CloseCode.IDLE, "slow reader")
            return False
        return True

    def _peer_closed(self, frame: WSFrame) -> None:
        if self.closing is None:
            self._left = frame.get_close_code() in _LEAVES
            self._transport.send_close(WSCloseCode.OK)
        self._transport.disconnect()
        self._cut_later()

    def _cut_later(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(self._around.settings.close_s, self.cut)
