"""What a stream keeps to be told again is what it was given, within its bounds, and large events take little room."""

from __future__ import annotations

import json
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overworld.domains.realtime.kept import Kept

events = st.lists(st.one_of(st.binary(max_size=40), st.integers(2_000, 5_000).map(bytes)), max_size=40)


@given(events=events, events_max=st.sampled_from([0, 1, 5, 256]), bytes_max=st.sampled_from([0, 100, 6_000, 32_768]))
def test_the_newest_within_both_bounds_are_told_again_as_they_were(events, events_max, bytes_max):
    kept = Kept(events_max=events_max, bytes_max=bytes_max)
    expected: deque[bytes] = deque()
    for event in events:
        kept.add(event)
        expected.append(event)
        while len(expected) > events_max or sum(map(len, expected)) > bytes_max:
            expected.popleft()
        assert len(kept) == len(expected)
    for count in range(len(kept) + 1):
        assert kept.newest(count) == list(expected)[len(expected) - count :]
    kept.clear()
    assert len(kept) == 0
    kept.add(b"x" * min(1, bytes_max))
    assert len(kept) == min(1, events_max)


def test_a_large_event_takes_a_third_of_its_room():
    items = [{"id": f"coin-{n:08x}", "lat": 46 + n / 9_973, "lng": 14 + n / 7_919, "value": n % 7} for n in range(100)]
    event = json.dumps(items).encode()
    kept = Kept(events_max=9, bytes_max=32_768)
    kept.add(event)
    [packed] = kept._events
    assert not isinstance(packed, bytes)
    assert len(packed.content) < len(event) / 3
    assert kept.newest(1) == [event]


@pytest.mark.parametrize("size", [1_020, 1_021, 2_047, 2_048, 8_192, 20_000])
def test_an_event_of_any_size_is_told_again_as_it_was(size):
    kept = Kept(events_max=1, bytes_max=32_768)
    event = bytes(n % 251 for n in range(size))
    kept.add(event)
    assert kept.newest(1) == [event]
