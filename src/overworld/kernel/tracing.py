"""Where in a trace the running code stands, and the spans that it leaves behind.

A trace id goes with everything, recorded or not: it joins the lines of the logs. Spans are kept only where a `Recorder`
is in force and the trace is sampled; everywhere else `begin` and `span` cost a look at a context variable.
"""

from __future__ import annotations

import os
import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar, Token
from enum import StrEnum
from types import TracebackType
from typing import NamedTuple, Protocol

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
_VERSION_00_LENGTH = 55
_SAMPLED = 0x01
_LINKS_MAX = 128
_SPAN_BYTES = 8
_IDS_AT_ONCE = 256
_NO_SPAN: AbstractContextManager[None] = nullcontext()

Value = str | int | float | bool


class Kind(StrEnum):
    """What a span is to its neighbours. Source: OpenTelemetry, span kinds."""

    INTERNAL = "internal"
    SERVER = "server"
    CLIENT = "client"
    PRODUCER = "producer"
    CONSUMER = "consumer"


class Trace(NamedTuple):
    """A place in a trace: 32 and 16 lower-case hexadecimal digits, and whether its spans are kept."""

    trace_id: str
    span_id: str
    is_sampled: bool = False

    def traceparent(self) -> str:
        """The text by which others go on from here. Source: W3C Trace Context, section 3.2."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.is_sampled else '00'}"


_ids: list[str] = []
os.register_at_fork(after_in_child=_ids.clear)


def _new_id() -> str:
    """Eight random bytes in hexadecimal. Every request takes three; the system is asked for many at once."""
    try:
        return _ids.pop()
    except IndexError:
        digits, length = os.urandom(_SPAN_BYTES * _IDS_AT_ONCE).hex(), 2 * _SPAN_BYTES
        _ids.extend(digits[at : at + length] for at in range(length, len(digits), length))
        return digits[:length]


def parsed(traceparent: str | None) -> Trace | None:
    """The place that a `traceparent` names; None when there is none, or it is not valid.

    Source: W3C Trace Context, section 3.2 (versions above 00 are read by their first four fields).
    """
    found = _TRACEPARENT.fullmatch(traceparent) if traceparent else None
    if traceparent is None or found is None:
        return None
    if traceparent.startswith("00") and len(traceparent) != _VERSION_00_LENGTH:
        return None
    return Trace(found[1], found[2], bool(int(found[3], 16) & _SAMPLED))


class Span:
    """Something that takes time, and is told to the recorder when it ends."""

    __slots__ = ("attributes", "ended_ns", "error", "kind", "links", "name", "parent_id", "started_ns", "trace")

    def __init__(
        self,
        name: str,
        *,
        kind: Kind,
        trace: Trace,
        parent_id: str | None,
        links: Sequence[Trace],
        attributes: Mapping[str, Value] | None,
        started_ns: int,
    ) -> None:
        self.name = name
        self.kind = kind
        self.trace = trace
        self.parent_id = parent_id
        self.links = links[:_LINKS_MAX]
        self.attributes: dict[str, Value] = dict(attributes) if attributes else {}
        self.started_ns = started_ns
        self.ended_ns = 0
        self.error = ""

    def end(self, *, error: str = "") -> None:
        """Keeps the span; `error` says that what it stands for failed, and why."""
        recorder = _recording.recorder
        if recorder is None or self.ended_ns:
            return
        self.error = error or self.error
        self.ended_ns = recorder.now_ns()
        recorder.keep(self)


class Recorder(Protocol):
    """Where spans go. One is in force for the whole process, or none."""

    def samples(self, caller: Trace | None) -> bool:
        """Whether a trace that comes in, or begins here, is recorded."""
        ...

    def now_ns(self) -> int:
        """Nanoseconds since 1970."""
        ...

    def keep(self, span: Span) -> None:
        """Takes a span that has ended. It may drop it, and never waits."""
        ...


class _Recording:
    """What is in force; the one mutable thing here, set when the process starts."""

    recorder: Recorder | None = None


_recording = _Recording()
_here: ContextVar[Trace | None] = ContextVar("overworld_trace", default=None)
_by_key: ContextVar[Mapping[str, Trace] | None] = ContextVar("overworld_traces_by_key", default=None)


@contextmanager
def recording(recorder: Recorder) -> Iterator[None]:
    """Spans of this process go to the recorder while the block runs."""
    before, _recording.recorder = _recording.recorder, recorder
    try:
        yield
    finally:
        _recording.recorder = before


def is_recording() -> bool:
    """Whether spans are kept at all."""
    return _recording.recorder is not None


def here() -> Trace | None:
    """Where the running code stands."""
    return _here.get()


def here_of(key: str) -> Trace | None:
    """Where somebody's fact belongs: in the trace of the command under this key, when a batch of several is run."""
    place, by_key = _here.get(), _by_key.get()
    own = by_key.get(key) if by_key else None
    return place if own is None or (place is not None and own.trace_id == place.trace_id) else own


