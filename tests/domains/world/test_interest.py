"""Watchers against the truth, over random worlds: what each was told adds up to what one who just came is told."""

from __future__ import annotations

import math
import tracemalloc
from typing import NamedTuple
from uuid import UUID

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from overworld.domains.world.engine.cell_index import NOWHERE, CellIndex
from overworld.domains.world.engine.engine import Engine, pass_of
from overworld.domains.world.engine.interest import Interest
from overworld.domains.world.engine.players import Players
from overworld.domains.world.rules import FIX
from overworld.domains.world.types import InterestRules, MovementRules, WorldSettings
from overworld.geo import cells as geo_cells
from overworld.geo import kernels as geo_kernels
from overworld.geo.sphere import destination_deg
from tests.domains.world.eyes import EARTH_RADIUS_M, Eyes, axes

PLAYERS = 24
SLICES = 3
LEVEL = 15
CUBE_CORNER = (35.2643896828, 45.0)
PLACES = [(37.5, 127.0), (90.0, 0.0), (-90.0, 0.0), (12.0, 180.0), (0.0, 45.0), CUBE_CORNER]
ERRORS_M = [0.0, 0.5, 5.0]


class Truth(NamedTuple):
    """Where somebody is to be seen."""

    cell: int
    xyz: np.ndarray
    fresh: bool


class Watcher:
    def __init__(self, number):
        self.number = number
        self.eyes = Eyes()
        self.cells: list[int] = []
        self.paused = False
        self.settled = False  # it watches the same since before the last encode
        self.roomy = 0  # for so many periods all it watches could be told: it is at the second


