"""Real tracks of real devices, each many times: with noise added and fixes dropped, every time by another player."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bench.prove.fairplay import life
from bench.prove.fairplay.crowd import Crowd, joined, seeded
from bench.prove.fairplay.group import Group
from bench.prove.fairplay.phone import FIXES
from bench.stage import START_US
from overworld.app.replay.gpx import read_track
from overworld.kernel import packed

TRACKS = Path(__file__).parents[3] / "tests" / "data" / "gpx"
_NOISE_M = (1.0, 5.0)
_DROPPED = (0.05, 0.4)
_M_DEG = 111_195.0
_FIXES_MIN = 2


def variants(*, count: int, seed: int) -> Crowd:
    """So many players, each on one of the tracks in turn, all of a track at once; by kind `track NAME`.

    Their fixes are live ones: the track's own times, moved to the beginning of the run.
    """
    files = sorted(TRACKS.glob("*.gpx"))
    recorded = [_recorded(file) for file in files]
    parts, starts_s = [], np.full(count, 1.0)
    for player in range(count):
        chance = seeded(seed, 1_000, player)
        parts.append(_variant(chance, recorded[player % len(files)], player))
    chance, players = seeded(seed, 1_001), np.arange(count, dtype=np.int64)
    lasts_s = [int((part["time_us"][-1] - START_US) // 1_000_000) for part in parts]
    claims = [
        life.claims_in_passing(chance, players[[player]], starts_s[[player]], lasts_s[player])
        for player in range(count)
    ]
    group = Group(np.concatenate(parts), np.concatenate(claims), life.logins(chance, players, starts_s))
    return joined(tuple(f"track {files[player % len(files)].stem}" for player in range(count)), [group])


def _recorded(file: Path) -> NDArray[Any]:
    points = read_track(file).points
    rows = np.zeros(len(points), [("at_us", "<i8"), ("lat_deg", "<f8"), ("lng_deg", "<f8")])
    for row, point in zip(rows, points, strict=True):
        row["at_us"] = point.time_us - points[0].time_us
        row["lat_deg"], row["lng_deg"] = point.lat_deg, point.lng_deg
    return rows


def _variant(chance: Generator, recorded: NDArray[Any], player: int) -> NDArray[Any]:
    kept = recorded[chance.random(recorded.size) >= chance.uniform(*_DROPPED)]
    kept = kept if kept.size >= _FIXES_MIN else recorded
    noise_m = chance.uniform(*_NOISE_M) * chance.standard_normal((2, kept.size))
    fixes = np.zeros(kept.size, FIXES)
    fixes["player"] = player
    fixes["time_us"] = START_US + 1_000_000 + kept["at_us"]
    fixes["arrives_us"] = np.maximum.accumulate(fixes["time_us"] + chance.integers(40_000, 400_000, kept.size))
    fixes["lat_e7"] = np.rint(1e7 * (kept["lat_deg"] + noise_m[0] / _M_DEG))
    east_deg = noise_m[1] / (_M_DEG * np.cos(np.radians(kept["lat_deg"])))
    fixes["lng_e7"] = np.rint(1e7 * (kept["lng_deg"] + east_deg))
    fixes["accuracy_dm"] = fixes["speed_cm_s"] = fixes["heading_cdeg"] = packed.UNKNOWN
    return fixes
