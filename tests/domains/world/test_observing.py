"""What the engine tells of how players move, window by window, from journeys whose figures a person can work out."""

from __future__ import annotations

import math
from uuid import UUID

import numpy as np
import pytest

from overworld.domains.world.engine.engine import Engine, flags_of, pass_of
from overworld.domains.world.engine.observing import CLOSED_MAX, SHINGLES_MAX
from overworld.domains.world.messages import MovementObserved
from overworld.domains.world.rules import FIX
from overworld.domains.world.service.observed import events_of
from overworld.domains.world.types import MovementRules, WorldSettings
from overworld.geo import cells as geo_cells
from overworld.geo.sphere import destination_deg
from overworld.kernel.clock import to_us
from tests.domains.world.conftest import START
from tests.domains.world.journeys import HOME, START_US
from tests.domains.world.test_events import Log


class Watched:
    """An engine and the fixes of its players, given in metres and seconds; `told` has what it told of each."""

    def __init__(self, **settings):
        self.engine = Engine(settings=WorldSettings(**settings), movement=MovementRules())
        self.told: list[MovementObserved] = []

    def fix(
        self, at_s, east_m=0.0, north_m=0.0, *, player=1, server_s=None, accuracy_m=5.0, speed_m_s=math.nan, **flags
    ):
        place = destination_deg(*destination_deg(*HOME, 90.0, east_m), 0.0, north_m)
        self.send(
            [(at_s, *place)], player=player, server_s=server_s, accuracy_m=accuracy_m, speed_m_s=speed_m_s, **flags
        )

    def send(
        self, rows, *, player=1, server_s=None, accuracy_m=5.0, speed_m_s=math.nan, own_timeline=False, mock=False
    ):
        """Fixes (at_s, lat_deg, lng_deg) of one player, in one pass."""
        record = np.zeros(len(rows), FIX)
        now_us = START_US + round((rows[-1][0] if server_s is None else server_s) * 1e6)
        slot = self.engine.players.admit(UUID(int=player), now_us=now_us)
        record["slot"], record["generation"] = slot, self.engine.players.generation[slot]
        record["time_us"] = [START_US + round(at_s * 1e6) for at_s, _, _ in rows]
        record["lat_deg"], record["lng_deg"] = [row[1] for row in rows], [row[2] for row in rows]
        record["accuracy_m"], record["speed_m_s"], record["altitude_m"] = accuracy_m, speed_m_s, math.nan
        record["flags"] = flags_of(own_timeline=own_timeline, mock=mock)
        self.engine.move(self.engine.validate(pass_of(record, now_us=now_us)))
        engine = self.engine
        self.told += events_of(engine.take_observed(), player_id=engine.players.id, mode_names=engine.mode_names)


@pytest.fixture
def watched():
    return Watched()


def test_a_window_holds_the_fixes_of_its_minute_and_the_next_fix_begins_the_next(watched):
    for k in range(181):
        watched.fix(k)
    assert [event.fixes for event in watched.told] == [60, 60, 60]
    assert [(to_us(event.began_at) - START_US) / 1e6 for event in watched.told] == [0, 60, 120]
    assert [(to_us(event.ended_at) - START_US) / 1e6 for event in watched.told] == [59, 119, 179]
    assert {event.player_id for event in watched.told} == {UUID(int=1)}
    assert {event.cell for event in watched.told} == {geo_cells.token(geo_cells.cell_of(*HOME, 15))}
    assert {event.mode for event in watched.told} == {""}


def test_a_straight_walk_has_its_metres_its_speed_and_no_turn(watched):
    for k in range(121):
        watched.fix(k, 1.5 * k)
    walk = watched.told[1]
    assert walk.moved_m == walk.straight_m == pytest.approx(90, abs=11)
    assert walk.moved_m / walk.moving_s == walk.speed_mean_m_s == pytest.approx(1.5, abs=0.01)
    assert walk.speed_cv < 0.01
    assert walk.turn_rms_deg < 0.1
    assert walk.smooth_share == 1.0
    assert walk.noise_m < 0.05
    assert (walk.interval_mean_s, walk.interval_cv) == (1.0, 0.0)
    assert (walk.accuracy_mean_m, walk.accuracy_sd_m) == (5.0, 0.0)
    assert (walk.repeated, walk.refused, walk.clock_jumps, walk.refused_streak, walk.leaps) == (0, {}, 0, 0, 0)