class Stage:
    """An engine in tiny columns, its watchers, and what the truth is."""

    def __init__(self, *, error_m=0.0, strangers="exact", visible_max=200, slots=2, cells=1, rows=4):
        config = WorldSettings(interest_slices=SLICES)
        self.rules = InterestRules(error_m=error_m, strangers=strangers, visible_max=visible_max)
        self.engine = Engine(settings=config, movement=MovementRules(), interest=self.rules)
        self.engine.index = CellIndex(players=slots, cells=cells, rows=rows)
        self.engine.players = Players(slots=slots, on_grow=self.engine.index.grow_players)
        self.interest = self.engine.interest = Interest(
            index=self.engine.index, players=self.engine.players, settings=config, rules=self.rules
        )
        self.interest.on_frames = self.take
        self.now_ms = 1_700_000_000_000
        self.watchers: list[Watcher] = []
        self.fresh: set[int] = set()
        self.truth: dict[int, Truth] = {}

    def take(self, numbers, starts, ends, frames):
        by_number = {watcher.number: watcher for watcher in self.watchers}
        for number, start, end in zip(numbers, starts, ends, strict=True):
            assert not by_number[number].paused
            assert 0 <= start < end <= len(frames)
            by_number[number].eyes.read(bytes(frames[start:end]))

    def put(self, slot, place, *, speed_m_s=math.nan, heading_deg=math.nan):
        """What the verdict pass does for an accepted fix, wherever it is."""
        fix = np.zeros(1, FIX)
        fix["slot"], fix["generation"] = slot, self.engine.players.generation[slot]
        fix["lat_deg"], fix["lng_deg"] = place
        fix["speed_m_s"], fix["heading_deg"] = speed_m_s, heading_deg
        batch = pass_of(fix, now_us=self.now_ms * 1_000)
        xyz = geo_kernels.unit_xyz(float(place[0]), float(place[1]))
        for name, value in zip("xyz", xyz, strict=True):
            batch.judged[name] = value
        batch.judged["cell"] = geo_cells.cell_of(place[0], place[1], LEVEL)
        self.engine.move(batch)
        self.fresh.add(slot)

    def watch(self, cells) -> Watcher:
        watcher = Watcher(self.interest.open())
        self.watchers.append(watcher)
        self.change(watcher, cells)
        return watcher

    def change(self, watcher, cells):
        watcher.cells = list(dict.fromkeys(cells))
        watcher.settled, watcher.roomy = False, 0
        self.interest.watch(watcher.number, cells)

    def close(self, watcher):
        self.interest.close(watcher.number)
        self.watchers.remove(watcher)

    def begin(self):
        """Slice 0's first half."""
        self.interest.encode(now_ms=self.now_ms)
        self.engine.index.take_changed(every=False)
        self.truth = self._truth()
        self.fresh.clear()
        for watcher in self.watchers:
            watcher.settled = not watcher.paused

    def period(self, elapsed_ms=50):
        self.now_ms += elapsed_ms
        self.begin()
        for part in range(SLICES):
            self.interest.serve(part)

    def _truth(self):
        cells, found = self.engine.index.cells, {}
        for slot in np.flatnonzero(cells.seat["cell"] != NOWHERE).tolist():
            seat = cells.seat[slot]
            cell = cells.cell[seat["cell"]]
            row = cells.row[cell["start"] + seat["row"]]
            id_ = slot | int(self.engine.players.generation[slot] % 256) << 24
            found[id_] = Truth(int(cell["id"]) % 2**64, np.array([row["x"], row["y"], row["z"]]), slot in self.fresh)
        return found

    def check(self):
        """After a period: everybody who watched the same all the time sees what is there."""
        for watcher in self.watchers:
            if watcher.settled and not watcher.paused:
                self._check_sums(watcher)
                for cell in watcher.eyes.numbers:
                    self._check_cell(watcher, cell)

    def _check_sums(self, watcher):
        """The first cells are told of, for as long as there is room, and no others."""
        most, cap = self.rules.visible_max, min(200, self.rules.visible_max)
        inside = [min(cap, sum(one.cell == cell for one in self.truth.values())) for cell in watcher.cells]
        told = [cell in watcher.eyes.numbers for cell in watcher.cells]
        assert len(watcher.eyes.known) <= most
        assert set(watcher.eyes.numbers) <= set(watcher.cells)
        assert told == sorted(told, reverse=True)
        watcher.roomy = watcher.roomy + 1 if sum(inside) <= most - most // 8 else 0
        assert all(told) or watcher.roomy < 2

    def _check_cell(self, watcher, cell):
        cap = min(200, self.rules.visible_max)
        truth = {id_: one for id_, one in self.truth.items() if one.cell == cell}
        seen = watcher.eyes.inside(cell)
        assert seen.keys() <= truth.keys()
        assert len(seen) == min(cap, len(truth))
        for id_, sighting in seen.items():
            account = self.engine.players.id(id_ & 0xFFFFFF)
            assert sighting.account == account
            if self.rules.strangers == "coarse":
                assert (sighting.speed, sighting.heading) == (0, 0)
                assert is_at(sighting, truth[id_].xyz)
            elif truth[id_].fresh and self.rules.error_m == 0:
                assert is_at(sighting, truth[id_].xyz)
                assert sighting.told_ms == self.now_ms % 2**32 or sighting.speed == 0
            elif truth[id_].fresh:
                off_m = np.linalg.norm(watcher.eyes.place(id_, self.now_ms % 2**32) - truth[id_].xyz) * EARTH_RADIUS_M
                assert off_m <= self.rules.error_m + 0.01


def is_at(sighting, xyz):
    """Whether a sighting is exactly the nearest step of the grid to a place."""
    _, east, north = axes(sighting.cell)
    steps = np.array([xyz @ east, xyz @ north]) * EARTH_RADIUS_M / 0.01
    return np.all(np.abs(steps - [sighting.east, sighting.north]) <= 0.5 + 1e-4)


places = st.builds(
    lambda place, bearing, away_m: destination_deg(place[0], place[1], bearing, away_m),
    st.sampled_from(PLACES),
    st.floats(0, 360),
    st.one_of(st.floats(0, 30), st.floats(0, 700)),
)
speeds = st.one_of(st.just(math.nan), st.just(0.0), st.floats(0, 80))
headings = st.one_of(st.just(math.nan), st.floats(0, 360))
spans_ms = st.sampled_from([0, 16, 50, 50, 400, 1_500, 1_900, 3_999, 4_000, 4_100])


