"""Instants keep their microsecond between their forms, and a fixed clock moves only when told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overworld.kernel.clock import EPOCH, FixedClock, SystemClock, from_us, rfc3339, to_us

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
zones = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
instants = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=zones)  # noqa: DTZ001 - bounds are naive


@given(instants)
def test_an_instant_survives_as_microseconds(at):
    assert from_us(to_us(at)) == at
    assert from_us(to_us(at)).tzinfo is UTC


@given(instants)
def test_an_instant_survives_as_text(at):
    text = rfc3339(at)
    assert text.endswith("Z")
    assert datetime.fromisoformat(text) == at


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (NOON, "2026-06-01T12:00:00Z"),
        (NOON + timedelta(microseconds=10), "2026-06-01T12:00:00.000010Z"),
        (NOON.astimezone(timezone(timedelta(hours=2))), "2026-06-01T12:00:00Z"),
    ],
)
def test_clients_read_utc_with_microseconds_only_where_there_are_any(at, text):
    assert rfc3339(at) == text


def test_a_time_without_a_zone_is_a_bug():
    with pytest.raises(TypeError):
        to_us(datetime(2026, 6, 1))  # noqa: DTZ001 - that is the point


@given(st.lists(st.timedeltas(timedelta(days=-9), timedelta(days=9)), max_size=10))
def test_a_fixed_clock_moves_by_what_it_is_told_and_its_spans_never_shrink(steps):
    clock = FixedClock(NOON)
    before_s = clock.monotonic_s()
    for step in steps:
        clock.advance(step)
        assert clock.monotonic_s() - before_s == pytest.approx(max(0.0, step.total_seconds()), abs=1e-3)
        before_s = clock.monotonic_s()
    assert clock.now() == NOON + sum(steps, timedelta())
    assert clock.now_us() == to_us(clock.now())


def test_the_system_clock_agrees_with_itself():
    clock = SystemClock()
    assert clock.now().tzinfo is UTC
    assert abs(from_us(clock.now_us()) - clock.now()) < timedelta(minutes=1)
    assert clock.now() > EPOCH
    assert clock.monotonic_s() <= clock.monotonic_s()
