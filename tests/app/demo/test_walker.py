"""Walkers walk as people do, stay in their city, and take what lies there at a rate that lasts."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise
from random import Random

import numpy as np
import pytest

from overworld.app.demo.city import City
from overworld.app.demo.walker import LOOK_M, Lying, Walker, Wish, every_s
from overworld.domains.world import rules
from overworld.domains.world.types import MovementRules, Reason
from overworld.geo import sphere
from tests.app.demo.field import LJUBLJANA, REACH_M, WINDOW_S, Field
from tests.thinned import rounds

CITIES = [LJUBLJANA, City(-17.8, 179.999, 1_000), City(90.0, 0.0, 800), City(-90.0, 12.0, 200)]
CYCLIST_M_S = 5 * 1.15


def walker(seed: str = "1-0", *, city: City = LJUBLJANA, among: int = 200) -> Walker:
    return Walker(city, random=Random(seed), among=among, reach_m=REACH_M, now_s=0.0)


def stroll(one: Walker, *, seconds: float) -> list[tuple[float, tuple[float, float], tuple[float, float]]]:
    """The times, true places and shown places of a walk where nothing lies."""
    now_s, walk = 0.0, []
    while now_s < seconds:
        if one.step(now_s) is Wish.LOOK:
            one.sees([], within_m=LOOK_M)
        walk.append((now_s, one.place, one.shown))
        now_s += one.pause_s()
    return walk


def lying(id: str, place: tuple[float, float], *, closes_s: float = 1e9) -> Lying:
    return Lying(id, place, closes_s)


def test_the_same_seed_is_the_same_walk_and_another_is_another():
    first, again, other = (stroll(walker(seed), seconds=600) for seed in ("7-3", "7-3", "8-3"))
    assert first == again
    assert first != other


@pytest.mark.parametrize("city", CITIES, ids=str)
def test_nobody_leaves_the_city_or_stays_at_its_door(city):
    for number in range(10):
        walk = stroll(walker(f"1-{number}", city=city), seconds=900)
        assert all(city.holds(place) for _, place, _ in walk)
        assert sum(math.dist(a[1], b[1]) for a, b in pairwise(walk)) > 200


@pytest.mark.slow
@pytest.mark.parametrize("city", CITIES, ids=str)
def test_the_world_believes_every_fix_of_every_walker(city):
    """By its own rules of movement, in degrees, GPS noise included: on the date line and at the poles too."""
    limits = rules.limits_of(MovementRules())
    reasons: Counter[str] = Counter()
    for number in range(40):
        track = np.zeros(1, rules.TRACK).view(np.recarray)
        for now_s, _, shown in stroll(walker(f"1-{number}", city=city), seconds=300):
            lat_deg, lng_deg = city.degrees(shown)
            fix = np.zeros(1, rules.FIX).view(np.recarray)[0]
            fix.time_us = int(now_s * 1e6) + 10**15
            fix.lat_deg, fix.lng_deg, fix.accuracy_m, fix.altitude_m = lat_deg, lng_deg, 6.0, math.nan
            x, y, z = sphere.unit_vectors(np.array([lat_deg]), np.array([lng_deg]))[0]
            reasons[Reason(rules.judge(fix, x, y, z, fix.time_us, limits, track[0])).name] += 1
    assert set(reasons) == {"NONE"}
    assert reasons["NONE"] > 40 * 50


def test_nobody_is_faster_than_a_cyclist():
    for number in range(20):
        walk = stroll(walker(f"2-{number}"), seconds=300)
        for (before_s, before, _), (after_s, after, _) in pairwise(walk):
            assert math.dist(before, after) <= CYCLIST_M_S * (after_s - before_s) + 0.01


def test_nobody_turns_on_the_spot():
    """Not by more than 40 degrees a second, two of them to a step; the city's edge, which pulls back, is far away."""
    turns = []
    for number in range(20):
        walk = stroll(walker(f"3-{number}", city=City(0.0, 0.0, 20_000)), seconds=300)
        ways = [(b[1][0] - a[1][0], b[1][1] - a[1][1]) for a, b in pairwise(walk)]
        headings = [math.atan2(*way) if math.hypot(*way) > 0.5 else None for way in ways]
        turns += [
            abs(math.remainder(after - before, math.tau))
            for before, after in pairwise(headings)
            if before is not None and after is not None
        ]
    assert len(turns) > 1_000
    assert math.degrees(max(turns)) <= 40 * 2.1


def test_some_stroll_and_some_ride():
    speeds = []
    for number in range(60):
        walk = stroll(walker(f"1-{number}"), seconds=120)
        speeds.append(max(math.dist(a[1], b[1]) / (b[0] - a[0]) for a, b in pairwise(walk)))
    assert sum(speed < 2 for speed in speeds) > 30
    assert 3 <= sum(speed > 4 for speed in speeds) <= 20