class InterestMachine(RuleBasedStateMachine):
    """Random lives of players and watchers. Checks after each publication."""

    @initialize(
        error_m=st.sampled_from(ERRORS_M), strangers=st.sampled_from(["exact", "exact", "coarse"]),
        visible_max=st.sampled_from([1, 3, 10, 200]),
    )  # fmt: skip
    def begin(self, error_m, strangers, visible_max):
        self.stage = Stage(error_m=error_m, strangers=strangers, visible_max=visible_max)
        self.names = 0
        self.slots = [self._new() for _ in range(PLAYERS)]

    def _new(self):
        self.names += 1
        return self.stage.engine.players.admit(UUID(int=self.names), now_us=1)

    @rule(k=st.integers(0, PLAYERS - 1), place=places, speed_m_s=speeds, heading_deg=headings)
    def go(self, k, place, speed_m_s, heading_deg):
        self.stage.put(self.slots[k], place, speed_m_s=speed_m_s, heading_deg=heading_deg)

    @rule(place=places, away_m=st.floats(0, 50), speed_m_s=speeds, heading_deg=headings)
    def crowd(self, place, away_m, speed_m_s, heading_deg):
        for k, slot in enumerate(self.slots):
            there = destination_deg(place[0], place[1], 15.0 * k, away_m)
            self.stage.put(slot, there, speed_m_s=speed_m_s, heading_deg=heading_deg)

    @rule(bearing=st.floats(0, 360), step_m=st.floats(0, 3), speed_m_s=speeds)
    def walk(self, bearing, step_m, speed_m_s):
        players = self.stage.engine.players
        for slot in self.slots:
            if players.at_us[slot]:
                there = destination_deg(players.lat_deg[slot], players.lng_deg[slot], bearing, step_m)
                self.stage.put(slot, there, speed_m_s=speed_m_s, heading_deg=bearing)

    @rule(k=st.integers(0, PLAYERS - 1))
    def leave(self, k):
        self.stage.engine.leave(self.slots[k])
        self.stage.fresh.discard(self.slots[k])

    @rule(k=st.integers(0, PLAYERS - 1))
    def be_forgotten(self, k):
        self.leave(k)
        self.stage.engine.players.forget(self.slots[k])
        self.slots[k] = self._new()

    @rule(seconds=st.sampled_from([1, 400]))
    def expire(self, seconds):
        self.stage.engine.expire(now_us=(self.stage.now_ms + seconds * 1_000) * 1_000)

    @rule(place=places, radius_m=st.sampled_from([1.0, 200.0, 600.0]), cells_max=st.sampled_from([1, 5, 40]))
    def come(self, place, radius_m, cells_max):
        if len(self.stage.watchers) < 6:
            self.stage.watch(self.stage.engine.around_cells(place[0], place[1], radius_m, cells_max))

    @precondition(lambda self: self.stage.watchers)
    @rule(k=st.integers(0, 5), place=places, cells_max=st.sampled_from([0, 1, 5, 40]))
    def turn(self, k, place, cells_max):
        watcher = self.stage.watchers[k % len(self.stage.watchers)]
        self.stage.change(watcher, self.stage.engine.around_cells(place[0], place[1], 200.0, cells_max))

    @precondition(lambda self: self.stage.watchers)
    @rule(k=st.integers(0, 5), what=st.sampled_from(["pause", "resend", "close"]))
    def break_off(self, k, what):
        watcher = self.stage.watchers[k % len(self.stage.watchers)]
        if what == "close":
            self.stage.close(watcher)
            return
        watcher.paused = what == "pause"
        watcher.settled, watcher.roomy = False, 0
        getattr(self.stage.interest, what)(watcher.number)

    @rule(elapsed_ms=spans_ms)
    def publish(self, elapsed_ms):
        self.stage.period(elapsed_ms)
        self.stage.check()

    @rule(
        elapsed_ms=spans_ms,
        k=st.integers(0, 5),
        place=places,
        slot=st.integers(0, PLAYERS - 1),
        after=st.integers(0, 2),
    )
    def publish_with_changes_on_the_way(self, elapsed_ms, k, place, slot, after):
        self.stage.now_ms += elapsed_ms
        self.stage.begin()
        for part in range(SLICES):
            self.stage.interest.serve(part)
            if part == after:
                self.stage.put(self.slots[slot], place)
                if self.stage.watchers:
                    self.turn(k, place, 5)
        self.stage.check()

    @rule(elapsed_ms=spans_ms)
    def compare_with_newcomers(self, elapsed_ms):
        pairs = [(old, self.stage.watch(old.cells)) for old in list(self.stage.watchers) if not old.paused]
        self.stage.period(elapsed_ms)
        self.stage.check()
        for old, new in pairs:
            assert set(old.eyes.numbers) <= set(new.eyes.numbers)
            for cell in old.eyes.numbers:
                assert heard(old.eyes, cell) == heard(new.eyes, cell)
                assert old.eyes.numbers[cell] == new.eyes.numbers[cell]
            self.stage.close(new)

    def teardown(self):
        """A world in which nothing happens goes to sleep."""
        if hasattr(self, "stage"):
            for _ in range(3):
                self.stage.period(2_100)
            self.stage.check()
            assert not self.stage.interest.busy


