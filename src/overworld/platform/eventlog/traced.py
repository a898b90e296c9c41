"""Events keep the place of what made them true: who handles them goes on from there."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import groupby

from overworld.kernel import tracing
from overworld.kernel.events import Envelope
from overworld.kernel.tracing import Kind, Trace

_LENGTH = 55
_SAMPLED = "-01"


def place_of(envelope: Envelope) -> Trace | None:
    """Where an event was made. It was written by an outbox, so its form is not looked at again."""
    trace = envelope.trace
    return Trace(trace[3:35], trace[36:52], trace.endswith(_SAMPLED)) if len(trace) == _LENGTH else None


def delivery(name: str, envelopes: Sequence[Envelope]) -> AbstractContextManager[None]:
    """What a reader does with events, as one span below the first that is sampled, with links to all that are."""
    riders = [(one.key, place) for one in envelopes if (place := place_of(one)) is not None]
    if not riders:
        return nullcontext()
    return tracing.batch(
        f"consume {name}",
        riders,
        kind=Kind.CONSUMER,
        attributes={"consumer": name, "events": len(envelopes), "topic": envelopes[0].topic},
    )


def delivery_place(envelopes: Sequence[Envelope]) -> AbstractContextManager[None]:
    """The place of events that are all of one trace, for what is said of them."""
    traces = {one.trace for one in envelopes}
    return tracing.at(place_of(envelopes[0]) if len(traces) == 1 else None)


def apart(envelopes: Sequence[Envelope]) -> list[Sequence[Envelope]]:
    """The same in order, what is recorded apart from the rest and from each other: for cheap handlers."""
    if not tracing.is_recording() or not any(one.trace.endswith(_SAMPLED) for one in envelopes):
        return [envelopes]
    return [list(run) for _, run in groupby(envelopes, key=_recorded_trace)]


def _recorded_trace(envelope: Envelope) -> str:
    return envelope.trace if envelope.trace.endswith(_SAMPLED) else ""
