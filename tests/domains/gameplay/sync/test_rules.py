"""What is believed of the time without a network: clocks, counters and ways, each refused by name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from overworld.domains.gameplay.messages import AsOf
from overworld.domains.gameplay.sync.errors import (
    ClockAhead,
    ClockBack,
    ClockDrift,
    ImpossibleTravel,
    OutOfOrder,
    TooManyDevices,
    TooOld,
)
from overworld.domains.gameplay.sync.rules import Hearing, name_hash, terms_of
from overworld.domains.gameplay.sync.types import Device, Place
from overworld.kernel.clock import to_us
from tests.domains.gameplay.sync.outing import ACCURACY_M, RULES, SPEED_KM_H, action, body, ms_of

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
TERMS = terms_of(RULES, speed_max_km_h=SPEED_KM_H, accuracy_m=ACCURACY_M)
S = timedelta(seconds=1)
KM_NORTH_DEG = 1 / 111.195


def hearing(actions, *, device=None, others=0, places=(), sent_at=NOW, **changes):
    sent = body(actions, sent_at=sent_at, **changes)
    return Hearing(sent, device=device, others=others, places=places, now_us=to_us(NOW), terms=TERMS)


def judged(*actions, **options):
    """The verdicts in words: `ok`, or the class of the refusal."""
    heard = hearing(actions, **options)
    if heard.fault is not None:
        return type(heard.fault)
    verdicts = [heard.judge(one) for one in actions]
    return ["ok" if isinstance(one, AsOf) else type(one) for one in verdicts]


def known():
    """A device that called an hour ago and acted two minutes before."""
    called = NOW - timedelta(hours=1)
    return Device(
        boot=name_hash("1"),
        sent_ms=ms_of(called),
        sent_us=to_us(called),
        acted_ms=ms_of(called) - 120_000,
        acted_us=to_us(called) - 120_000_000,
    )


def test_what_was_done_counts_by_the_servers_clock_and_the_devices_counter():
    """The device's own clock is ten seconds behind: its counter says when it was, seen from here."""
    behind = timedelta(seconds=10)
    one = action(NOW - 600 * S, at=NOW - 600 * S - behind)
    heard = hearing([one], sent_at=NOW - behind, sent_monotonic_ms=ms_of(NOW))
    assert heard.judge(one) == AsOf(45.8, 14.36, to_us(NOW - 600 * S))


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"at": NOW + 31 * S}, ClockAhead),
        ({"at": NOW + 29 * S, "monotonic_ms": ms_of(NOW)}, "ok"),
        ({"monotonic_ms": ms_of(NOW) + 1}, ClockBack),
        ({"at": NOW - 3_600 * S}, ClockDrift),
        ({"monotonic_ms": ms_of(NOW) - 3_600_000}, ClockDrift),
        ({"at": NOW - 700 * S}, ClockDrift),
        ({"at": NOW - 630 * S}, "ok"),
    ],
)
def test_an_action_whose_clock_or_counter_was_turned_is_refused_by_name(changes, refused):
    assert judged(replace(action(NOW - 600 * S), **changes)) == [refused]


@pytest.mark.parametrize(
    ("changes", "device", "fault"),
    [
        ({"sent_at": NOW + 31 * S}, None, ClockAhead),
        ({"sent_at": NOW - 31 * S}, None, ClockBack),
        ({"sent_monotonic_ms": ms_of(NOW) - 3_601_000}, known(), ClockBack),
        ({"sent_monotonic_ms": ms_of(NOW) + 120_000}, known(), ClockDrift),
        ({"sent_monotonic_ms": ms_of(NOW) - 120_000}, known(), ClockDrift),
        ({"sent_monotonic_ms": 5, "boot": "2"}, known(), None),
        ({"sent_monotonic_ms": ms_of(NOW) + 20_000}, known(), None),
    ],
)
def test_a_call_whose_clock_or_counter_was_turned_counts_for_nothing(changes, device, fault):
    sent_at = changes.pop("sent_at", NOW)
    heard = hearing([action(NOW - 60 * S)], device=device, sent_at=sent_at, **changes)
    assert (None if heard.fault is None else type(heard.fault)) is fault