def heard(eyes, cell):
    """Who is in a cell; the time of those who stand does not matter."""
    return {id_: one if one.speed else one._replace(told_ms=0) for id_, one in eyes.inside(cell).items()}


InterestMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestInterest = pytest.mark.slow(InterestMachine.TestCase)


@pytest.mark.parametrize("others", [0, 1])
def test_cells_that_were_kept_back_are_told_no_later_than_those_behind_them(others):
    """Found by the machine: at the pole the cells around change their order at every step."""
    machine, pole = InterestMachine(), (-90.0, 0.0)
    machine.begin(error_m=0.0, strangers="exact", visible_max=1)
    for _ in range(others):
        machine.come(cells_max=1, place=(37.5, 127.0), radius_m=1.0)
    machine.come(cells_max=5, place=pole, radius_m=1.0)
    machine.crowd(away_m=1.0, heading_deg=math.nan, place=pole, speed_m_s=math.nan)
    machine.publish_with_changes_on_the_way(after=0, elapsed_ms=0, k=0, place=destination_deg(*pole, 91.0, 1.0), slot=0)
    machine.expire(seconds=400)
    machine.publish(elapsed_ms=0)


HERE = (37.5, 127.0)


def east_of(away_m):
    return destination_deg(HERE[0], HERE[1], 90.0, away_m)


def standing(count, **more) -> Stage:
    """So many players side by side, a metre apart, all in one cell and watched."""
    stage = Stage(slots=count, **more)
    for k in range(count):
        stage.put(stage.engine.players.admit(UUID(int=k + 1), now_us=1), east_of(float(k)))
    stage.watch([geo_cells.cell_of(HERE[0], HERE[1], LEVEL)])
    stage.period()
    return stage


def test_who_walks_on_as_told_is_not_told_again_and_who_turns_is():
    stage = standing(1, error_m=0.5)
    eyes = stage.watchers[0].eyes
    stage.put(0, HERE, speed_m_s=2.0, heading_deg=90.0)
    stage.period(1_000)
    stage.put(0, east_of(1.0), speed_m_s=2.0, heading_deg=90.0)
    stage.period()
    told = eyes.bytes
    stage.put(0, east_of(2.0), speed_m_s=2.0, heading_deg=90.0)
    stage.period(500)
    assert eyes.bytes == told
    stage.put(0, east_of(0.0), speed_m_s=2.0, heading_deg=270.0)
    stage.period(500)
    assert eyes.bytes > told
    stage.check()


