"""An engine in this process without sockets: whole periods of the live world, timed stage by stage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from overworld.domains.world.engine.engine import Engine, warm
from overworld.domains.world.fences import index, tracking
from overworld.domains.world.fences.index import Listed
from overworld.domains.world.types import InterestRules, MovementRules, WorldSettings
from overworld.geo.columns import F64, I64
from overworld.kernel import packed
from overworld.kernel.tick import Batch

STAGES = ("ingest", "validate", "move", "trigger", "choose_told", "verdicts", "encode", "serve")
START_US = 1_780_000_000_000_000

# An entry of the inbox with one packed fix, as `engine.inbox` has it.
_ENTRY = np.dtype(
    [
        ("slot", "<u4"),
        ("generation", "<u4"),
        ("reporter", "<u4"),
        ("kind", "u1"),
        ("version", "u1"),
        ("count", "<u2"),
        *[(name, packed.POSITION[name]) for name in packed.POSITION.names or ()],
    ]
)


class Stage:
    """The engine with its watchers; `now_us` is its clock. `period_s` has the seconds of each stage of the last period,
    `told` the bytes for each watcher so far, `observed` counts windows of how players moved, `hits` what fences saw."""

    def __init__(
        self, *, players: int, settings: WorldSettings, rules: InterestRules, fences: Sequence[Listed] = ()
    ) -> None:
        warm(settings)
        tracking.warm()
        self.settings = settings
        self.engine = Engine(settings=settings, movement=MovementRules(), interest=rules)
        self.slots: I64 = np.array(
            [self.engine.players.admit(UUID(int=k + 1), now_us=START_US) for k in range(players)], np.int64
        )
        self.fences = tracking.Tracking(self.engine.players)
        self.fences.put(index.built(fences))
        self.fences.install(self.slots.tolist(), [])
        self.hits = 0
        self.now_us = START_US
        self.period_s = dict.fromkeys(STAGES, 0.0)
        self.refused = 0
        self.observed = 0
        self.frames = 0
        self.told: dict[int, int] = {}
        self.engine.interest.on_frames = self._take

    def entries(self, which: NDArray[np.int64], lat_deg: F64, lng_deg: F64, **more: NDArray[Any]) -> bytearray:
        """Packed fixes of players, made now, as they wait in an inbox; `more` are columns of `packed.POSITION`."""
        entry = np.zeros(which.size, _ENTRY)
        entry["slot"], entry["reporter"] = self.slots[which], 1
        entry["kind"], entry["version"], entry["count"] = packed.POSITIONS, packed.VERSION, 1
        entry["time_us"] = self.now_us
        entry["lat_e7"], entry["lng_e7"] = np.rint(lat_deg * 1e7), np.rint(lng_deg * 1e7)
        entry["accuracy_dm"] = 50
        entry["speed_cm_s"] = entry["heading_cdeg"] = packed.UNKNOWN
        for name, column in more.items():
            entry[name] = column
        return bytearray(entry.tobytes())

    def judge(self, inbox: bytearray, count: int) -> None:
        """One verdict pass."""
        engine = self.engine
        with self._timed("ingest"):
            batch = engine.ingest(Batch(inbox, count, 1), now_us=self.now_us)
        with self._timed("validate"):
            engine.validate(batch)
            self.observed += engine.take_observed().slot.size
        with self._timed("move"):
            engine.move(batch)
        with self._timed("trigger"):
            self.hits += self.fences.run(batch).size
        with self._timed("choose_told"):
            engine.choose_told(batch)
        with self._timed("verdicts"):
            engine.verdict_frames(batch)
        self.refused += int(np.count_nonzero(batch.judged["reason"]))

    def publish(self) -> None:
        """One period: encode, and all slices."""
        interest = self.engine.interest
        with self._timed("encode"):
            interest.encode(now_ms=self.now_us // 1_000)
            self.engine.index.take_changed(every=False)
        with self._timed("serve"):
            for part in range(self.settings.slices):
                interest.serve(part)

    def begin(self) -> None:
        """Sets the times of a new period to 0."""
        self.period_s = dict.fromkeys(STAGES, 0.0)

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        began_s = perf_counter()
        yield
        self.period_s[stage] += perf_counter() - began_s

    def _take(self, watchers: list[int], starts: list[int], ends: list[int], frames: memoryview) -> None:
        self.frames += len(watchers)
        if self.told:
            for watcher, start, end in zip(watchers, starts, ends, strict=True):
                self.told[watcher] += end - start
