"""Bodies read as events, item by item where one of them is wrong. Pure; the way in and the processor read alike.

The way in reads `Glanced`, whose properties stay text: what it lets in may still be refused by the processor, which
reads `Incoming` and looks into them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from msgspec import Meta, Raw, Struct

from overworld.domains.telemetry.errors import BadEvents
from overworld.domains.telemetry.types import Kind

TEXT_LENGTH_MAX = 200
_DETAIL_LENGTH_MAX = 200

_Text = Annotated[str, Meta(max_length=TEXT_LENGTH_MAX)]


class _Told(Struct, kw_only=True, gc=False):
    """What a client tells of one event. Fields of PostHog's clients stand beside ours; others are passed over."""

    event: Annotated[str, Meta(min_length=1, max_length=TEXT_LENGTH_MAX)]
    event_id: _Text | None = None
    uuid: _Text | None = None
    player_id: _Text | None = None
    distinct_id: _Text | int | None = None
    session_id: _Text | None = None
    timestamp: datetime | None = None
    schema: _Text | None = None
    exposures: dict[_Text, _Text] | None = None


class Glanced(_Told, kw_only=True, gc=False):
    """An event whose properties are still text."""

    properties: Raw = Raw(b"")


class Incoming(_Told, kw_only=True, gc=False):
    """An event, whole."""

    properties: dict[str, Any] | None = None


T = TypeVar("T", Glanced, Incoming)


class Fault(Struct, frozen=True):
    """Why one event is not taken. `event` is its text where that can be told."""

    reason: str
    detail: str
    event: bytes = b""


class Body(Struct, Generic[T], frozen=True):
    """The events of a body in order, each one read or a fault; when the client says it sent them, and its key."""

    events: Sequence[T | Fault]
    sent_at: datetime | None = None
    key: str = ""


class _One(Incoming, kw_only=True, gc=False):
    sent_at: datetime | None = None


class _OneGlanced(Glanced, kw_only=True, gc=False):
    sent_at: datetime | None = None


class _Batch(Struct, Generic[T], kw_only=True):
    events: list[T]
    sent_at: datetime | None = None


class _PostHog(Struct, Generic[T], kw_only=True):
    batch: list[T] | None = None
    sent_at: datetime | None = None
    sent_at_too: datetime | None = msgspec.field(default=None, name="sentAt")
    api_key: str = ""
    token: str = ""
    event: str | None = None


class Reader(Generic[T]):
    """Reads bodies into events of one type."""

    def __init__(self, item: type[T], one: type[T]) -> None:
        self._item = msgspec.json.Decoder(item).decode
        self._one: Callable[[bytes], Any] = msgspec.json.Decoder(one).decode
        self._batch = msgspec.json.Decoder(_Batch[item]).decode  # type: ignore[valid-type]
        self._posthog = msgspec.json.Decoder(_PostHog[item] | list[item]).decode  # type: ignore[valid-type]

    def read(self, kind: int, body: bytes) -> Body[T]:
        """The events of an unpacked body. Raises: BadEvents when it cannot be told where one event ends."""
        try:
            return self._read(kind, body)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            if kind == Kind.ONE:
                return self._refused_one(body, error)
            return self._loosely(kind, body, error)

    def _read(self, kind: int, body: bytes) -> Body[T]:
        if kind == Kind.ONE:
            one = self._one(body)
            return Body([one], one.sent_at)
        if kind == Kind.BATCH:
            batch = self._batch(body)
            return Body(batch.events, batch.sent_at)
        found = self._posthog(body)
        if isinstance(found, list):
            return Body(found)
        events = found.batch if found.batch is not None else [self._item(body)]
        return Body(events, found.sent_at or found.sent_at_too, found.api_key or found.token)

    def _refused_one(self, body: bytes, error: Exception) -> Body[T]:
        if isinstance(error, msgspec.ValidationError | RecursionError):
            return Body([_fault(error, body)])
        raise BadEvents(reason=_said(error)) from error

    def _loosely(self, kind: int, body: bytes, error: Exception) -> Body[T]:
        """Each event by itself. What is not quite JSON (half a surrogate pair, NaN) spoils its own event only."""
        try:
            loose = json.loads(body)
            about = loose if isinstance(loose, dict) else {}
            items = about.get("events" if kind == Kind.BATCH else "batch", loose)
            if isinstance(items, dict) and kind == Kind.POSTHOG:
                items = [items]
            if not isinstance(items, list):
                raise BadEvents(reason=_said(error))
            sent_at = msgspec.convert(about.get("sent_at") or about.get("sentAt"), datetime | None)
            key = msgspec.convert(about.get("api_key") or about.get("token") or "", str)
        except (ValueError, RecursionError, msgspec.MsgspecError) as again:
            raise BadEvents(reason=_said(error)) from again
        return Body([self._alone(json.dumps(item).encode()) for item in items], sent_at, key)

    def _alone(self, text: bytes) -> T | Fault:
        try:
            return self._item(text)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            return _fault(error, text)


GLANCE = Reader(Glanced, _OneGlanced)
READ = Reader(Incoming, _One)


def fault_at_first_sight(event: Glanced, *, properties_bytes_max: int) -> Fault | None:
    """What is wrong with an event without looking into its properties, whose size is all that is asked of them."""
    if len(event.properties) > properties_bytes_max:
        return Fault("too_large", f"The properties have more than {properties_bytes_max} bytes")
    if event.properties and not bytes(event.properties).startswith((b"{", b"null")):
        return Fault("malformed", "Expected `object | null` - at `$.properties`")
    if not event.event.isprintable():
        return Fault("malformed", "The name has characters that cannot be shown")
    return None


def _fault(error: Exception, text: bytes) -> Fault:
    return Fault("too_deep" if isinstance(error, RecursionError) else "malformed", _said(error), text)


def _said(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "The nesting is too deep"
    if isinstance(error, UnicodeError):
        return "The text is not UTF-8"
    return str(error)[:_DETAIL_LENGTH_MAX]