def test_who_falls_silent_stops_where_its_last_fix_was_and_the_world_sleeps():
    stage = standing(1, error_m=0.5)
    [watcher] = stage.watchers
    stage.put(0, east_of(3.0), speed_m_s=5.0, heading_deg=0.0)
    stage.period()
    assert watcher.eyes.known[0].speed == 25
    stage.period(3_990)
    assert stage.interest.busy
    stage.period(10)
    assert watcher.eyes.known[0].speed == 0
    assert is_at(watcher.eyes.known[0], stage.truth[0].xyz)
    for _ in range(2):
        stage.period()
    assert not stage.interest.busy


def test_a_newcomer_does_not_make_silent_ones_walk_for_longer():
    stage = standing(1)
    [watcher] = stage.watchers
    stage.put(0, HERE, speed_m_s=5.0, heading_deg=0.0)
    stage.period()
    for _ in range(7):
        stage.watch(watcher.cells)
        stage.period(500)
        assert watcher.eyes.known[0].speed == 25
    stage.period(500)
    assert [one.eyes.known[0].speed for one in stage.watchers] == [0] * 8


def test_those_who_still_report_are_told_to_go_on_in_the_same_publications():
    """Whenever they set out; so a watcher reads of a whole neighbourhood at once, and seldom."""
    stage = standing(20, error_m=0.5)
    eyes = stage.watchers[0].eyes
    walked_m, told_at = [float(k) for k in range(20)], []
    for step in range(400):
        for k in range(20):
            if step >= 3 * k:
                walked_m[k] += 0.1
                stage.put(k, east_of(walked_m[k]), speed_m_s=2.0, heading_deg=90.0)
        before = eyes.bytes
        stage.period(50)
        stage.check()
        if eyes.bytes > before:
            told_at.append(step)
    assert len([step for step in told_at if step > 150]) <= 2 * (400 - 150) * 50 / 1_800
    assert [one.speed for one in eyes.known.values()] == [10] * 20


def test_changes_that_nobody_watches_make_no_sections():
    stage = Stage()
    stage.put(stage.engine.players.admit(UUID(int=1), now_us=1), HERE)
    stage.period()
    assert (stage.interest.frames, stage.interest.entities) == (0, 0)


def test_a_watcher_that_is_closed_is_no_watcher():
    stage = standing(1)
    [watcher] = stage.watchers
    stage.close(watcher)
    for call in (stage.interest.close, stage.interest.pause, stage.interest.resend):
        with pytest.raises(LookupError):
            call(watcher.number)
    with pytest.raises(ValueError, match="not cells"):
        stage.interest.watch(stage.interest.open(), [0])


@pytest.mark.slow
def test_a_publication_makes_no_object_for_each_player():
    """Fifty thousand told of leave no more blocks behind, and need no more on the way, than ten."""
    blocks = {}
    for count in (10, 50_000):
        stage = standing(10, visible_max=10_000)
        stage.interest.on_frames = lambda *told: None
        players = stage.engine.players
        slots = [players.admit(UUID(int=100 + k), now_us=1) for k in range(count)]
        fix = np.zeros(count, FIX)
        fix["slot"] = slots
        batch = pass_of(fix, now_us=1)
        lat, lng = HERE
        cells = stage.engine.around_cells(lat, lng, 3_000.0, 500)
        for k in range(count):
            at = geo_cells.centre_deg(cells[k % len(cells)])
            for name, value in zip("xyz", geo_kernels.unit_xyz(at[0], at[1]), strict=True):
                batch.judged[name][k] = value
            batch.judged["cell"][k] = cells[k % len(cells)]
        stage.change(stage.watchers[0], cells)
        stage.period()
        stage.engine.move(batch)
        tracemalloc.start()
        before = stage.interest.entities
        stage.interest.encode(now_ms=stage.now_ms)
        for part in range(SLICES):
            stage.interest.serve(part)
        blocks[count] = sum(of.count for of in tracemalloc.take_snapshot().statistics("filename"))
        tracemalloc.stop()
        assert stage.interest.entities - before == count
    assert blocks[50_000] < blocks[10] + 200
