"""Simulated people: who they are, when they are out, and how they walk."""

from __future__ import annotations

import math
from collections import Counter
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overworld.app.simulate.profiles import DAY_S, city_for, people_of
from overworld.app.simulate.turns import Calendar, stretches
from overworld.app.simulate.walking import Ground, Outing, walk
from overworld.domains.gameplay.types import Kind, Mode, Spawn
from overworld.kernel.money import Currency

CITY = city_for(100, lat_deg=46.05, lng_deg=14.5)
REACH_M = 50.0


def lying(n: int, *, mode: Mode = Mode.SHARED) -> list[Spawn]:
    """So many collectibles on a spiral around the middle."""
    kind = Kind(type="coin", value_minor=1, currency=Currency("coin"), experience=1, mode=mode)
    spots = [CITY.degrees((8 * i * math.sin(i), 8 * i * math.cos(i))) for i in range(n)]
    return [
        Spawn(
            id=f"coin-{i}", key=b"", reference=UUID(int=i), kind=kind, cell=0, lat_deg=lat, lng_deg=lng, opens_us=0,
            closes_us=1,
        )
        for i, (lat, lng) in enumerate(spots)
    ]  # fmt: skip


def out(seed: int, *, players: int = 12) -> list[Outing]:
    people = people_of(CITY, players=players, seed=seed)
    for person in people:
        person.anchor = person.place = (0.0, 0.0)
    return [Outing(person, 0.0, 1_800.0) for person in people]


def test_the_same_seed_gives_the_same_people_with_the_same_days():
    def told(seed):
        people = people_of(CITY, players=30, seed=seed)
        calendar = Calendar(people)
        turns = [calendar.turn(*each) for each in stretches(days=2, window_s=1_800, offset_s=0)]
        return [
            (outing.person.id, outing.person.anchor, outing.begins_s, outing.ends_s)
            for turn in turns
            for outing in turn.outings
        ]

    assert told(3) == told(3) != told(4)


def test_there_are_as_many_of_each_profile_as_its_share_says():
    people = people_of(CITY, players=1_000, seed=1)
    assert Counter(person.profile.name for person in people) == {"casual": 600, "regular": 300, "eager": 100}
    assert len({person.id for person in people}) == 1_000
    assert [person.profile.name for person in people_of(CITY, players=1, seed=1)] == ["casual"]


@settings(max_examples=40, deadline=None)
@given(days=st.integers(1, 3), window_s=st.integers(60, DAY_S), offset=st.floats(0, 0.999))
def test_turns_cover_every_day_and_cross_no_midnight_and_no_window(days, window_s, offset):
    offset_s = int(offset * window_s)
    turns = list(stretches(days=days, window_s=window_s, offset_s=offset_s))
    assert [begins for begins, _ in turns[1:]] == [ends for _, ends in turns[:-1]]
    assert (turns[0][0], turns[-1][1]) == (0, days * DAY_S)
    for begins, ends in turns:
        assert begins < ends <= begins + 1_800
        assert begins // DAY_S == (ends - 1) // DAY_S
        assert (begins + offset_s) // window_s == (ends - 1 + offset_s) // window_s


def test_nobody_is_out_twice_at_once():
    calendar = Calendar(people_of(CITY, players=60, seed=9))
    until: dict[int, float] = {}
    left = Counter[int]()
    for each in stretches(days=5, window_s=1_800, offset_s=0):
        turn = calendar.turn(*each)
        for outing in turn.outings:
            number = outing.person.number
            assert outing.begins_s >= until.get(number, 0.0)
            assert turn.begins_s <= outing.begins_s <= outing.ends_s <= turn.ends_s
            until[number] = outing.ends_s
        left.update(person.number for person in turn.leaving)
    assert left


@pytest.mark.parametrize("seed", range(4))
def test_walkers_ask_in_the_order_of_time_and_only_for_what_is_in_reach(seed):
    outings = out(seed)
    wishes = walk(Ground(CITY, lying(80)), outings, city=CITY, reach_m=REACH_M)
    assert len(wishes) > 20
    assert [wish.at_s for wish in wishes] == sorted(wish.at_s for wish in wishes)
    for wish in wishes:
        east, north = CITY.place(wish.spawn.lat_deg, wish.spawn.lng_deg)
        assert math.hypot(east - wish.place[0], north - wish.place[1]) <= REACH_M
        assert 0 <= wish.at_s < 1_800


def test_walkers_are_no_faster_than_they_walk():
    wishes = walk(Ground(CITY, lying(80)), out(2), city=CITY, reach_m=REACH_M)
    last: dict[int, tuple[float, tuple[float, float]]] = {}
    for wish in wishes:
        number = wish.person.number
        at_s, place = last.get(number, (0.0, (0.0, 0.0)))
        assert math.dist(place, wish.place) <= (wish.at_s - at_s) * wish.person.profile.speed_m_s + 1e-6
        last[number] = wish.at_s, wish.place


def test_a_shared_one_is_asked_for_again_only_in_the_moment_it_goes():
    wishes = walk(Ground(CITY, lying(40)), out(1), city=CITY, reach_m=REACH_M)
    first: dict[str, float] = {}
    for wish in wishes:
        assert wish.at_s <= first.setdefault(wish.spawn.id, wish.at_s) + 1.5
    assert len(first) < len(wishes)


def test_a_personal_one_is_asked_for_by_everybody_once():
    spawns = lying(10, mode=Mode.PERSONAL)
    asked = Counter(
        (wish.spawn.id, wish.person.number) for wish in walk(Ground(CITY, spawns), out(1), city=CITY, reach_m=REACH_M)
    )
    assert set(asked.values()) == {1}
    assert len(asked) == 10 * 12
    had = set(asked)
    assert walk(Ground(CITY, spawns, had=had), out(1), city=CITY, reach_m=REACH_M) == []


def test_nobody_strays_from_where_they_began():
    outings = out(5, players=30)
    walk(Ground(CITY, []), outings, city=CITY, reach_m=REACH_M)
    for outing in outings:
        profile = outing.person.profile
        assert math.hypot(*outing.person.place) <= profile.roam_m + profile.sight_m


def test_a_city_has_room_for_its_players():
    small, large = (city_for(players, lat_deg=0, lng_deg=0) for players in (10, 10_000))
    assert small.radius_m == 1_500
    assert large.area_km2 == pytest.approx(400)
