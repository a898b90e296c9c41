"""Streams of server-sent events: how many may be open, and the life of one.

Source: GraphQL over Server-Sent Events Protocol, distinct connections mode; HTML Standard, section 9.2.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any

from litestar import Request, Response
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from overworld.kernel.refusals import Refusal
from overworld.platform.graphql.errors import NoStreamFree, TooManyStreams
from overworld.platform.graphql.settings import GraphqlSettings
from overworld.platform.graphql.ticker import Box, Frame, Ticker
from overworld.platform.http.exchange import exchange_of

_WAIT_S = 5
_HEAD: list[tuple[bytes, bytes]] = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"x-accel-buffering", b"no"),  # nginx would keep events until it has a page of them
]
_HEARTBEAT = b":\n\n"
_COMPLETE = b"event: complete\ndata:\n\n"


class Streams:
    """The streams that are open, on this server. `refused` counts those that were not."""

    def __init__(self, settings: GraphqlSettings) -> None:
        self._settings = settings
        self._of: Counter[str] = Counter()
        self._boxes: set[Box[Any]] = set()
        self._is_closing = False
        self.refused = 0

    @property
    def open(self) -> int:
        """How many are open."""
        return len(self._boxes)

    @property
    def is_closing(self) -> bool:
        """Whether the server stops: then every stream ends."""
        return self._is_closing

    def close(self) -> None:
        """Ends every stream after what it is sending, and lets in no other."""
        self._is_closing = True
        for box in self._boxes:
            box.stirred.set()

    @contextmanager
    def taken(self, who: str, box: Box[Any]) -> Iterator[None]:
        """A place for a stream of somebody. Raises: NoStreamFree; TooManyStreams."""
        self._require_place(who)
        self._of[who] += 1
        self._boxes.add(box)
        try:
            yield
        finally:
            self._boxes.discard(box)
            self._of[who] -= 1
            if not self._of[who]:
                del self._of[who]

    def _require_place(self, who: str) -> None:
        if self._is_closing or len(self._boxes) >= self._settings.streams_max:
            self.refused += 1
            raise NoStreamFree(retry_after_s=_WAIT_S)
        if self._of[who] >= self._settings.streams_each_max:
            self.refused += 1
            raise TooManyStreams(retry_after_s=_WAIT_S)


class EventStream(Response[bytes]):
    """The frames of a ticker to one client, until it leaves, its token ends or the server stops.

    `render` makes an event's data of a frame, `stands` raises when the caller's token no longer counts, and `told` is
    the data of a refusal.
    """

    def __init__(
        self,
        streams: Streams,
        ticker: Ticker[Any],
        *,
        who: str,
        heartbeat_s: float,
        render: Callable[[Frame[Any]], bytes],
        stands: Callable[[], None],
        told: Callable[[Refusal], bytes],
    ) -> None:
        super().__init__(b"")
        self._streams = streams
        self._ticker = ticker
        self._who = who
        self._heartbeat_s = heartbeat_s
        self._render = render
        self._stands = stands
        self._told = told
        self._has_left = False

    def to_asgi_response(self, app: Any, request: Request[Any, Any, Any], **_: Any) -> ASGIApp:  # type: ignore[override]
        """The application that is this stream. Raises, before anything is sent: NoStreamFree; TooManyStreams."""
        return self._run

    async def _run(self, scope: Scope, receive: Receive, send: Send) -> None:
        box: Box[Any] = Box()
        with self._streams.taken(self._who, box):
            await _begin(scope, send)
            watching = asyncio.create_task(self._watch(receive, box))
            self._ticker.join(box)
            try:
                await self._send_frames(box, send)
            finally:
                self._ticker.leave(box)
                watching.cancel()
        await send(_body(_COMPLETE, more=False))

    async def _send_frames(self, box: Box[Any], send: Send) -> None:
        """Returns when there is no more to say. A slow client keeps `send` waiting, and then gets what is newest."""
        while True:
            is_stirred = await self._stirred(box)
            if self._has_left or self._streams.is_closing:
                return
            try:
                self._stands()
            except Refusal as refusal:
                await send(_body(_next(self._told(refusal)), more=True))
                return
            if not is_stirred:
                await send(_body(_HEARTBEAT, more=True))
            elif (frame := box.take()) is not None:
                await send(_body(_next(self._render(frame)), more=True))

    async def _stirred(self, box: Box[Any]) -> bool:
        """Waits until something happens, or for a heartbeat: then False."""
        try:
            async with asyncio.timeout(self._heartbeat_s):
                await box.stirred.wait()
        except TimeoutError:
            return False
        box.stirred.clear()
        return True

    async def _watch(self, receive: Receive, box: Box[Any]) -> None:
        while True:
            if (await receive())["type"] == "http.disconnect":
                break
        self._has_left = True
        box.stirred.set()


class EventsAtOnce(Response[bytes]):
    """One event and the end: what a subscription gets that is not in order, which the protocol tells in a stream."""

    def __init__(self, data: bytes) -> None:
        super().__init__(b"")
        self._data = data

    def to_asgi_response(self, app: Any, request: Request[Any, Any, Any], **_: Any) -> ASGIApp:  # type: ignore[override]
        """The application that says it."""
        return self._run

    async def _run(self, scope: Scope, receive: Receive, send: Send) -> None:
        await _begin(scope, send)
        await send(_body(_next(self._data) + _COMPLETE, more=False))


async def _begin(scope: Scope, send: Send) -> None:
    exchange_of(scope).answered_s = perf_counter()
    await send({"type": "http.response.start", "status": 200, "headers": list(_HEAD)})


def _body(part: bytes, *, more: bool) -> Message:
    return {"type": "http.response.body", "body": part, "more_body": more}


def _next(data: bytes) -> bytes:
    """An event; JSON as we write it has no line breaks."""
    return b"event: next\ndata: " + data + b"\n\n"
