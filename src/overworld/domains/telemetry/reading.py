"""Bodies read as events, item by item where one of them is wrong. Pure; the way in and the processor read alike."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from overworld.domains.telemetry.errors import BadEvents, TooManyEvents
from overworld.domains.telemetry.types import EVENTS_MOST, Kind

TEXT_LENGTH_MAX = 200
_DETAIL_LENGTH_MAX = 200

_Text = Annotated[str, Meta(max_length=TEXT_LENGTH_MAX)]


class Incoming(Struct, kw_only=True, gc=False):
    """What a client tells of one event. Fields of PostHog's clients stand beside ours.

    Fields that nobody knows are passed over in PostHog's bodies, which others lay down; ours may have none.
    """

    event: Annotated[str, Meta(min_length=1, max_length=TEXT_LENGTH_MAX)]
    event_id: _Text | None = None
    uuid: _Text | None = None
    player_id: _Text | None = None
    distinct_id: _Text | int | None = None
    session_id: _Text | None = None
    timestamp: datetime | None = None
    schema: _Text | None = None
    exposures: dict[_Text, _Text] | None = None
    properties: dict[str, Any] | None = None


class Fault(Struct, frozen=True):
    """Why one event is not taken. `event` is its text where that can be told."""

    reason: str
    detail: str
    event: bytes = b""


class Body(Struct, frozen=True):
    """The events of a body in order, each one read or a fault; when the client says it sent them, and its key."""

    events: Sequence[Incoming | Fault]
    sent_at: datetime | None = None
    key: str = ""


class _Ours(Incoming, kw_only=True, gc=False, forbid_unknown_fields=True):
    pass


class _One(Incoming, kw_only=True, gc=False, forbid_unknown_fields=True):
    sent_at: datetime | None = None


class _Batch(Struct, kw_only=True, forbid_unknown_fields=True):
    events: list[_Ours]
    sent_at: datetime | None = None


class _PostHog(Struct, kw_only=True):
    batch: list[Incoming] | None = None
    sent_at: datetime | None = None
    sent_at_too: datetime | None = msgspec.field(default=None, name="sentAt")
    api_key: str = ""
    token: str = ""


_one = msgspec.json.Decoder(_One).decode
_batch = msgspec.json.Decoder(_Batch).decode
_posthog = msgspec.json.Decoder(_PostHog | list[Incoming]).decode
_ours = msgspec.json.Decoder(_Ours).decode
_theirs = msgspec.json.Decoder(Incoming).decode
_keyed = msgspec.json.Decoder(_PostHog).decode
_EVENTS_KEY, _BATCH_KEY = b'"events"', b'"batch"'
# A text that does not end is a token too, which ends it all: looked for anew from each of its quotes, it takes hours.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+("?)|[\[\]{},]', re.DOTALL)
_UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)


def read(kind: int, body: bytes, *, events_max: int = EVENTS_MOST) -> Body:
    """The events of an unpacked body. Raises: BadEvents when it cannot be told where one event ends; TooManyEvents."""
    try:
        found = _strictly(kind, body)
    except _UNREADABLE as error:
        return _loosely(kind, body, error, events_max=events_max)
    if len(found.events) > events_max:
        raise TooManyEvents(events_max=events_max)
    return found


def _strictly(kind: int, body: bytes) -> Body:
    if kind == Kind.ONE:
        one = _one(body)
        return Body([one], one.sent_at)
    if kind == Kind.BATCH:
        batch = _batch(body)
        return Body(batch.events, batch.sent_at)
    found = _posthog(body)
    if isinstance(found, list):
        return Body(found)
    events = found.batch if found.batch is not None else [_theirs(body)]
    return Body(events, found.sent_at or found.sent_at_too, found.api_key or found.token)


def _loosely(kind: int, body: bytes, error: Exception, *, events_max: int) -> Body:
    """Each event by itself. What is not even JSON inside one (NaN, half a surrogate pair) spoils that one only.

    Raises: BadEvents; TooManyEvents, before more than so many are looked at.
    """
    if kind == Kind.ONE or (kind == Kind.POSTHOG and _BATCH_KEY not in body and body.lstrip()[:1] != b"["):
        if isinstance(error, msgspec.DecodeError) and not isinstance(error, msgspec.ValidationError):
            raise BadEvents(reason=_said(error)) from error
        return Body([fault_of(error, body)], key=_key_of(body))
    try:
        key = _EVENTS_KEY if kind == Kind.BATCH else _BATCH_KEY
        texts, rest = split_texts(body, key=key, texts_max=events_max)
        about = _strictly(kind, rest)
    except (ValueError, *_UNREADABLE) as again:
        raise BadEvents(reason=_said(error)) from again
    item = _ours if kind == Kind.BATCH else _theirs
    return Body([_alone(text, item) for text in texts], about.sent_at, about.key)


def _alone(text: bytes, item: Callable[[bytes], Incoming]) -> Incoming | Fault:
    try:
        return item(text)
    except _UNREADABLE as error:
        return fault_of(error, text)


def _key_of(body: bytes) -> str:
    """The key in the body of an event that is wrong, for whom to tell so."""
    try:
        return _keyed(body).api_key or _keyed(body).token
    except _UNREADABLE:
        return ""


def split_texts(body: bytes, *, key: bytes, texts_max: int = EVENTS_MOST) -> tuple[list[bytes], bytes]:
    """The elements of a list as they stand in the text, and the text with the list empty.

    The list is the whole body, or what `key` (with its quotes) names in the object that it is. Nothing recurses,
    however deep the elements are, and they need not be JSON, as long as brackets and quotes close. It goes over the
    body once. Raises: ValueError when there is no such list; TooManyEvents when it has more than `texts_max` elements.
    """
    texts: list[bytes] = []
    depth, level, start, begun, end, last = 0, -1, -1, -1, -1, b""
    for found in _TOKEN.finditer(body):
        token = found[0]
        if token in b"[{":
            depth += 1
            if level < 0 and token == b"[" and (depth == 1 or (depth == 2 and last == key)):  # noqa: PLR2004
                level, start, begun = depth, found.end(), found.end()
        elif token in b"]}":
            if depth == level and end < 0:
                end = found.start()
                texts.append(body[begun:end])
            depth -= 1
        elif token == b",":
            if depth == level and end < 0:
                if len(texts) + 1 >= texts_max:
                    raise TooManyEvents(events_max=texts_max)
                texts.append(body[begun : found.start()])
                begun = found.end()
        elif not found[1]:
            raise ValueError("a text that does not end")
        elif depth == 1:
            last = token
    if depth or end < 0:
        raise ValueError("no list of events")
    if len(texts) == 1 and not texts[0].strip():
        texts.clear()
    return texts, body[:start] + body[end:]


def fault_of(error: Exception, text: bytes) -> Fault:
    """What kept an event from being read."""
    return Fault("too_deep" if isinstance(error, RecursionError) else "malformed", _said(error), text)


def _said(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "The nesting is too deep"
    if isinstance(error, UnicodeError):
        return "The text is not UTF-8"
    return str(error)[:_DETAIL_LENGTH_MAX]
