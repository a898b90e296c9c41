"""The crowd that fair play is judged on: how people move, how receivers err, and what tools cannot do."""

from __future__ import annotations

import numpy as np
import pytest

from bench.prove.fairplay.cheats import joystick, pretended
from bench.prove.fairplay.crowd import CHEATS, HARD, HONEST, crowd, shares
from bench.prove.fairplay.receiver import OPEN, STREET, sense
from bench.prove.fairplay.travel import CITY_CAR, TRAIN, WALK, beside, rest, travel

pytestmark = pytest.mark.slow
PLAYERS = 250


@pytest.fixture(scope="module")
def small():
    return crowd(players=PLAYERS, cheaters_share=0.25, seed=3, hard_each=2)


def chance(number=1):
    return np.random.default_rng(number)


def whitened(values):
    """How much of a value is left in the next one, over all rows."""
    return float(np.corrcoef(values[:, :-1].ravel(), values[:, 1:].ravel())[0, 1])


def test_the_same_seed_makes_the_same_crowd_and_another_one_another(small):
    again = crowd(players=PLAYERS, cheaters_share=0.25, seed=3, hard_each=2)
    other = crowd(players=PLAYERS, cheaters_share=0.25, seed=4, hard_each=2)
    for name in ("fixes", "claims", "logins"):
        assert getattr(small, name).tobytes() == getattr(again, name).tobytes()
        assert getattr(small, name).tobytes() != getattr(other, name).tobytes()


def test_every_kind_is_there_and_the_cheaters_are_the_share_that_was_asked_for(small):
    counts = shares(10_000, 0.02, 10)
    assert sum(counts.values()) == 10_000
    assert abs(sum(counts[kind] for kind in CHEATS) - 200) <= 5
    assert set(small.kinds) == {*HONEST, *CHEATS, *HARD}
    assert set(np.unique(small.logins["player"])) == set(range(len(small.kinds)))


def test_what_arrives_is_in_order_and_each_phone_sends_in_its_own(small):
    assert (np.diff(small.fixes["arrives_us"]) >= 0).all()
    assert (np.diff(small.claims["at_us"]) >= 0).all()
    honest = [number for number, kind in enumerate(small.kinds) if kind == "walker"]
    for player in honest[:50]:
        assert (np.diff(small.fixes["arrives_us"][small.fixes["player"] == player]) >= 0).all()


@pytest.mark.parametrize(("habits", "least", "most"), [(WALK, 0.3, 2.5), (CITY_CAR, 1.5, 18), (TRAIN, 4, 32)])
def test_bodies_and_vehicles_keep_to_what_they_can(habits, least, most):
    path = travel(chance(), 100, 600, habits)
    moved_m = np.hypot(np.diff(path.east_m), np.diff(path.north_m))
    assert moved_m.max() < habits.cruise_m_s[1] * 1.6
    assert least < path.speed_m_s.mean() < most
    assert np.diff(path.speed_m_s).max() <= habits.accelerate_m_s2 + 1e-9


def test_a_receiver_errs_for_a_while_and_a_tool_anew_each_time():
    path = rest(chance(), 200, 600)
    sensed = sense(chance(), path, OPEN)
    error = sensed.east_m - path.east_m
    calm = np.abs(error).max(axis=1) < 20
    assert whitened(error[calm]) > 0.9
    steered = joystick(chance(), 200, 600)
    told = pretended(chance(), steered, jitter_m=(1, 2))
    assert abs(whitened(told.east_m - steered.east_m)) < 0.02


def test_the_accuracy_that_receivers_tell_is_about_true():
    """It is the radius of 68 % confidence, told with an error of its own."""
    path = travel(chance(), 300, 600, WALK)
    sensed = sense(chance(), path, STREET)
    away_m = np.hypot(sensed.east_m - path.east_m, sensed.north_m - path.north_m)[:, 60:]
    assert 0.5 < float((away_m < sensed.accuracy_m[:, 60:]).mean()) < 0.85


def test_who_walks_together_stays_together_but_not_in_one_place():
    leader = travel(chance(), 20, 600, WALK)
    path = beside(chance(), leader, np.arange(20))
    apart_m = np.hypot(path.east_m - leader.east_m, path.north_m - leader.north_m)
    assert apart_m.max() < 20
    assert apart_m.mean() > 0.3


def test_a_replayed_track_names_the_very_places_of_an_honest_one_after_it(small):
    whose: dict[tuple[int, int], str] = {}
    for row in small.fixes:
        kind = small.kinds[row["player"]]
        if kind in {"recorded", "replayer", "replayer_warped"}:
            whose.setdefault((int(row["lat_e7"]), int(row["lng_e7"])), kind)
    assert set(whose.values()) == {"recorded"}


def test_a_farm_signs_in_on_one_phone_and_others_hardly_on_the_same_by_chance(small):
    device = {int(row["player"]): (int(row["agent"]), int(row["address"])) for row in small.logins}
    farm = [device[number] for number, kind in enumerate(small.kinds) if kind == "account_farm"]
    walkers = [device[number] for number, kind in enumerate(small.kinds) if kind == "walker"]
    assert max(farm.count(one) for one in farm) >= 5
    assert max(walkers.count(one) for one in walkers) <= 3


def test_bots_claim_by_the_clock_and_people_do_not(small):
    def regularity(kind):
        found = []
        for player in [number for number, one in enumerate(small.kinds) if one == kind]:
            gaps = np.diff(small.claims["at_us"][small.claims["player"] == player]) / 1e6
            if gaps.size >= 5:
                found.append(gaps.var() / gaps.mean() ** 2)
        return np.array(found)

    assert regularity("interval_bot").max() < 0.05
    assert regularity("walker").min() > 0.2
