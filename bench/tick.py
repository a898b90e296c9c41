"""What a period of the live world costs: verdicts on many fixes, and frames for all who watch, in one process."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import numpy as np
from cyclopts import Parameter
from cyclopts.validators import Number
from msgspec import Struct

from bench import report
from bench.fences import FenceCount, listed, shapes
from bench.machine import CpuUse, Meter, machine, rss_mb
from bench.prove.outcome import Steps, say
from bench.report import Report
from bench.rounds import Json, RoundCount
from bench.stage import STAGES, Stage
from overworld.domains.world.types import InterestRules, WorldSettings
from overworld.geo import cells as geo_cells
from overworld.geo.columns import F64

_MIDDLE_DEG = (48.137, 11.575)
_CITY_DEG = (0.09, 0.135)  # 10 km by 10 km at this latitude
_WALK_M_S = 1.4
_METRE_DEG = 1 / 111_195
_PERIODS = 40

Entities = Annotated[int, Parameter(validator=Number(gte=10, lte=2_000_000))]
Updates = Annotated[int, Parameter(validator=Number(gte=1, lte=60_000))]
Watchers = Annotated[int, Parameter(validator=Number(gte=1, lte=100_000))]
ErrorM = Annotated[float, Parameter(validator=Number(gte=0, lte=100))]


class _Wanted(Struct, frozen=True, kw_only=True):
    """What was asked for on the command line."""

    entities: int
    updates: int
    watchers: int
    error_m: float
    fences: int
    rounds: int
    seed: int


def tick(
    *,
    entities: Entities = 100_000,
    updates: Updates = 5_000,
    watchers: Watchers = 10_000,
    error_m: ErrorM = 0.0,
    fences: FenceCount = 0,
    rounds: RoundCount = 5,
    seed: int = 1,
    json: Json = False,
) -> int:
    """A period of the live world, in process: verdicts on many fixes, and frames for all who watch.

    Walkers all over a city of 10 km by 10 km. In each period of 50 ms the next of them send a packed fix, which is
    read, judged, observed, moved and answered; then all that changed is encoded, and each watcher gets the frame of
    its cell and the eight around it. `ms_p50` is the whole of it, `stages_ms` its parts. The score of trust and sockets
    are not in it, and of geofences as many as asked for.
    For cost over the number of players run it with `--entities 1000` to `--entities 1000000`.

    Parameters
    ----------
    entities
        Players in the city.
    updates
        Fixes in a period, of one player after the other.
    watchers
        Watchers, at places like the players'.
    error_m
        How far off a player may be before watchers are told again; 0 tells every fix, the most work.
    fences
        Geofences in the city, half of them circles and half polygons of 4 to 15 corners, 20 to 300 m wide each way.
    rounds
        Rounds of 40 periods, after one to warm up.
    seed
        Of where everybody is.
    json
        Print the line of JSON alone.
    """
    wanted = _Wanted(
        entities=entities, updates=min(updates, entities), watchers=watchers, error_m=error_m, fences=fences,
        rounds=rounds, seed=seed,
    )  # fmt: skip
    return report.run(partial(_measure, wanted), json=json)


class _City:
    """Walkers, each with its own heading, who send their fixes in turn."""

    def __init__(self, wanted: _Wanted) -> None:
        random = np.random.default_rng(wanted.seed)
        rules = InterestRules(strangers="exact", error_m=wanted.error_m, visible_max=10_000)
        self.stage = Stage(
            players=wanted.entities,
            settings=WorldSettings(players_max=4_000_000, seen_per_cell_max=10_000),
            rules=rules,
            fences=listed(shapes(wanted.fences, middle_deg=_MIDDLE_DEG, size_deg=_CITY_DEG, seed=wanted.seed)),
        )
        self._updates = wanted.updates
        self._next = 0
        self._period_us = int(1e6 / self.stage.settings.interest_hz)
        self._lat_deg, self._lng_deg = (
            middle + size * (random.random(wanted.entities) - 0.5)
            for middle, size in zip(_MIDDLE_DEG, _CITY_DEG, strict=True)
        )
        self._heading_deg: F64 = random.integers(0, 360, wanted.entities).astype(np.float64)
        self._at_us = np.full(wanted.entities, self.stage.now_us)
        for some in np.array_split(np.arange(wanted.entities), -(-wanted.entities // 50_000)):
            self._send(some)
        for k in random.integers(0, wanted.entities, wanted.watchers).tolist():
            home = geo_cells.cell_of(self._lat_deg[k], self._lng_deg[k], self.stage.settings.room_level)
            self.stage.engine.interest.watch(self.stage.engine.interest.open(), [home, *geo_cells.neighbours(home)])
        self.stage.publish()

    def period(self) -> dict[str, float]:
        """Milliseconds of each stage in the next period."""
        self.stage.now_us += self._period_us
        self.stage.begin()
        count = self._heading_deg.size
        which = np.arange(self._next, self._next + self._updates) % count
        self._next = (self._next + self._updates) % count
        self._walk(which)
        self._send(which)
        self.stage.publish()
        return {name: 1e3 * seconds for name, seconds in self.stage.period_s.items()}

    def _walk(self, which: Any) -> None:
        walked_m = _WALK_M_S * (self.stage.now_us - self._at_us[which]) / 1e6
        angle = np.radians(self._heading_deg[which])
        self._lat_deg[which] += walked_m * np.cos(angle) * _METRE_DEG
        self._lng_deg[which] += walked_m * np.sin(angle) * _METRE_DEG / np.cos(np.radians(self._lat_deg[which]))
        self._at_us[which] = self.stage.now_us

    def _send(self, which: Any) -> None:
        inbox = self.stage.entries(
            which, self._lat_deg[which], self._lng_deg[which],
            speed_cm_s=np.full(which.size, 100 * _WALK_M_S), heading_cdeg=100 * self._heading_deg[which],
        )  # fmt: skip
        self.stage.judge(inbox, which.size)


async def _measure(wanted: _Wanted, _folder: Path) -> Report:
    say(f"putting {wanted.entities:,} players and {wanted.watchers:,} watchers into a city")
    city = _City(wanted)
    interest = city.stage.engine.interest
    spans: dict[str, list[float]] = {"ms_p50": [], "ms_p99": []}
    stages: dict[str, list[float]] = {name: [] for name in STAGES}
    cpu: list[CpuUse] = []
    for _ in range(_PERIODS):
        city.period()
    hits = city.stage.hits
    before = (interest.frames, interest.bytes, interest.entities)
    with Steps("rounds", wanted.rounds) as steps:
        for _ in range(wanted.rounds):
            meter = Meter(None)
            periods = [city.period() for _ in range(_PERIODS)]
            cpu.append(meter.stop())
            whole = sorted(sum(one.values()) for one in periods)
            spans["ms_p50"].append(median(whole))
            spans["ms_p99"].append(whole[int(0.99 * len(whole))])
            for name in STAGES:
                stages[name].append(median(one[name] for one in periods))
            steps.done(f"{spans['ms_p50'][-1]:.2f} ms")
    done = wanted.rounds * _PERIODS
    frames, told_bytes, entities = (
        round((now - then) / done, 1)
        for now, then in zip((interest.frames, interest.bytes, interest.entities), before, strict=True)
    )
    faults = [f"{city.stage.refused} fixes were refused"] * (city.stage.refused > 0)
    return Report(
        benchmark="tick",
        spans=spans,
        cpu=cpu,
        rss_mb=rss_mb(None),
        machine=await machine(None),
        settings={
            "entities": wanted.entities,
            "updates": wanted.updates,
            "watchers": wanted.watchers,
            "cells_per_watcher": 9,
            "error_m": wanted.error_m,
            "fences": wanted.fences,
        },
        figures={
            "stages_ms": {name: round(median(values), 3) for name, values in stages.items()},
            "frames_per_period": frames,
            "bytes_per_period": told_bytes,
            "told_per_period": entities,
            "fence_hits_per_period": round((city.stage.hits - hits) / done, 1),
        },
        faults=faults + ["watchers were told nothing"] * (frames == 0),
    )
