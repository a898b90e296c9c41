"""uvicorn's HTTP/1.1 protocol, with the bounds it lacks: how long a request's head may take and how large it may be,
what may come between the parts of a body, and how long a reply may go unread."""

from __future__ import annotations

import asyncio
import os
from http import HTTPStatus
from typing import Any, ClassVar
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from overworld.kernel.refusals import Refusal
from overworld.platform.http.cycle import Cycle
from overworld.platform.http.errors import HeadTooLarge, Malformed, RequestTimedOut, UrlTooLong
from overworld.platform.http.problems import MEDIA_TYPE, problem_bytes
from overworld.platform.http.settings import HttpSettings

_SEPARATORS_BYTES = 4
_PASSED_OVER_BYTES_MAX = 16 * 2**20


class _Refused(Exception):
    """Stops the parser; the refusal itself waits in the connection."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection. What is late, too large or broken is answered and the connection closed; a broken head before
    any of our routes hears of it, a broken body while its route waits for the rest.

    `settings` and `kept_lines` are set on a subclass for each server (`bounded_protocol`), because uvicorn takes a class.
    """

    settings: ClassVar[HttpSettings]
    kept_lines: ClassVar[list[Any]]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._late: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._idle_since_s: float | None = None
        self._in_head = False
        self._parsed_bytes = 0
        self._unparsed_bytes = 0
        self._passed_over_bytes = 0
        self._is_last = False
        self._refusal: Refusal = Malformed()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._stop_cutting()
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._is_last:
            self._pass_over(data)
            return
        before = self.cycle
        self._unparsed_bytes += len(data)
        super().data_received(data)
        is_waiting = self._in_head or (self.cycle is before and self._is_idle())
        if is_waiting and self._late is None and not self._is_last:
            self._await_head()
        if self._unparsed_bytes > self.settings.head_bytes_max:
            self._refusal = HeadTooLarge()
            self.send_400_response("")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True
        self._parsed_bytes = 0

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > self.settings.url_bytes_max:
            self._refusal = UrlTooLong()
            raise _Refused

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))
        self._parsed_bytes += len(name) + len(value) + _SEPARATORS_BYTES
        if self._parsed_bytes > self.settings.head_bytes_max:
            self._refusal = HeadTooLarge()
            raise _Refused

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._unparsed_bytes = 0
        self._stop_waiting()
        scope, parser = self.scope, self.parser
        scope["method"] = parser.get_method().decode("ascii")
        version = parser.get_http_version()
        if version != "1.1":
            scope["http_version"] = version
        url = httptools.parse_url(self.url)
        path = url.path.decode("ascii")
        scope["path"] = unquote(path) if "%" in path else path
        scope["raw_path"] = url.path
        scope["query_string"] = url.query or b""
        before, self.cycle = (
            self.cycle,
            Cycle(  # type: ignore[assignment]
                self,
                scope,
                keep_alive=version != "1.0" and parser.should_keep_alive(),
                expects_continue=self.expect_100_continue,
            ),
        )
        if before is None or before.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        task = self.loop.create_task(cycle.run(app))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def on_body(self, body: bytes) -> None:
        self._unparsed_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._unparsed_bytes = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answers what never became a request, or will not be a whole one; then closes.

        Requests that came whole before are answered first, and what is wrong is then left without an answer.
        """
        if self.transport.is_closing() or self._is_last:
            return
        self._stop_waiting()
        if not self._is_idle():
            if self.cycle.response_started or not self._is_incomplete():
                self._is_last = True
                self.cycle.keep_alive = False
                return
            self.cycle.disconnected = True
            self.cycle.waiting_for_100_continue = False
        body = problem_bytes(self._refusal, trace_id=os.urandom(16).hex())
        self.transport.write(
            b"HTTP/1.1 %d %b\r\ncontent-type: %b\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
            % (self._refusal.status, _phrase(self._refusal.status), MEDIA_TYPE, len(body), body)
        )
        self._hang_up()

    def default_lines(self) -> bytes:
        """The lines of the headers that uvicorn adds to every answer, which are new every second."""
        headers, kept = self.server_state.default_headers, self.kept_lines
        if kept[0] is not headers:
            kept[:] = headers, b"".join(b"%b: %b\r\n" % pair for pair in headers)
        lines: bytes = kept[1]
        return lines

    def close_after_reply(self) -> None:
        """Closes a connection whose last reply is written; who still sends its request may do so for a while."""
        if self._is_incomplete():
            self._hang_up()
        else:
            self.transport.close()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._cut_unless_read()

    def resume_writing(self) -> None:
        self._stop_cutting()
        super().resume_writing()

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if not self.transport.is_closing():
            self.flow.resume_reading()
            if self.pipeline:
                self._start_asgi_task(*self.pipeline.pop())
            else:
                self._rest()
        if self.transport.get_write_buffer_size():
            self._cut_unless_read()

    def _rest(self) -> None:
        """Begins the time for which a connection may be idle; one timer is enough for many requests."""
        self._idle_since_s = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _unset_keepalive_if_required(self) -> None:
        self._idle_since_s = None

    def timeout_keep_alive_handler(self) -> None:
        self.timeout_keep_alive_task = None
        if self._idle_since_s is None:
            return
        left_s = self._idle_since_s + self.timeout_keep_alive - self.loop.time()
        if left_s > 0:
            self.timeout_keep_alive_task = self.loop.call_later(left_s, self.timeout_keep_alive_handler)
        elif not self.transport.is_closing():
            self.transport.close()

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _is_incomplete(self) -> bool:
        """Whether the request being answered is still being received."""
        return self.cycle.more_body and not self.pipeline

    def _hang_up(self) -> None:
        """Closes when the client stops sending, or its time or bytes are up: who is cut off while it sends never reads
        its answer. Source: RFC 9112, section 9.6.
        """
        self._is_last = True
        self.transport.write_eof()
        self.flow.resume_reading()
        self._stop_waiting()
        self._late = self.loop.call_later(self.settings.body_timeout_s, self.transport.close)

    def _pass_over(self, data: bytes) -> None:
        self._passed_over_bytes += len(data)
        if self._passed_over_bytes > _PASSED_OVER_BYTES_MAX:
            self.transport.close()

    def _await_head(self) -> None:
        self._late = self.loop.call_later(self.settings.head_timeout_s, self._give_up)

    def _give_up(self) -> None:
        if not self._in_head:
            self.transport.close()
            return
        self._refusal = RequestTimedOut()
        self.send_400_response("")

    def _cut_unless_read(self) -> None:
        self._stop_cutting()
        self._unread = self.loop.call_later(self.settings.reply_timeout_s, self._cut)

    def _cut(self) -> None:
        if self.transport.get_write_buffer_size():
            self.transport.abort()

    def _stop_cutting(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _stop_waiting(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


def _phrase(status: int) -> bytes:
    return HTTPStatus(status).phrase.encode()


def bounded_protocol(settings: HttpSettings) -> type[BoundedProtocol]:
    """The protocol class of one server."""
    return type("BoundedProtocol", (BoundedProtocol,), {"settings": settings, "kept_lines": [None, b""]})
