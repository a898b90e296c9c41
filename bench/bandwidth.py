"""Bytes a second that one watcher reads of a crowd that walks as real people did."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Annotated

import numpy as np
from cyclopts import Parameter
from cyclopts.validators import Number
from msgspec import Struct

from bench import report
from bench.machine import CpuUse, Meter, machine, rss_mb
from bench.prove.outcome import Steps, say
from bench.report import Report
from bench.rounds import Json
from bench.stage import Stage
from overworld.app.replay.gpx import read_track
from overworld.domains.world.types import InterestRules, WorldSettings
from overworld.geo.columns import F64

_TRACKS = Path(__file__).parents[1] / "tests/data/gpx"
_PLACE_DEG = (48.137, 11.575)
_METRE_DEG = 1 / 111_195
_FIX_EVERY_S = 1.0
_RATES_HZ = (10.0, 20.0)
_WATCHED_M = 400.0
_ERROR_M = InterestRules().error_m
_IP_TCP_BYTES, _WEBSOCKET_BYTES = 52, 4

Players = Annotated[int, Parameter(validator=Number(gte=1, lte=10_000))]
Seconds = Annotated[int, Parameter(validator=Number(gte=5, lte=3_600))]
ErrorM = Annotated[float, Parameter(validator=Number(gte=0, lte=100))]


class _Wanted(Struct, frozen=True, kw_only=True):
    """What was asked for on the command line."""

    players: int
    seconds: int
    error_m: float
    told: bool
    seed: int


class _Walks(Struct, frozen=True):
    """A crowd's ways: metres east and north of the middle, of each player (row) at each second (column)."""

    east_m: F64
    north_m: F64


def bandwidth(
    *,
    players: Players = 200,
    seconds: Seconds = 120,
    error_m: ErrorM = _ERROR_M,
    speeds: bool = False,
    seed: int = 1,
    json: Json = False,
) -> int:
    """Bytes a second that one watcher reads of players around it who walk as real people did.

    Tracks of real receivers (tests/data/gpx) are cut into pieces and laid into one place, folded back where they would
    leave it, so that all players are visible all the time, exactly. Each sends a fix a second, between a track's points
    on the straight line. `kB_per_s_player` is what
    the watcher gets at the default rate, in frames; `rates` has other rates, and what the line adds: 4 bytes of
    WebSocket and 52 of TCP and IPv4 for each frame, acknowledgements and retransmissions not counted.

    Parameters
    ----------
    players
        Players who walk in the place.
    seconds
        Seconds of their walk.
    error_m
        How far off a player may be in the watcher's eyes before it is told again; 0 tells every fix.
    speeds
        Clients tell their speed and heading, as phones do; else the server takes them from the track.
    seed
        Of which pieces of which track are walked.
    json
        Print the line of JSON alone.
    """
    wanted = _Wanted(players=players, seconds=seconds, error_m=error_m, told=speeds, seed=seed)
    return report.run(partial(_measure, wanted), json=json)


def _walks(wanted: _Wanted) -> _Walks:
    """Pieces of the tracks, a fix a second, each from a random place and in a random direction."""
    random = np.random.default_rng(wanted.seed)
    pieces = [_metres(path) for path in sorted(_TRACKS.glob("*.gpx"))]
    pieces = [piece for piece in pieces if piece.shape[1] > wanted.seconds]
    if not pieces:
        raise RuntimeError(f"no track in {_TRACKS} lasts for {wanted.seconds} s")
    ways = np.empty((2, wanted.players, wanted.seconds))
    for k in range(wanted.players):
        piece = pieces[k % len(pieces)]
        start = random.integers(0, piece.shape[1] - wanted.seconds)
        way = piece[:, start : start + wanted.seconds]
        angle = random.random() * 2 * np.pi
        turned = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ (way - way[:, :1])
        ways[:, k] = _folded(turned + random.uniform(-_WATCHED_M / 2, _WATCHED_M / 2, (2, 1)))
    return _Walks(ways[0], ways[1])


def _metres(path: Path) -> F64:
    """The longest segment of a track without a gap, as metres east and north, one column a second."""
    points = read_track(path).points
    time_s = np.array([point.time_us for point in points]) / 1e6
    lat, lng = np.array([point.lat_deg for point in points]), np.array([point.lng_deg for point in points])
    north = (lat - lat[0]) / _METRE_DEG
    east = (lng - lng[0]) / _METRE_DEG * np.cos(np.radians(lat[0]))
    seconds = np.arange(0.0, time_s[-1] - time_s[0], _FIX_EVERY_S) + time_s[0]
    return np.array([np.interp(seconds, time_s, east), np.interp(seconds, time_s, north)])


