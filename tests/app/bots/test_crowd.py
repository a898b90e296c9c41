"""Bots as columns: the same seed is the same crowd, the honest move as people do, cheats as their kind says."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from bench.stage import START_US, Stage
from overworld.app.bots.crowd import Crowd, crowd
from overworld.app.bots.kinds import KIND_NAMES, KINDS, Way, counts, number_of
from overworld.app.bots.movers import gaits
from overworld.app.demo.cities import CITIES
from overworld.app.demo.city import City
from overworld.domains.world.types import InterestRules, WorldSettings
from overworld.geo import sphere
from overworld.kernel.packed import FLAG_MOCK
from overworld.kernel.tick import Batch

SECOND_US = 1_000_000
SEOUL = CITIES["seoul"]


def made(*, seed=7, players=300, cheaters=0.2, city: City = SEOUL) -> Crowd:
    return crowd(seed=seed, players=players, cheaters=cheaters, city=city, start_us=START_US)


def walked(bots: Crowd, *, seconds: float, step_s: float = 1.0):
    """All fixes of so many seconds, and all wishes."""
    steps = range(1, 1 + round(seconds / step_s))
    told = [(bots.step(START_US + round(i * step_s * SECOND_US)), bots.wishes()) for i in steps]
    return tuple(np.concatenate(rows) for rows in zip(*told, strict=True))


def of_kind(bots: Crowd, fixes, name: str):
    return fixes[bots.kind[fixes["bot"]] == number_of(name)]


def tracks(fixes):
    """The fixes of each bot, in order of time."""
    return {int(bot): fixes[fixes["bot"] == bot] for bot in np.unique(fixes["bot"])}


def steps_m(track):
    """Metres between neighbouring fixes."""
    return np.array(
        [sphere.distance_between_m(a["lat_deg"], a["lng_deg"], b["lat_deg"], b["lng_deg"])
         for a, b in pairwise(track)]
    )  # fmt: skip


def test_the_same_seed_is_the_same_crowd_and_another_seed_another():
    first, again, other = (walked(made(seed=seed), seconds=30) for seed in (7, 7, 8))
    assert [one.tobytes() for one in first] == [one.tobytes() for one in again]
    assert first[0].tobytes() != other[0].tobytes()


def test_how_long_the_steps_are_changes_nothing():
    """Real time goes in steps of 50 ms, a proof in whole minutes; both must see the same bots."""
    finely, coarsely = walked(made(), seconds=60, step_s=0.05), walked(made(), seconds=60, step_s=30)
    for fine, coarse in zip(finely, coarsely, strict=True):
        assert len(fine) == len(coarse) > 0
        assert fine.tobytes() == coarse.tobytes()


def test_when_it_begins_shifts_its_times_and_nothing_else():
    here, later = made(), crowd(seed=7, players=300, cheaters=0.2, city=SEOUL, start_us=START_US + 12_345)
    fixes, shifted = here.step(START_US + 9 * SECOND_US), later.step(START_US + 9 * SECOND_US + 12_345)
    for name in ("due_us", "time_us"):
        shifted[name] -= 12_345
    assert fixes.tobytes() == shifted.tobytes()


def test_a_step_of_more_than_a_minute_is_refused():
    with pytest.raises(ValueError, match="longer than a minute"):
        made().step(START_US + 61 * SECOND_US)


@pytest.mark.parametrize(
    ("players", "cheaters"), [(1, 0.0), (1, 1.0), (10, 0.1), (1_000, 0.02), (10_000, 0.02), (77, 0.5)]
)
def test_the_kinds_add_up_to_the_players_and_the_cheats_to_their_share(players, cheaters):
    found = counts(players, cheaters=cheaters)
    assert sum(found) == players
    assert sum(n for n, kind in zip(found, KINDS, strict=True) if kind.is_cheat) == round(players * cheaters)
    assert found[number_of("farm")] != 1


def test_every_kind_of_cheat_is_there_where_one_of_fifty_cheats():
    bots = made(players=10_000, cheaters=0.02)
    assert set(np.unique(bots.kind)) == set(range(len(KIND_NAMES)))
    assert bots.is_cheat.sum() == 200


def test_honest_bots_go_no_faster_and_speed_up_no_harder_than_their_kind():
    bots = made(cheaters=0.0)
    limits = gaits()[bots.kind]
    fastest = np.array([kind.speed_m_s[1] for kind in KINDS])[bots.kind] * 1.35
    before_m_s = bots.speed_m_s
    for step in range(1, 601):
        bots.step(START_US + step * SECOND_US // 2)
        now_m_s = bots.speed_m_s
        assert (now_m_s <= fastest).all()
        # A bot that sends every five seconds has had ten half seconds to change its speed.
        assert (now_m_s - before_m_s <= limits["ease_m_s2"] * 15.5).all()
        before_m_s = now_m_s
    assert np.hypot(*bots.place_m.T).max() <= SEOUL.radius_m + 200


@pytest.mark.slow
def test_the_engine_believes_honest_bots_at_99_of_100_fixes():
    """Of each kind, over ten minutes, with all that their receivers get wrong.

    But for trains that are faster than the game allows, and clocks that are wrong until the network sets them.
    """
    bots = made(players=400, cheaters=0.05)
    stage = Stage(players=len(bots), settings=WorldSettings(), rules=InterestRules())
    accepted, judged = np.zeros((2, len(KINDS)))
    for step in range(1, 601):
        stage.now_us = START_US + step * SECOND_US
        fixes = bots.step(stage.now_us)
        inbox = stage.entries(
            fixes["bot"], fixes["lat_deg"], fixes["lng_deg"], time_us=fixes["time_us"], flags=fixes["flags"],
            accuracy_dm=np.rint(10 * fixes["accuracy_m"]),
        )  # fmt: skip
        batch = stage.engine.ingest(Batch(inbox, len(fixes), 1), now_us=stage.now_us)
        stage.engine.validate(batch)
        stage.engine.move(batch)
        np.add.at(judged, bots.kind[fixes["bot"]], 1)
        np.add.at(accepted, bots.kind[fixes["bot"]], batch.judged["reason"] == 0)
    for kind, taken, all_ in zip(KINDS, accepted, judged, strict=True):
        if not kind.is_cheat and kind.name not in {"express", "drifter"}:
            assert taken / all_ >= 0.99, (kind.name, taken, all_)
    assert accepted[number_of("mock")] == 0
    assert accepted[number_of("teleporter")] < 0.9 * judged[number_of("teleporter")]


def test_receivers_err_by_about_as_much_as_they_say():
    """The radius they tell holds some two of three fixes of people who move; honest, and not too good to be true."""
    bots = made(players=200, cheaters=0.0)
    fixes, _ = walked(bots, seconds=120)
    speeds = of_kind(bots, fixes, "runner")
    off_m = np.concatenate([np.abs(np.diff(steps_m(track))) for track in tracks(speeds).values()])
    assert 0.1 < np.median(off_m) < 3.0
    assert speeds["accuracy_m"].min() >= 3.0
    assert fixes["accuracy_m"].max() > 30.0  # somebody came out of a tunnel or into a canyon


def test_trains_are_silent_in_tunnels_and_lost_after_them():
    bots = made(players=300, cheaters=0.0)
    fixes, _ = walked(bots, seconds=240)
    gaps: list[float] = []
    for track in tracks(of_kind(bots, fixes, "train")).values():
        silence_s = np.diff(track["due_us"]) / SECOND_US
        gaps += [track["accuracy_m"][i + 1] / track["accuracy_m"][i] for i in np.flatnonzero(silence_s > 20.5)]
    assert len(gaps) > 5
    assert np.median(gaps) > 2


def test_joysticks_are_smooth_and_go_at_one_speed():
    bots = made()
    fixes, _ = walked(bots, seconds=60)
    for track in tracks(of_kind(bots, fixes, "joystick")).values():
        speed_m_s = steps_m(track) / (np.diff(track["time_us"]) / SECOND_US)
        assert speed_m_s.std() / speed_m_s.mean() < 0.1
        assert len(np.unique(track["accuracy_m"])) == 1


def test_teleporters_are_kilometres_away_in_one_step():
    bots = made()
    fixes, _ = walked(bots, seconds=90)
    for track in tracks(of_kind(bots, fixes, "teleporter")).values():
        assert steps_m(track).max() > 300


def test_replayers_repeat_the_very_places_of_somebody_honest():
    bots = made()
    fixes, _ = walked(bots, seconds=120)
    shown = ["lat_deg", "lng_deg", "accuracy_m"]
    honest = set(fixes[~bots.is_cheat[fixes["bot"]]][shown].tolist())
    replayed = of_kind(bots, fixes, "replayer")
    assert len(replayed) > 100
    assert set(replayed[shown].tolist()) <= honest


def test_the_accounts_of_a_farm_are_on_one_track():
    bots = made(players=200, cheaters=0.3)
    fixes, _ = walked(bots, seconds=30)
    farm = of_kind(bots, fixes, "farm")
    ways = {tuple(track[["due_us", "time_us", "lat_deg", "lng_deg"]].tolist()) for track in tracks(farm).values()}
    assert len(np.unique(farm["bot"])) >= 5
    assert len(ways) == 1


def test_programs_collect_by_the_clock_and_people_do_not():
    bots = made()
    _, wishes = walked(bots, seconds=1_200, step_s=60)
    spread: dict[bool, list[float]] = {True: [], False: []}
    for bot, track in tracks(wishes).items():
        waits_s = np.diff(track["due_us"]) / SECOND_US
        if len(waits_s) > 5:
            spread[bots.kind[bot] == number_of("interval")].append(waits_s.var() / waits_s.mean() ** 2)
    assert max(spread[True]) < 0.01
    assert min(spread[False]) > 0.03


def test_mocks_say_so_and_nobody_else_does():
    bots = made()
    fixes, _ = walked(bots, seconds=10)
    is_mock = bots.kind[fixes["bot"]] == number_of("mock")
    assert is_mock.any()
    assert (((fixes["flags"] & FLAG_MOCK) != 0) == is_mock).all()


def test_some_honest_go_together_and_are_seen_apart():
    """Friends and passengers share a way, not a receiver: who takes that for cheating blames the innocent."""
    bots = made(players=200, cheaters=0.0)
    fixes, _ = walked(bots, seconds=60)
    _, which, times = np.unique(bots.place_m.round(6), axis=0, return_inverse=True, return_counts=True)
    together = np.flatnonzero(times[which.ravel()] > 1)
    assert len(together) >= 10
    shown = fixes[["lat_deg", "lng_deg"]][np.isin(fixes["bot"], together)]
    owners: dict[tuple[float, float], set[int]] = {}
    for place, bot in zip(shown.tolist(), fixes["bot"][np.isin(fixes["bot"], together)], strict=True):
        owners.setdefault(place, set()).add(int(bot))
    assert max(map(len, owners.values())) == 1


def test_who_is_led_goes_there_and_stays():
    bots = made()
    led = np.flatnonzero(bots.kind == number_of("interval"))[:3]
    bots.step(START_US + 5 * SECOND_US)
    goals_m = bots.place_m[led] + (60.0, -40.0)
    lat_deg, lng_deg = np.array([bots.city.degrees(tuple(goal)) for goal in goals_m]).T
    bots.lead(led, lat_deg, lng_deg, np.full(3, 30.0))
    for minute in (1, 2):
        bots.step(START_US + (5 + minute * 60) * SECOND_US)
    assert np.hypot(*(bots.place_m[led] - goals_m).T).max() < 30
    assert (bots.speed_m_s[led] == 0).all()


def test_across_the_date_line_longitudes_stay_in_range():
    fixes, _ = walked(made(city=City(-17.0, 179.99, 5_000.0), players=100), seconds=20)
    assert np.abs(fixes["lng_deg"]).max() <= 180.0
    assert (fixes["lng_deg"] < 0).any()
    assert (fixes["lng_deg"] > 0).any()


def test_ways_and_kinds_are_those_of_old_recordings():
    """Numbers of kinds are on file: more may come, none may change."""
    assert KIND_NAMES[:11] == (
        "walker", "runner", "cyclist", "driver", "train", "teleporter", "joystick", "replayer", "interval", "farm",
        "mock",
    )  # fmt: skip
    assert KIND_NAMES[11:23] == (
        "motorway", "express", "indoor", "pupil", "jogger", "drifter", "laggard", "hopper", "jittery", "squad",
        "clock_setter", "clock_racer",
    )  # fmt: skip
    assert [way.value for way in Way] == [0, 1, 2, 3, 4]
