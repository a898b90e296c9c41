"""Bodies are told apart into events whatever is inside one of them."""

from __future__ import annotations

import json
from time import process_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overworld.domains.telemetry.errors import BadEvents, TooManyEvents
from overworld.domains.telemetry.reading import Fault, Incoming, read, split_texts
from overworld.domains.telemetry.types import Kind
from overworld.domains.telemetry.unpacking import from_form

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(_JSON, max_size=6), st.dictionaries(st.text().filter(lambda key: key != "events"), _JSON, max_size=3))
def test_the_elements_of_a_list_are_found_in_its_text(items: list[Any], about: dict[str, Any]) -> None:
    body = json.dumps({**about, "events": items}).encode()
    texts, rest = split_texts(body, key=b'"events"')
    assert [json.loads(text) for text in texts] == items
    assert json.loads(rest) == {**about, "events": []}
    assert [json.loads(text) for text in split_texts(json.dumps(items).encode(), key=b'"events"')[0]] == items


@given(st.binary(max_size=200))
def test_any_bytes_are_events_or_a_refusal(body: bytes) -> None:
    for kind in Kind:
        try:
            found = read(kind, body)
        except BadEvents:
            continue
        assert all(isinstance(event, Incoming | Fault) for event in found.events)


def test_nesting_that_no_reader_can_follow_condemns_its_own_event_alone() -> None:
    deep = b'{"event":"deep","properties":{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}}"
    found = read(Kind.BATCH, b'{"events":[{"event":"a"},' + deep + b',{"event":"b"}],"sent_at":"2026-06-01T12:00:00Z"}')
    first, bad, last = found.events
    assert isinstance(first, Incoming)
    assert isinstance(last, Incoming)
    assert isinstance(bad, Fault)
    assert (bad.reason, bad.event) == ("too_deep", deep)
    assert found.sent_at is not None


@pytest.mark.parametrize("begun", [b'{"events":["', b'{"events":["a\\', b'{"batch":[{"event":"'])
def test_a_text_that_does_not_end_is_gone_over_once(begun: bytes) -> None:
    kind = Kind.BATCH if b"events" in begun else Kind.POSTHOG
    started_s = process_time()
    with pytest.raises(BadEvents):
        read(kind, begun + b'\\"' * 1_000_000)
    assert process_time() - started_s < 10  # looked for anew from each quote it took an hour


def test_more_events_than_may_be_are_not_even_looked_at() -> None:
    assert len(read(Kind.BATCH, b'{"events":[,,]}', events_max=3).events) == 3
    for body in (
        b'{"events":[,,,]}',
        b'{"events":[' + b"," * 1_000_000,
        json.dumps({"events": [{"event": "a"}] * 4}).encode(),
    ):
        with pytest.raises(TooManyEvents) as refused:
            read(Kind.BATCH, body, events_max=3)
        assert refused.value.fields["events_max"] == 3


def test_a_form_of_many_fields_is_none() -> None:
    with pytest.raises(BadEvents):
        from_form(b"data=e30" + b"&a=b" * 64)
    assert from_form(b"data=e30%3D" + b"&a=b" * 63) == b"{}"


@pytest.mark.parametrize(
    "body",
    [
        b'{"events":[{"event":"a"}',
        b'{"events":[{"event":"a"}]]}',
        b'{"events":{"event":"a"}}',
        b'{"events":"a"}',
        b'{"a":"events",["b"]}',
        b'{"events":[],"sent_at":"soon"}',
        b"1",
        b"null",
    ],
)
def test_a_body_without_a_list_of_events_is_no_batch(body: bytes) -> None:
    with pytest.raises(BadEvents):
        read(Kind.BATCH, body)


def test_posthog_sends_an_object_a_list_or_a_batch() -> None:
    one = b'{"event":"a","distinct_id":"p","api_key":"k"}'
    assert [len(read(Kind.POSTHOG, body).events) for body in (one, b"[" + one + b"]", b'{"batch":[' + one + b"]}")] == [
        1,
        1,
        1,
    ]
    assert read(Kind.POSTHOG, b'{"batch":[],"api_key":"k","sentAt":"2026-06-01T12:00:00Z"}').key == "k"
    assert read(Kind.POSTHOG, b'{"event":5,"token":"k"}').key == "k"