class at:  # noqa: N801 - it is used as a function
    """Lets the block stand at a place; None is nowhere."""

    __slots__ = ("_token", "_trace")

    def __init__(self, trace: Trace | None) -> None:
        self._trace = trace
        self._token: Token[Trace | None]

    def __enter__(self) -> None:
        self._token = _here.set(self._trace)

    def __exit__(self, *_: object) -> None:
        _here.reset(self._token)


def entered(traceparent: str | None) -> tuple[Trace, str | None]:
    """The place of what comes in from outside, and the span of its caller; a new trace when it names none."""
    caller, recorder = parsed(traceparent), _recording.recorder
    span_id = _new_id()
    asked = caller is not None and caller.is_sampled
    is_sampled = asked if recorder is None else recorder.samples(caller)
    if caller is None:
        return Trace(_new_id() + _new_id(), span_id, is_sampled), None
    return Trace(caller.trace_id, span_id, is_sampled), caller.span_id


def first_span(
    name: str, trace: Trace, *, parent_id: str | None, kind: Kind, attributes: Mapping[str, Value] | None = None
) -> Span | None:
    """The span of what was `entered`; None when it is not recorded."""
    recorder = _recording.recorder
    if recorder is None or not trace.is_sampled:
        return None
    return Span(
        name,
        kind=kind,
        trace=trace,
        parent_id=parent_id,
        links=(),
        attributes=attributes,
        started_ns=recorder.now_ns(),
    )


def begin(
    name: str,
    *,
    kind: Kind = Kind.INTERNAL,
    links: Sequence[Trace] = (),
    attributes: Mapping[str, Value] | None = None,
) -> Span | None:
    """A span below the place where the code stands, for the caller to end; None when it is not recorded."""
    recorder, parent = _recording.recorder, _here.get()
    if recorder is None or parent is None or not parent.is_sampled:
        return None
    return Span(
        name,
        kind=kind,
        trace=Trace(parent.trace_id, _new_id(), True),
        parent_id=parent.span_id,
        links=links,
        attributes=attributes,
        started_ns=recorder.now_ns(),
    )


def span(
    name: str,
    *,
    kind: Kind = Kind.INTERNAL,
    links: Sequence[Trace] = (),
    attributes: Mapping[str, Value] | None = None,
) -> AbstractContextManager[Span | None]:
    """A span of what the block does, in which the block stands; an exception that leaves it is its error."""
    begun = begin(name, kind=kind, links=links, attributes=attributes)
    return _NO_SPAN if begun is None else _Spanned(begun)


class _Spanned(AbstractContextManager[Span]):
    __slots__ = ("_span", "_token")

    def __init__(self, begun: Span) -> None:
        self._span = begun
        self._token: Token[Trace | None]

    def __enter__(self) -> Span:
        self._token = _here.set(self._span.trace)
        return self._span

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _here.reset(self._token)
        self._span.end(error=type(error).__name__ if error is not None else "")


@contextmanager
def batch(
    name: str,
    riders: Sequence[tuple[Hashable, Trace]],
    *,
    kind: Kind = Kind.INTERNAL,
    attributes: Mapping[str, Value] | None = None,
) -> Iterator[None]:
    """One span for work that several traces share: below the first that is sampled, with links to all that are.

    Each rider is (key, place). What the block tells of a key belongs into that key's own trace: `here_of`.
    """
    sampled = list(dict.fromkeys(place for _, place in riders if place.is_sampled))
    first = sampled[0] if sampled else riders[0][1] if len({place.trace_id for _, place in riders}) == 1 else None
    by_key = _by_key.set({str(key): place for key, place in riders} if len(riders) > 1 else None)
    standing = _here.set(first)
    try:
        with span(name, kind=kind, links=sampled, attributes=attributes):
            yield
    finally:
        _here.reset(standing)
        _by_key.reset(by_key)