def test_time_that_was_missed_was_spent_standing():
    """After a broken line nobody jumps."""
    one = walker("1-2")
    stroll(one, seconds=60)
    before = one.place
    one.step(3_600.0)
    assert math.dist(before, one.place) <= CYCLIST_M_S * 3


def test_it_begins_where_it_was_last_unless_that_is_not_in_the_city():
    places = [
        Walker(LJUBLJANA, random=Random(1), among=1, reach_m=REACH_M, now_s=0.0, place=place).place
        for place in (None, (100.0, -200.0), (9_000.0, 0.0))
    ]
    assert places[1] == (100.0, -200.0)
    assert places[0] == places[2]


def test_it_walks_to_what_it_sees_and_claims_it_within_reach():
    one = walker()
    now_s = take(one, lying("a", (one.place[0] + 150, one.place[1])))
    assert 10 < now_s < 300


def test_one_that_is_gone_is_left_for_the_next():
    one = walker()
    sees_at_once(one, [lying("a", (one.place[0] + 100, one.place[1])), lying("b", (one.place[0] - 100, one.place[1]))])
    assert one.target is not None
    first = one.target.id
    one.lost(first)
    one.step(201.0)
    assert one.target is not None
    assert one.target.id != first


def test_one_whose_time_is_over_is_forgotten_and_a_moment_later_it_looks_again():
    one = walker()
    sees_at_once(one, [lying("a", (one.place[0] + 500, one.place[1]), closes_s=210.0)])
    wishes = [one.step(200.0 + second) for second in range(20)]
    assert one.target is None
    assert Wish.LOOK in wishes[10:]
    assert Wish.LOOK not in wishes[:10]


def test_nobody_goes_after_what_lies_outside_the_city():
    city = City(46.0, 14.0, 300.0)
    one = walker(city=city)
    sees_at_once(one, [lying("out", (310.0, 0.0)), lying("far", (0.0, 400.0))])
    assert one.target is None


def test_who_may_take_no_more_today_strolls_on_and_tries_again_later():
    one = walker()
    sees_at_once(one, [lying("a", (one.place[0] + 100, one.place[1]))])
    one.has_enough()
    wishes = {second: one.step(200.0 + second) for second in range(1, 1_200)}
    first = min(second for second, wish in wishes.items() if wish is Wish.LOOK)
    assert 600 <= first <= 1_100


@pytest.mark.parametrize(
    ("found", "left_s", "among", "wanted_s"),
    [(57, 1_800, 200, 174.6), (38, 500, 200, 140.3), (57, 1_800, 2_000, 1_746), (57, 1_800, 1, 15), (0, 0, 200, 1_800)],
)
def test_what_there_is_is_shared_over_the_time_that_is_left(found, left_s, among, wanted_s):
    after_s = every_s(found=found, within_m=600, left_s=left_s, among=among, area_km2=LJUBLJANA.area_km2)
    assert after_s == pytest.approx(wanted_s, rel=0.01)


@pytest.mark.slow
def test_200_take_a_coin_a_second_all_through_a_window_and_beyond_and_leave_some():
    """Or, on a part of the city, as great a part of them do of all that."""
    part = 1 / rounds(4, whole=1)
    walkers = int(200 * part)
    field = Field(walkers=walkers, city=City(LJUBLJANA.lat_deg, LJUBLJANA.lng_deg, LJUBLJANA.radius_m * part**0.5))
    field.run(WINDOW_S + 900)
    slices = Counter(int(at_s // 300) for at_s, _ in field.taken)
    rates = [slices[number] / 300 / part for number in range(9)]
    assert all(0.75 <= rate <= 1.6 for rate in rates), rates
    assert field.left[1] > 800 * part
    assert len({number for _, number in field.taken}) == walkers
    assert sum(rates[:6]) / 6 * 86_400 / 200 < 500
    assert field.looks / (WINDOW_S + 900) < 2 * part


@pytest.mark.slow
def test_a_poor_city_is_spared():
    field = Field(walkers=100, coins_per_km2=5)
    field.run(WINDOW_S + 5)
    assert field.left[1] > 318 * 0.2


def sees_at_once(one: Walker, found: list[Lying]) -> None:
    """The walker stands at its beginning, wants something, and sees what lies there."""
    assert one.step(200.0) is Wish.LOOK
    one.sees(found, within_m=LOOK_M)


def take(one: Walker, target: Lying) -> float:
    """How long the walker takes to claim what it sees."""
    sees_at_once(one, [target])
    for second in range(1, 400):
        if one.step(200.0 + second) is Wish.CLAIM:
            assert math.dist(one.place, target.place) <= REACH_M / 2
            return float(second)
    raise AssertionError("it never came there")