def test_a_square_turns_by_ninety_degrees_at_each_corner(watched):
    corners = [(0, 0), (12, 0), (12, 12), (0, 12)]
    for k in range(13):
        watched.fix(6 * k, *corners[k % 4])
    [walk] = watched.told
    assert walk.turn_rms_deg == pytest.approx(90, abs=0.5)
    assert walk.moved_m == pytest.approx(12 * 9, abs=0.1)
    assert walk.straight_m == pytest.approx(12, abs=0.1)


def test_noise_is_measured_also_under_way_and_while_speed_changes():
    random = np.random.default_rng(5)
    watched = Watched(observe_s=600)
    for k in range(602):
        east_m, north_m = random.normal(0, 2.0, 2)
        watched.fix(k, 0.01 * k * k + east_m, north_m)
    [walk] = watched.told
    assert walk.noise_m == pytest.approx(2.0 * math.sqrt(12), rel=0.1)
    assert walk.smooth_share < 0.01


def test_rest_walks_no_metres_and_its_repeated_places_are_counted(watched):
    for k in range(61):
        watched.fix(k, 2.0 * ((k // 20) % 2))
    [rest] = watched.told
    assert (rest.moved_m, rest.straight_m, rest.speed_mean_m_s) == (0, 0, 0)
    assert rest.repeated == 57
    assert rest.shingles == ()


def test_a_told_speed_is_held_against_the_smoothed_one(watched):
    for k in range(61):
        watched.fix(k, 10.0 * k, player=1, speed_m_s=10.0)
        watched.fix(k, 10.0 * k, player=2, speed_m_s=2.0)
        watched.fix(k, 10.0 * k, player=3)
    honest, liar, silent = (event.told_speed_gap_m_s for event in watched.told)
    assert honest < 0.5
    assert liar == pytest.approx(8, abs=0.5)
    assert silent == 0.0


def test_refusals_are_counted_by_reason_and_in_a_row(watched):
    for k in range(61):
        far_m = 20_000.0 if k in (10, 11, 12, 30) else 0.0
        watched.fix(k, far_m, accuracy_m=500.0 if k in (20, 21) else 5.0)
    [told] = watched.told
    assert told.refused == {"teleport": 4, "inaccurate": 2}
    assert (told.fixes, told.accepted, told.refused_streak) == (60, 54, 3)
    assert told.leaps == 4


def test_a_clock_that_is_always_wrong_has_an_offset_and_no_jump(watched):
    for k in range(61):
        watched.fix(k + 3_600, server_s=k + 0.3)
    [told] = watched.told
    assert told.refused == {"time_future": 60}
    assert told.clock_offset_s == pytest.approx(3_599.7)
    assert (told.clock_jumps, told.refused_streak) == (0, 0)


def test_a_clock_offset_is_that_of_the_least_delay(watched):
    for k in range(61):
        watched.fix(k + 2.0, server_s=k + 0.1 + (k % 7))
    assert watched.told[0].clock_offset_s == pytest.approx(1.9)
    assert watched.told[0].clock_jumps == 0


def test_fixes_that_waited_in_a_tunnel_are_no_clock_that_jumped(watched):
    for k in range(30):
        watched.fix(k)
    watched.send([(k, *HOME) for k in range(30, 100)], server_s=100)
    for k in range(101, 190):
        watched.fix(k)
    assert [event.clock_jumps for event in watched.told] == [0, 0, 0]


def test_each_time_a_clock_is_set_it_jumps(watched):
    for k in range(61):
        watched.fix(k - 40 * (k // 10 % 2), server_s=k)
    assert watched.told[0].clock_jumps == 5


def test_who_sends_times_as_it_likes_closes_no_window_sooner(watched):
    for k in range(200):
        watched.fix(-100 if k % 2 else 4, server_s=k / 10, accuracy_m=500.0)
        watched.fix(1e6 * k, server_s=k / 10, mock=True)
    assert len(watched.told) <= 1


def test_equal_tracks_have_equal_shingles_wherever_their_windows_begin(watched):
    random = np.random.default_rng(7)
    steps = np.cumsum(random.normal(1.0, 0.5, (400, 2)), axis=0).tolist()
    for k, (east_m, north_m) in enumerate(steps):
        watched.fix(k, east_m, north_m, player=1)
        watched.fix(k, east_m + 0.05, north_m, player=3)
    for k, (east_m, north_m) in enumerate(steps[25:]):
        watched.fix(1_000 + 2 * k, east_m, north_m, player=2)
    one, copy, beside = (
        {one for event in watched.told if event.player_id == UUID(int=player) for one in event.shingles}
        for player in (1, 2, 3)
    )
    assert len(one) > 25
    assert len(one & copy) > 0.8 * min(len(one), len(copy))
    assert not one & beside
    assert max(len(event.shingles) for event in watched.told) <= SHINGLES_MAX


def test_a_time_line_of_its_own_closes_windows_by_its_own_time_and_has_no_clock(watched):
    for k in range(121):
        watched.fix(-1e6 + 10 * k, 5 * k, own_timeline=True, server_s=k / 1_000)
    assert [event.fixes for event in watched.told] == [6] * 20
    assert {(event.own_timeline, event.clock_offset_s, event.clock_jumps) for event in watched.told} == {(True, 0, 0)}


def test_changing_the_time_line_closes_the_window(watched):
    watched.fix(-1e6, own_timeline=True, server_s=0)
    watched.fix(1)
    assert [(event.own_timeline, event.fixes) for event in watched.told] == [(True, 1)]


def test_settling_at_another_place_is_no_step():
    watched = Watched(observe_s=3_600)
    watched.fix(0)
    for k in range(1, 32):
        watched.fix(130 * k, 4_000_000 + k)
    [told] = watched.told
    assert told.refused
    assert told.accepted > 10
    assert (told.moved_m, told.straight_m) == (0, 0)


def test_a_window_outlives_growth_and_not_its_player():
    watched = Watched(players_max=4_000, track_kept_s=3_600)
    for k in range(30):
        watched.fix(k, 2 * k)
    for player in range(2, 1_200):
        watched.fix(30, player=player)
    for k in range(31, 62):
        watched.fix(k, 2 * k)
    [told] = watched.told
    assert told.fixes == 59
    slot = watched.engine.players.slot(UUID(int=1))
    watched.engine.leave(slot)
    watched.engine.forget(now_us=START_US + 10**12)
    assert watched.engine.players.slot(UUID(int=1)) == -1
    watched.told = []
    for k in range(61):
        watched.fix(2e6 + k, player=5_000)
    assert [event.fixes for event in watched.told] == [60]


def test_nothing_is_observed_when_the_setting_is_0():
    watched = Watched(observe_s=0)
    for k in range(200):
        watched.fix(k, k)
    assert watched.told == []
    assert not watched.engine.players.windows["fixes"].any()


def test_windows_beyond_the_room_for_them_are_counted_as_lost():
    watched = Watched(observe_s=1)
    engine = watched.engine
    for k in range(CLOSED_MAX + 5):
        record = np.zeros(1, FIX)
        record["slot"] = engine.players.admit(UUID(int=1), now_us=START_US)
        record["time_us"], record["lat_deg"], record["flags"] = START_US + k * 1_000_000, 1.0, 1
        engine.validate(pass_of(record, now_us=START_US))
    observed = engine.take_observed()
    assert (observed.slot.size, observed.lost) == (CLOSED_MAX, 4)
    assert (engine.take_observed().slot.size, engine.take_observed().lost) == (0, 0)


async def test_windows_reach_the_log_as_events(open_field):
    log = Log()
    field = open_field(database=log, outbox=log)
    for k in range(8):
        await field.stand(1, 14.0 * k, accuracy_m=4)
        field.wait(10)
    await field.parts.events.write()
    [told] = [event for event in log.events if isinstance(event, MovementObserved)]
    assert (told.player_id, told.fixes, told.accepted) == (UUID(int=1), 6, 6)
    assert told.began_at == START
    assert told.key == str(UUID(int=1))


async def test_windows_that_find_the_queue_full_are_dropped_and_counted(open_field):
    log = Log()
    field = open_field(database=log, outbox=log, events_waiting_max=1, observe_s=1)
    for _ in range(3):
        await field.stand(1)
        field.wait(2)
    assert field.parts.events.waiting == 1
    assert field.parts.events.dropped == 2