def test_one_device_more_than_anybody_has_is_refused():
    assert judged(action(NOW - S), others=16) is TooManyDevices
    assert judged(action(NOW - S), others=16, device=known()) == ["ok"]


def test_actions_come_in_the_order_in_which_they_were_done():
    one, two, three = (action(NOW - n * S) for n in (300, 200, 100))
    assert judged(one, two, three) == ["ok"] * 3
    assert judged(two, one, three) == ["ok", OutOfOrder, "ok"]
    assert judged(one, one) == ["ok", "ok"], "what is one instant to the counter is in order"


def test_a_clock_that_is_set_back_in_between_is_seen():
    """The counter goes on; a minute is more than clocks are off."""
    one = action(NOW - 100 * S, at=NOW - 75 * S)
    two = action(NOW - 90 * S, at=NOW - 115 * S)
    assert judged(one, two) == ["ok", ClockBack]


def test_what_was_told_of_before_comes_after_nothing_new():
    device = known()
    late = action(NOW - 3_900 * S)
    assert judged(late, action(NOW - 60 * S), device=device) == [OutOfOrder, "ok"]


def test_runs_of_the_counter_follow_each_other():
    """The device was off in between: what was done before counts by its clock alone."""
    before = [action(NOW - n * S, monotonic_ms=9_000 - n, boot="0") for n in (900, 800)]
    after = action(NOW - 100 * S, monotonic_ms=400_000)
    assert judged(*before, after, sent_monotonic_ms=500_000) == ["ok"] * 3
    assert judged(after, *before, sent_monotonic_ms=500_000) == ["ok", OutOfOrder, OutOfOrder]
    assert judged(before[0], after, before[1], sent_monotonic_ms=500_000) == ["ok", "ok", OutOfOrder]


def test_what_was_done_too_long_ago_is_forgotten():
    assert judged(action(NOW - 43_201 * S), action(NOW - 43_199 * S)) == [TooOld, "ok"]


def test_nobody_is_in_two_places():
    """150 km/h are 2.5 km a minute; both positions may be 10 m off."""
    at = NOW - 600 * S
    minute_later = action(at + 60 * S, lat=45.8 + 2.51 * KM_NORTH_DEG)
    assert judged(action(at), minute_later) == ["ok", "ok"]
    assert judged(action(at), replace(minute_later, lat=45.8 + 2.53 * KM_NORTH_DEG)) == ["ok", ImpossibleTravel]


def test_who_cannot_have_been_there_is_where_they_were():
    """What is not believed moves nobody: the next action is judged from the last that was."""
    at = NOW - 600 * S
    far = action(at + 60 * S, lat=48.0)
    back = action(at + 120 * S)
    near_far = action(at + 180 * S, lat=48.0)
    assert judged(action(at), far, back, near_far) == ["ok", ImpossibleTravel, "ok", ImpossibleTravel]


@pytest.mark.parametrize("seconds", [-60, 60], ids=["before", "after"])
def test_a_fix_before_or_after_says_where_nobody_can_have_been(seconds):
    at = NOW - 600 * S
    fix = Place(45.8 + 3 * KM_NORTH_DEG, 14.36, to_us(at + seconds * S))
    assert judged(action(at), places=[fix]) == [ImpossibleTravel]
    assert judged(action(at + timedelta(seconds=-seconds)), places=[fix]) == ["ok"]


@given(
    seconds=st.lists(st.integers(0, 43_000), min_size=1, max_size=30).map(lambda some: sorted(some, reverse=True)),
    clock_off_s=st.floats(-14, 14),
    metres=st.lists(st.floats(0, 40), min_size=30, max_size=30),
)
def test_an_honest_walk_is_believed(seconds, clock_off_s, metres):
    """Whatever the clock is off by within reason, and however the steps fall: at most 40 m a second."""
    off, north_m, before, actions = timedelta(seconds=clock_off_s), 0.0, seconds[0], []
    for ago_s, step_m in zip(seconds, metres, strict=False):
        north_m += step_m * (before - ago_s)
        before = ago_s
        at = NOW - ago_s * S
        actions.append(action(at, at=at + off, lat=min(89.0, north_m * KM_NORTH_DEG / 1_000)))
    assert judged(*actions, sent_at=NOW + off, sent_monotonic_ms=ms_of(NOW)) == ["ok"] * len(actions)