def _folded(metres: F64) -> F64:
    """A way that turns back at the edges of the place."""
    half = _WATCHED_M / 2
    folded: F64 = np.abs((metres + half) % (4 * half) - 2 * half) - half
    return folded


def _watch(wanted: _Wanted, walks: _Walks, hz: float) -> dict[str, float]:
    """What one watcher reads of the walks at a rate."""
    settings = WorldSettings(interest_hz=hz, seen_per_cell_max=10_000)
    rules = InterestRules(strangers="exact", error_m=wanted.error_m, visible_max=10_000)
    stage = Stage(players=wanted.players, settings=settings, rules=rules)
    interest = stage.engine.interest
    watcher = interest.open()
    interest.watch(watcher, stage.engine.around_cells(*_PLACE_DEG, _WATCHED_M, 64))
    random = np.random.default_rng(wanted.seed)
    phase = random.integers(0, int(hz), wanted.players)
    periods = wanted.seconds * int(hz)
    for period in range(periods):
        if period == int(hz):
            stage.told[watcher] = stage.frames = 0
        stage.now_us += int(1e6 / hz)
        which = np.flatnonzero(phase == period % int(hz))
        _send(stage, walks, which, period // int(hz), told=wanted.told)
        stage.publish()
    measured_s = wanted.seconds - 1
    frames_per_s = stage.frames / measured_s
    bytes_per_s = stage.told[watcher] / measured_s
    return {
        "kB_per_s": round(bytes_per_s / 1e3, 3),
        "kB_per_s_on_the_line": round((bytes_per_s + frames_per_s * (_IP_TCP_BYTES + _WEBSOCKET_BYTES)) / 1e3, 3),
        "frames_per_s": round(frames_per_s, 1),
        "told_per_s": round(interest.entities / wanted.seconds, 1),
        "refused": stage.refused,
    }


def _send(stage: Stage, walks: _Walks, which: np.ndarray, second: int, *, told: bool) -> None:
    if not which.size:
        return
    east, north = walks.east_m[which, second], walks.north_m[which, second]
    lat = _PLACE_DEG[0] + north * _METRE_DEG
    lng = _PLACE_DEG[1] + east * _METRE_DEG / np.cos(np.radians(_PLACE_DEG[0]))
    more: dict[str, F64] = {}
    if told and second > 0:
        east, north = east - walks.east_m[which, second - 1], north - walks.north_m[which, second - 1]
        more["speed_cm_s"] = 100 * np.hypot(east, north) / _FIX_EVERY_S
        more["heading_cdeg"] = 100 * (np.degrees(np.arctan2(east, north)) % 360)
    stage.judge(stage.entries(which, lat, lng, **more), which.size)


async def _measure(wanted: _Wanted, _folder: Path) -> Report:
    walks = _walks(wanted)
    say(f"{wanted.players} players walk for {wanted.seconds} s")
    rates: dict[str, dict[str, float]] = {}
    took_s: list[float] = []
    cpu: list[CpuUse] = []
    with Steps("rates", len(_RATES_HZ)) as steps:
        for hz in _RATES_HZ:
            meter, began_s = Meter(None), perf_counter()
            rates[f"{hz:g}_hz"] = _watch(wanted, walks, hz)
            took_s.append(perf_counter() - began_s)
            cpu.append(meter.stop())
            steps.done(f"{rates[f'{hz:g}_hz']['kB_per_s']} kB/s")
    default = rates[f"{WorldSettings().interest_hz:g}_hz"]
    faults = [f"{of['refused']} fixes were refused at {name}" for name, of in rates.items() if of["refused"]]
    return Report(
        benchmark="bandwidth",
        spans={"took_s": took_s},
        cpu=cpu,
        rss_mb=rss_mb(None),
        machine=await machine(None),
        settings={
            "players": wanted.players,
            "seconds": wanted.seconds,
            "error_m": wanted.error_m,
            "fixes_per_s_player": 1 / _FIX_EVERY_S,
            "speeds": "told" if wanted.told else "derived",
        },
        figures={"kB_per_s_player": default["kB_per_s"], "rates": rates},
        faults=faults + ["the watcher was told nothing"] * (default["kB_per_s"] == 0),
    )
