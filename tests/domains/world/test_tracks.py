"""Real tracks of real devices against the rules: what honest people walk and drive is accepted."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from overworld.app.replay.gpx import read_track
from overworld.domains.world.rules import FIX, OWN_TIMELINE
from overworld.domains.world.service.observed import events_of
from overworld.domains.world.types import Reason
from overworld.geo.sphere import distance_between_m
from tests.domains.world.journeys import START_US, Journey

TRACKS = Path(__file__).parents[2] / "data" / "gpx"


def timed_points(name):
    """(time_us, lat_deg, lng_deg, altitude_m) of every point that carries a time."""
    points = read_track(TRACKS / name).points
    return [(point.time_us, point.lat_deg, point.lng_deg, point.altitude_m) for point in points]


def judged(points, *, batch_size):
    """The reasons for the fixes of one player, given to the engine so many at a time."""
    journey, records = Journey(), records_of(points)
    reasons: list[Reason] = []
    for first in range(0, len(points), batch_size):
        batch = journey.judge(records[first : first + batch_size], now_us=START_US + first)
        reasons += map(Reason, batch.judged["reason"].tolist())
    return reasons


def windows(points):
    """What is told of how a player moved who sends these fixes."""
    journey = Journey()
    journey.judge(records_of(points), now_us=START_US)
    engine = journey.engine
    return events_of(engine.take_observed(), player_id=engine.players.id, mode_names=engine.mode_names)


def records_of(points):
    """Rows of the first player on a time line of its own."""
    records = np.zeros(len(points), FIX)
    records["flags"] = OWN_TIMELINE
    records["accuracy_m"] = records["speed_m_s"] = np.nan
    for i, (time_us, lat_deg, lng_deg, altitude_m) in enumerate(points):
        records[i]["time_us"], records[i]["altitude_m"] = time_us, altitude_m
        records[i]["lat_deg"], records[i]["lng_deg"] = lat_deg, lng_deg
    return records


@pytest.mark.parametrize(
    ("name", "fixes"),
    [("around-visnjan-with-car.gpx", 104), ("korita-zbevnica.gpx", 513), ("track_with_speed.gpx", 3)],
)
def test_every_fix_of_an_honest_track_is_accepted(name, fixes):
    assert Counter(judged(timed_points(name), batch_size=1)) == {Reason.NONE: fixes}


def test_the_glitch_of_the_lake_walk_is_refused_and_the_walk_goes_on():
    """296 fixes; fix 237 lies 184 m from the one 2 s before it: 331 km/h, 295 with both accuracies taken off.

    The receiver stays displaced, so fix 238 still lies 191 m from the last good one, 4 s back: 154 km/h with the
    accuracies off, above the limit. From the next on the walk can have come there, and all of it counts.
    """
    points = timed_points("cerknicko-jezero.gpx")
    reasons = judged(points, batch_size=1)
    refused = [i for i, reason in enumerate(reasons) if reason is not Reason.NONE]
    assert refused == [237, 238]
    assert {reasons[i] for i in refused} == {Reason.TOO_FAST}
    last_good = points[236]
    for i, (gross_km_h, net_km_h) in zip(refused, [(331, 295), (172, 154)], strict=True):
        away_m = distance_between_m(*last_good[1:3], *points[i][1:3])
        span_s = (points[i][0] - last_good[0]) / 1e6
        assert (round(away_m / span_s * 3.6), round((away_m - 20) / span_s * 3.6)) == (gross_km_h, net_km_h)


@pytest.mark.parametrize("batch_size", [7, 1_000])
def test_the_verdicts_do_not_depend_on_how_fixes_are_batched(batch_size):
    """Several fixes of one player in one pass are judged one after the other."""
    points = timed_points("cerknicko-jezero.gpx")
    assert judged(points, batch_size=batch_size) == judged(points, batch_size=1)


@pytest.mark.parametrize("name", ["around-visnjan-with-car.gpx", "korita-zbevnica.gpx", "cerknicko-jezero.gpx"])
def test_the_windows_of_a_real_track_show_a_receiver_and_nobody_in_two_places(name):
    told = windows(timed_points(name))
    assert len(told) > 5
    assert max(event.smooth_share for event in told) < 0.2
    assert max(event.leaps for event in told) == 0
    assert max(event.refused_streak for event in told) <= 2
    assert len({one for event in told for one in event.shingles}) == sum(len(event.shingles) for event in told)


def test_a_track_sent_twice_is_out_of_order():
    points = timed_points("track_with_speed.gpx")
    assert judged(points * 2, batch_size=4)[3:] == [Reason.TIME_ORDER] * 3


def test_the_tracks_run_forward():
    """What the tests above rely on: no track's own time stands still."""
    for name in ("around-visnjan-with-car.gpx", "korita-zbevnica.gpx", "cerknicko-jezero.gpx"):
        assert all(before[0] < after[0] for before, after in pairwise(timed_points(name)))
