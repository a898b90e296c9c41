"""The rules of movement as journeys that a person can check: when, how many metres east of home, and the verdict."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overworld.domains.world.rules import FIX, KM_H
from overworld.domains.world.types import MovementRules, Reason
from tests.domains.world.journeys import OK, Journey

FAST, HASTY, TELEPORT = "too_fast", "too_accelerated", "teleport"

# Where nothing else is said, each fix is good to 10 m, so 20 m of every distance do not count.
JOURNEYS: dict[str, list[tuple[float, float, str]]] = {
    "a walk": [(0, 0, OK), (10, 15, OK), (20, 30, OK), (50, 70, OK)],
    "rest with jitter": [(0, 0, OK), (1, 9, OK), (2, -8, OK), (3, 12, OK), (4, 0, OK)],
    "a car that speeds up to 130 km/h": [(0, 0, OK), (10, 140, OK), (20, 420, OK), (30, 780, OK), (40, 1_140, OK)],
    "150 km/h is allowed and a little more is not": [(0, 0, OK), (100, 4_186, OK), (200, 4_186 + 4_188, FAST)],
    "a jump of 100 m in a second, believed when there was time for it": [(0, 0, OK), (1, 100, FAST), (3, 100, OK)],
    "one glitch in a walk: it is dropped and the walk goes on": [
        (0, 0, OK), (10, 15, OK), (12, 200, FAST), (14, 18, OK), (20, 26, OK),
    ],
    "two glitches at different places": [(0, 0, OK), (10, 900, FAST), (20, -900, FAST), (30, 20, OK)],
    "a glitch is never the place the next fix is judged from": [(0, 0, OK), (10, 1_000, FAST), (11, 1_010, FAST)],
    "a glitch across town": [(0, 0, OK), (10, 5_000, TELEPORT), (20, 20, OK)],
    "an airliner is the limit between too fast and a teleport": [
        (0, 0, OK), (100, 27_700, FAST), (101, 28_100, TELEPORT),
    ],
    "hours later anywhere that can be reached": [(0, 0, OK), (7_200, 290_000, OK)],
    "hours later where nobody can be yet": [(0, 0, OK), (7_200, 310_000, FAST)],
    "from rest to 144 km/h in a second": [(0, 0, OK), (1, 60, HASTY)],
    "from rest to 72 km/h in a second": [(0, 0, OK), (1, 39, OK)],
    "braking hard is no fault": [(0, 0, OK), (10, 200, OK), (20, 600, OK), (21, 600, OK)],
    "the time stands still": [(0, 0, OK), (10, 10, OK), (10, 12, "time_order")],
    "the time goes back": [(0, 0, OK), (10, 10, OK), (9, 10, "time_order"), (11, 10, OK)],
    "ten fixes a second on foot": [(k / 10, k * 0.15, OK) for k in range(40)],
    "ten fixes a second at 720 km/h, each step within the accuracies": [
        *((k / 10, 0, OK) for k in range(20)), (2.0, 20, OK), (2.1, 40, OK), (2.2, 60, OK), (2.3, 80, FAST),
    ],
    "a jump right after the first fix": [(0, 0, OK), (0.1, 5_000, TELEPORT), (0.2, 0, OK)],
}  # fmt: skip


@pytest.mark.parametrize("name", JOURNEYS)
def test_journeys(name):
    journey = Journey()
    judged = [(at_s, east_m, journey.fix(at_s, east_m)) for at_s, east_m, _ in JOURNEYS[name]]
    assert judged == JOURNEYS[name]


# A fix that comes 10 s after a good one at the same place: what it says of itself, and the verdict.
ALONE = [
    ({}, OK),
    ({"accuracy_m": 100}, OK),
    ({"accuracy_m": 100.5}, "inaccurate"),
    ({"altitude_m": 8_848}, OK),
    ({"altitude_m": -430}, OK),
    ({"altitude_m": 10_001}, "altitude"),
    ({"altitude_m": -501}, "altitude"),
    ({"mock": True}, "mock"),
    ({"server_s": 5}, OK),
    ({"server_s": 4.9}, "time_future"),
    ({"server_s": 130}, OK),
    ({"server_s": 130.1}, "time_stale"),
    ({"server_s": 4.9, "own_timeline": True}, OK),
    ({"server_s": 1e9, "own_timeline": True}, OK),
    ({"place": (90.0000001, 0.0)}, "out_of_range"),
    ({"place": (0.0, -180.0000001)}, "out_of_range"),
    ({"place": (math.nan, 0.0)}, "out_of_range"),
    ({"place": (0.0, math.inf)}, "out_of_range"),
]


@pytest.mark.parametrize(("said", "verdict"), ALONE)
def test_what_a_fix_says_of_itself(said, verdict):
    journey = Journey()
    assert journey.fix(0, own_timeline=said.get("own_timeline", False)) == OK
    assert journey.fix(10, **said) == verdict


# Everything that is wrong at once, and what is left when the first is put right: the order of the reasons.
def test_the_first_reason_in_the_documented_order_is_given():
    faults: list[tuple[str, dict[str, Any]]] = [
        ("out_of_range", {"place": (91.0, 0.0)}),
        ("mock", {"mock": True}),
        ("time_future", {"server_s": -100}),
        ("time_order", {"at_s": 0}),
        ("inaccurate", {"accuracy_m": 5_000}),
        ("altitude", {"altitude_m": 1e6}),
    ]
    for first in range(len(faults)):
        journey = Journey()
        assert journey.fix(0) == OK
        said: dict[str, Any] = {"at_s": 10, "east_m": 1e6}
        for _, fault in reversed(faults[first:]):
            said |= fault
        if first > 2:
            said["server_s"] = said["at_s"]
        assert journey.fix(**said) == faults[first][0]
    assert journey.fix(10, 1e6) == TELEPORT


def test_accuracies_are_taken_off_the_distance():
    """150 m in a second with two fixes good to 70 m is 10 m/s; the same with good ones is 148 m/s."""
    journey = Journey()
    assert journey.fix(0, 0, accuracy_m=70) == OK
    assert journey.fix(1, 150, accuracy_m=70) == OK
    journey = Journey()
    assert journey.fix(0, 0, accuracy_m=1) == OK
    assert journey.fix(1, 150, accuracy_m=1) == FAST


def test_the_rules_of_a_game_count():
    slow = Journey(movement=MovementRules(speed_max_km_h=20, acceleration_max_m_s2=2))
    assert [slow.fix(0), slow.fix(10, 70), slow.fix(20, 160), slow.fix(21, 120)] == [OK, OK, FAST, OK]
    with pytest.raises(ValueError, match="teleport_km_h"):
        MovementRules(speed_max_km_h=300, teleport_km_h=200)


def test_a_flight_is_believed_after_five_fixes_over_ten_minutes_at_the_new_place():
    """Frankfurt to New York in eight hours: too fast for the game, and true."""
    journey = Journey()
    assert journey.fix(0) == OK
    landed_s, far_m = 8 * 3_600, 6_200_000
    for k in range(4):
        assert journey.fix(landed_s + 150 * k, far_m + 10 * k) == FAST
    assert journey.fix(landed_s + 590, far_m) == FAST
    assert not journey.anchored
    assert journey.fix(landed_s + 600, far_m) == OK
    assert journey.anchored
    assert journey.fix(landed_s + 630, far_m + 30) == OK


def test_ten_minutes_are_not_enough_with_fewer_than_five_fixes():
    journey = Journey()
    journey.fix(0)
    verdicts = [journey.fix(10 + 200 * k, 2_000_000) for k in range(5)]
    assert verdicts == [TELEPORT] * 4 + [OK]


def test_five_fixes_are_not_enough_in_less_than_ten_minutes():
    journey = Journey()
    journey.fix(0)
    assert {journey.fix(10 + k, 2_000_000) for k in range(590)} == {TELEPORT}


def test_refused_fixes_that_do_not_agree_never_settle():
    """Somebody who jumps about between two far cities is at home in neither."""
    journey = Journey()
    journey.fix(0)
    verdicts = {journey.fix(60 * k, 2_000_000 * (1 + k % 2)) for k in range(1, 60)}
    assert verdicts == {TELEPORT}
    assert journey.anchored


def test_a_fast_train_settles_where_it_stops():
    """300 km/h for half an hour, then the station: the ride is refused, the station believed after ten minutes."""
    journey = Journey()
    journey.fix(0)
    ride = [journey.fix(30 * k, 30 * k * 300 * KM_H) for k in range(1, 61)]
    assert set(ride) == {FAST}
    station_m = 150_000
    stay = [journey.fix(1_800 + 60 * k, station_m) for k in range(1, 12)]
    assert OK in stay
    assert set(stay[stay.index(OK) :]) == {OK}


def test_one_glitch_leaves_a_walker_rewarded_and_two_that_agree_do_not():
    journey = Journey()
    journey.fix(0)
    journey.fix(10, 50_000)
    assert journey.anchored
    journey.fix(20, 50_000)
    assert not journey.anchored
    assert journey.fix(30, 10) == OK
    assert journey.anchored


def test_coming_home_in_time_forgets_the_other_place():
    journey = Journey()
    journey.fix(0)
    for k in range(4):
        journey.fix(100 + 150 * k, 5_000_000)
    assert journey.fix(560, 0) == OK
    assert journey.fix(750, 5_000_000) == TELEPORT
    assert journey.anchored


def test_a_track_on_its_own_time_line_is_judged_by_its_own_time():
    journey = Journey()
    years = 86_400 * 365 * 10
    assert journey.fix(-years, 0, own_timeline=True, server_s=0) == OK
    assert journey.fix(-years + 2, 200, own_timeline=True, server_s=0.01) == FAST
    assert journey.fix(-years - 1, 0, own_timeline=True, server_s=0.02) == "time_order"
    assert journey.fix(-years + 10, 20, own_timeline=True, server_s=0.03) == OK


def test_changing_the_time_line_begins_a_new_track():
    journey = Journey()
    assert journey.fix(1_000, 0, own_timeline=True, server_s=0) == OK
    assert journey.fix(1, 900_000, server_s=1) == OK
    assert journey.fix(2, 0, server_s=2) == TELEPORT


@pytest.mark.parametrize("home", [(90.0, 0.0), (-90.0, 0.0), (0.0, 180.0), (65.0, -180.0), (89.9999, 45.0)])
def test_a_walk_over_a_pole_or_the_date_line_is_a_walk(home):
    journey = Journey(home=home)
    assert [journey.fix(10 * k, 15 * (k - 5)) for k in range(11)] == [OK] * 11
    assert journey.fix(120, 2_000) == FAST


@given(
    st.lists(st.tuples(st.floats(1, 600), st.floats(-1, 1)), min_size=1, max_size=40),
    st.floats(0, 100),
)
def test_who_keeps_below_the_limits_is_never_refused(steps, accuracy_m):
    """Any mix of pauses and moves up to 72 km/h, which needs no acceleration above the limit from one to the next."""
    journey = Journey()
    at_s = east_m = 0.0
    assert journey.fix(at_s, east_m, accuracy_m=accuracy_m) == OK
    for span_s, pace in steps:
        at_s += span_s
        east_m += pace * span_s * 19.9
        assert journey.fix(at_s, east_m, accuracy_m=accuracy_m) == OK


@given(st.lists(st.tuples(st.floats(0.05, 400), st.floats(-2e7, 2e7)), max_size=40))
def test_every_accepted_fix_is_within_reach_of_one_at_least_a_second_back_until_one_settles(steps):
    """Of the last good one that old, or of one up to a second before it; of the first while the track is younger."""
    journey = Journey()
    journey.fix(0)
    at_s, track = 0.0, [(0.0, 0.0)]
    for span_s, east_m in steps:
        at_s += span_s
        if journey.fix(at_s, east_m / 20) == OK:
            began = bool(journey.engine.players.tracks["begins"][0])
            old = [fix for fix in track if at_s - fix[0] >= 1] or track[:1]
            since = [fix for fix in old if fix[0] > old[-1][0] - 1.0]
            assert began or any(
                abs(east_m / 20 - then_m) <= 150 * KM_H * max(1.0, at_s - then_s) + 20.1 for then_s, then_m in since
            )
            track = [(at_s, east_m / 20)] if began else [*track, (at_s, east_m / 20)]


def test_the_numbers_and_names_of_the_reasons_never_change():
    """They stand in packed verdicts and in clients."""
    assert {reason.value: reason.wire for reason in Reason} == {
        0: "none", 1: "too_fast", 2: "too_accelerated", 3: "teleport", 4: "time_order", 5: "time_future",
        6: "time_stale", 7: "inaccurate", 8: "out_of_range", 9: "mock", 10: "altitude",
    }  # fmt: skip


def test_a_row_of_fixes_is_64_bytes_without_gaps():
    assert FIX.itemsize == 64
    assert sum(FIX[name].itemsize for name in FIX.names or ()) == 64
