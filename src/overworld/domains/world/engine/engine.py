"""The engine: owns the columns, runs the stages of a pass over them, and answers who is where.

It reads no clock, waits for nothing and knows no request: times come in, columns go out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from overworld.domains.world import rules
from overworld.domains.world.engine import cell_index, inbox, interest, motion, nearest, observing, seeing, verdicts
from overworld.domains.world.engine.cell_index import NOWHERE, CellIndex
from overworld.domains.world.engine.inbox import VerdictFrames
from overworld.domains.world.engine.interest import Interest
from overworld.domains.world.engine.observing import Closed, Observed
from overworld.domains.world.engine.players import NO_SLOT, Players
from overworld.domains.world.engine.search import CELLS_MAX, FIRST, Near, Search
from overworld.domains.world.engine.verdicts import EXACT, JUDGED
from overworld.domains.world.rules import MOCK, OWN_TIMELINE, SECOND_US
from overworld.domains.world.types import InterestRules, MovementRules, WorldSettings
from overworld.geo import cells as geo_cells
from overworld.geo import kernels as geo_kernels
from overworld.geo.box import Box
from overworld.geo.columns import F64, I32, I64
from overworld.geo.sphere import distance_between_m
from overworld.kernel.tick import Batch

KERNELS = (
    *geo_kernels.ALL, *rules.ALL, *cell_index.ALL, *inbox.ALL, *motion.ALL, *observing.ALL, *verdicts.ALL, *seeing.ALL,
    *nearest.ALL, *interest.KERNELS,
)  # fmt: skip

SLOTS_FIRST = 1_024
_FOUND_MAX = 65_536
_REASONS = 256
_FORGOTTEN_MAX = 1_000  # a few ms; once a minute, that is more than a million a day


class Pass(Struct, frozen=True):
    """The fixes of one pass and what became of them: rows of `FIX` and of `JUDGED`, aligned, (n,)."""

    fix: NDArray[Any]
    judged: NDArray[Any]
    now_us: int
    tick: int = 0


def pass_of(fix: NDArray[Any], *, now_us: int, tick: int = 0) -> Pass:
    """A pass over rows of `FIX`, not judged yet."""
    return Pass(fix=fix, judged=np.zeros(fix.size, JUDGED), now_us=now_us, tick=tick)


class Seen(Struct, frozen=True):
    """Players at the places that others may see, aligned, (n,)."""

    slot: I32
    lat_deg: F64
    lng_deg: F64


class Engine:
    """Where players are, and where they may go next. `judged` counts verdicts by the number of their reason, (256,)."""

    def __init__(
        self, *, settings: WorldSettings, movement: MovementRules, interest: InterestRules | None = None
    ) -> None:
        chosen = interest or InterestRules()
        self.judged: I64 = np.zeros(_REASONS, np.int64)
        self._settings = settings
        self._seen_level = EXACT if chosen.strangers == "exact" else settings.coarse_level
        self._limits = rules.limits_of(movement)
        self._modes = rules.mode_columns(movement)
        modes = rules.modes_of(movement)
        self._mode_names = tuple(name for name, _ in modes) or ("",)
        self._earns = np.array([mode.earns for _, mode in modes] or [True])
        self._observe_us = int(settings.observe_s * SECOND_US)
        self._closed = Closed()
        slots = min(SLOTS_FIRST, settings.players_max)
        self.index = CellIndex(players=slots)
        self.players = Players(slots=slots, players_max=settings.players_max, on_grow=self.index.grow_players)
        self._verdict_frames = VerdictFrames()
        self.interest = Interest(index=self.index, players=self.players, settings=settings, rules=chosen)
        self._search = Search(settings=settings, interest=chosen)

    def ingest(self, batch: Batch, *, now_us: int) -> Pass:
        """The entries of an inbox as columns."""
        return pass_of(inbox.read(batch.inbox, count=batch.count), now_us=now_us, tick=batch.tick)

    def validate(self, batch: Pass) -> Pass:
        """Judges every fix, and moves the tracks of players on."""
        players = self.players
        verdicts.judge_batch(
            batch.fix, players.generation, players.seen_us, players.tracks, batch.now_us, self._settings.room_level,
            self._limits, self._modes, batch.judged, self.judged, self._observe_us,
            players.trails, players.windows, self._closed.window, self._closed.slot, self._closed.used,
        )  # fmt: skip
        return batch

    def take_observed(self) -> Observed:
        """The windows that were closed since the last call: how players moved."""
        return self._closed.take()

    @property
    def mode_names(self) -> tuple[str, ...]:
        """The game's travel modes by their numbers in tracks and windows; one without a name where there are none."""
        return self._mode_names

    def move(self, batch: Pass) -> Pass:
        """Moves who was accepted, in the index and in the columns of last fixes."""
        players, done = self.players, 0
        while True:
            done = verdicts.move_batch(
                done, batch.fix, batch.judged, batch.now_us, players.lat_deg, players.lng_deg, players.at_us,
                players.unshared, players.room, players.hidden, players.tracks, self._seen_level, self.index.cells,
            )  # fmt: skip
            if done == batch.fix.size:
                return batch
            self.index.grow()

    def choose_told(self, batch: Pass) -> Pass:
        """Chooses which fixes become events."""
        settings, players = self._settings, self.players
        verdicts.choose_told(
            batch.fix, batch.judged, players.tracks, players.told, batch.now_us, float(settings.sample_m),
            int(settings.sample_s * SECOND_US), int(settings.rejected_every_s * SECOND_US),
        )  # fmt: skip
        return batch

    def verdict_frames(self, batch: Pass) -> list[tuple[int, bytes]]:
        """What reporters are told of a pass: their numbers and frames of kind 2, in the order of their frames."""
        return self._verdict_frames.fill(batch.fix, batch.judged, tick=batch.tick)

    def crossed(self, batch: Pass) -> list[int]:
        """The slots of the players who came into another room cell, each once."""
        rows = batch.judged["crosses"].nonzero()[0]
        slots: list[int] = np.unique(batch.fix["slot"][rows]).tolist() if rows.size else []
        return slots

    def around_cells(self, lat_deg: float, lng_deg: float, radius_m: float, cells_max: int) -> list[int]:
        """The room cells within a radius of anywhere in the room cell of a place, nearest first; at most so many."""
        level = self._settings.room_level
        home = geo_cells.cell_of(lat_deg, lng_deg, level)
        middle = geo_cells.centre_deg(home)
        corners = geo_cells.vertices_deg(home)
        reach_m = max(distance_between_m(*middle, *corner) for corner in corners)
        cover = np.array(geo_cells.cover_cap(*middle, radius_m + reach_m, level, CELLS_MAX), np.uint64)
        order = seeing.nearest_first(cover, *geo_kernels.unit_xyz(*middle))
        nearest: list[int] = cover[order][:cells_max].tolist()
        return nearest

    def earning(self, slots: Sequence[int] | I64) -> NDArray[np.bool_]:
        """Whether players may earn by their last good fixes, aligned with `slots`, (n,).

        Not while refused ones agree on another place, nor in a travel mode that does not earn.
        """
        tracks = self.players.tracks
        earning: NDArray[np.bool_] = (tracks["new_count"][slots] <= 1) & self._earns[tracks["mode"][slots]]
        return earning

    def present(self, cells: Sequence[int]) -> Seen:
        """Who is in some room cells; of a crowded cell only so many."""
        settings = self._settings
        wanted = np.array(cells, np.uint64)
        found = _seen(min(_FOUND_MAX, wanted.size * settings.seen_per_cell_max))
        count = seeing.fill_present(
            self.index.cells, wanted, settings.seen_per_cell_max, found.slot, found.lat_deg, found.lng_deg,
        )  # fmt: skip
        return _first(found, count)

    def near(
        self,
        lat_deg: float,
        lng_deg: float,
        radius_m: float,
        *,
        limit: int,
        viewer: int = NO_SLOT,
        after: tuple[float, str] = FIRST,
    ) -> Near:
        """The first players but the viewer within a radius of a place, after a (distance, id).

        Of a crowded cell only so many are looked at.
        """
        cells, words = self.index.cells, self.players.account.view(np.uint64)
        return self._search.around(cells, words, (lat_deg, lng_deg), radius_m, limit=limit, viewer=viewer, after=after)

    def within(self, box: Box) -> I64:
        """The slots of the players in sight whose last accepted fix lies in a box, in order, (n,). Looks at all."""
        players = self.players
        slots: I64 = np.flatnonzero(
            (self.index.cells.seat["cell"] != NOWHERE) & box.holds(players.lat_deg, players.lng_deg)
        )
        return slots

    @property
    def present_count(self) -> int:
        """How many players are in sight."""
        return int(np.count_nonzero(self.index.cells.seat["cell"] != NOWHERE))

    def leave(self, slot: int) -> None:
        """Takes a player out of sight; its track is kept."""
        cell_index.unseat(self.index.cells, slot)

    def hide(self, player_id: UUID, *, hidden: bool) -> None:
        """Takes a player out of sight until it is shown again; the first fix after that brings it back."""
        self.players.hide(player_id, hidden=hidden)
        slot = self.players.slot(player_id)
        if hidden and slot != NO_SLOT:
            self.leave(slot)

    def expire(self, *, now_us: int) -> int:
        """Takes out of sight who has no accepted fix for too long; gives how many."""
        return verdicts.expire(self.index.cells, self.players.at_us, now_us - self._settings.fix_kept_s * SECOND_US)

    def forget(self, *, now_us: int) -> int:
        """Forgets players from whom nothing came for very long, at most 1,000 in a call; gives how many."""
        players = self.players
        before_us = now_us - self._settings.track_kept_s * SECOND_US
        gone = (players.seen_us > 0) & (players.seen_us < before_us) & (self.index.cells.seat["cell"] == NOWHERE)
        gone &= players.reporters == 0
        slots = np.flatnonzero(gone)[:_FORGOTTEN_MAX].tolist()
        for slot in slots:
            players.forget(slot)
        return len(slots)


