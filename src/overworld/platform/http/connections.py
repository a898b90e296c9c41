"""uvicorn's HTTP/1.1 protocol, with the bounds it lacks: how long a request's head may take and how large it may be."""

from __future__ import annotations

import asyncio
import os
from http import HTTPStatus
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from overworld.kernel.refusals import Refusal
from overworld.platform.http.errors import HeadTooLarge, Malformed, RequestTimedOut, UrlTooLong
from overworld.platform.http.problems import MEDIA_TYPE, problem_bytes
from overworld.platform.http.settings import HttpSettings

_SEPARATORS_BYTES = 4


class _Refused(Exception):
    """Stops the parser; the refusal itself waits in the connection."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection. A head that is late, too large or broken is answered and the connection closed, before any of
    our routes hears of it.

    `settings` is set on a subclass for each server (`bounded_protocol`), because uvicorn takes a class.
    """

    settings: ClassVar[HttpSettings]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._late: asyncio.TimerHandle | None = None
        self._in_head = False
        self._parsed_bytes = 0
        self._unparsed_bytes = 0
        self._refusal: Refusal = Malformed()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._late is None and self._is_idle():
            self._await_head()
        super().data_received(data)
        self._unparsed_bytes = self._unparsed_bytes + len(data) if self._in_head else 0
        if self._unparsed_bytes > self.settings.head_bytes_max:
            self._refusal = HeadTooLarge()
            self.send_400_response("")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True
        self._parsed_bytes = 0
        if self._late is None:
            self._await_head()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > self.settings.url_bytes_max:
            self._refusal = UrlTooLong()
            raise _Refused

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._parsed_bytes += len(name) + len(value) + _SEPARATORS_BYTES
        if self._parsed_bytes > self.settings.head_bytes_max:
            self._refusal = HeadTooLarge()
            raise _Refused

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._stop_waiting()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Answers what never became a request, unless an earlier answer is still on its way; then closes."""
        self._stop_waiting()
        if self.transport.is_closing():
            return
        if self._is_idle():
            body = problem_bytes(self._refusal, trace_id=os.urandom(16).hex())
            self.transport.write(
                b"HTTP/1.1 %d %b\r\ncontent-type: %b\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
                % (self._refusal.status, _phrase(self._refusal.status), MEDIA_TYPE, len(body), body)
            )
        self.transport.close()

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _await_head(self) -> None:
        self._late = self.loop.call_later(self.settings.head_timeout_s, self._give_up)

    def _give_up(self) -> None:
        if not self._in_head:
            self.transport.close()
            return
        self._refusal = RequestTimedOut()
        self.send_400_response("")

    def _stop_waiting(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


def _phrase(status: int) -> bytes:
    return HTTPStatus(status).phrase.encode()


def bounded_protocol(settings: HttpSettings) -> type[BoundedProtocol]:
    """The protocol class of one server."""
    return type("BoundedProtocol", (BoundedProtocol,), {"settings": settings})
