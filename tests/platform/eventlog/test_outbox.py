"""What is written in SQL of somebody's own is written as the outbox would have."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import msgspec

from overworld.kernel.events import enclose
from overworld.kernel.ids import IdSource
from overworld.platform.eventlog import PostgresOutbox

from .conftest import Noted

AT = datetime(2026, 6, 1, 12, 0, 0, 250, tzinfo=UTC)


def source():
    return IdSource(lambda: 1_780_000_000_000_000, random.Random(1).randbytes)


def test_an_encoded_event_is_the_envelope_of_it():
    events = [Noted(n=n) for n in range(3)]
    ids = source()
    envelopes = [enclose(event, id=ids(), at=AT, game="abc") for event in events]
    encoded = PostgresOutbox(ids=source(), game=lambda: "abc").encoded(events, at=AT)
    assert encoded == [msgspec.json.encode(envelope) for envelope in envelopes]


def test_lines_are_the_encoded_events():
    events = [Noted(n=n) for n in range(3)]
    first, second = (PostgresOutbox(ids=source(), game=lambda: "a\nb") for _ in range(2))
    assert first.lines(events, at=AT).split("\n") == [one.decode() for one in second.encoded(events, at=AT)]
    assert first.lines([], at=AT) == ""