def flags_of(*, own_timeline: bool, mock: bool) -> int:
    """The flags of a record."""
    return OWN_TIMELINE * own_timeline | MOCK * mock


def warm(settings: WorldSettings) -> None:
    """Compiles, or loads from the cache, every kernel with the types it meets when it is live."""
    warm_around(settings)
    warm_live(settings)


def warm_live(settings: WorldSettings) -> None:
    """That for the stages of a pass and what watchers get."""
    engine = Engine(settings=settings, movement=MovementRules())
    slot = engine.players.admit(UUID(int=1), now_us=1)
    waiting = inbox.single(
        slot=slot, generation=0, time_us=1, lat_deg=0.0, lng_deg=0.0, accuracy_m=None, altitude_m=None,
        speed_m_s=None, heading_deg=None, flags=0,
    )  # fmt: skip
    batch = engine.ingest(Batch(bytearray(waiting), 1, 1), now_us=SECOND_US)
    room = geo_cells.cell_of(0.0, 0.0, settings.room_level)
    interest.warm(engine.interest, cells=[room])
    engine.choose_told(engine.move(engine.validate(batch)))
    engine.verdict_frames(batch)
    cell_index.enter_keys(CellIndex(players=1).cells)
    engine.leave(slot)
    engine.expire(now_us=SECOND_US)
    engine.index.listen(room, 1)
    engine.index.take_changed(every=True)


def warm_around(settings: WorldSettings) -> None:
    """That for what is asked about places."""
    geo_cells.warm()
    engine = Engine(settings=settings, movement=MovementRules())
    engine.around_cells(0.0, 0.0, 10.0, 9)
    engine.near(0.0, 0.0, 100.0, limit=1)
    engine.present([geo_cells.cell_of(0.0, 0.0, settings.room_level)])


def _seen(size: int) -> Seen:
    return Seen(np.empty(size, np.int32), np.empty(size), np.empty(size))


def _first(seen: Seen, count: int) -> Seen:
    return Seen(seen.slot[:count], seen.lat_deg[:count], seen.lng_deg[:count])
