"""When passes run, what they take, and that nothing late, full or broken goes unseen. Time is a fake loop's."""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overworld.kernel.refusals import Busy
from overworld.kernel.tick import Cadence, Stage, Tick

RECORD = b"12345678"


class FakeTimer:
    def __init__(self, run):
        self.run = run

    def cancel(self):
        self.run = None


class FakeLoop:
    """Timers that fire in order when time is moved; running one may take time too."""

    def __init__(self):
        self.now_s = 100.0
        self._timers = []
        self._count = 0

    def monotonic_s(self):
        return self.now_s

    def call_soon(self, callback, /):
        return self.call_later(0.0, callback)

    def call_later(self, delay, callback, /):
        assert delay >= 0
        timer = FakeTimer(callback)
        self._count += 1
        heapq.heappush(self._timers, (self.now_s + delay, self._count, timer))
        return timer

    def run_until(self, end_s):
        while self._timers and self._timers[0][0] <= end_s + 1e-12:
            at_s, _, timer = heapq.heappop(self._timers)
            self.now_s = max(self.now_s, at_s)
            if timer.run is not None:
                timer.run()
        self.now_s = max(self.now_s, end_s)

    def advance(self, by_s):
        self.run_until(self.now_s + by_s)


class World:
    """A tick that writes down its passes and takes `cost_s` for each."""

    def __init__(self, **options):
        self.loop = FakeLoop()
        self.passes = []
        self.failures: list[Exception] = []
        self.after: Callable[[], Any] = lambda: None
        self.cost_s = 0.0
        self.fault = None
        self.tick = Tick(
            name="test",
            stages=[Stage("take", self.take), Stage("double", lambda n: n * 2), Stage("keep", self.keep)],
            failed=self.failures.append,
            loop=self.loop,
            monotonic_s=self.loop.monotonic_s,
            **options,
        )

    def take(self, batch):
        assert batch.count * 8 == len(batch.inbox)
        self.started_s = self.loop.now_s
        self.loop.now_s += self.cost_s
        if self.fault:
            raise self.fault
        return batch.count

    def keep(self, doubled):
        self.passes.append((round(self.started_s - 100, 6), doubled // 2))
        self.after()


def test_a_lonely_record_runs_in_the_next_turn_of_the_loop():
    world = World()
    world.tick.put(RECORD)
    assert world.passes == []
    world.loop.advance(0)
    assert world.passes == [(0.0, 1)]


def test_a_pass_takes_everything_that_waits():
    world = World()
    world.tick.put(RECORD * 3, 3)
    world.tick.put(RECORD)
    assert world.tick.waiting == 4
    world.loop.advance(0)
    assert world.passes == [(0.0, 4)]
    assert world.tick.waiting == 0


def test_the_next_pass_waits_until_the_last_one_ended_two_milliseconds_ago():
    world = World()
    world.cost_s = 0.003
    world.tick.put(RECORD)
    world.loop.advance(0)
    world.tick.put(RECORD)
    world.loop.advance(0.0015)
    world.tick.put(RECORD)
    world.loop.advance(0.0006)
    assert world.passes == [(0.0, 1), (0.005, 2)]


def test_no_input_means_no_pass():
    world = World()
    world.tick.put(RECORD)
    world.loop.advance(10)
    assert world.tick.passes == 1


def test_a_record_put_during_a_pass_belongs_to_the_next():
    world = World()
    world.after = lambda: world.tick.put(RECORD * 2, 2) if world.tick.passes == 1 else None
    world.tick.put(RECORD)
    world.loop.advance(1)
    assert world.passes == [(0.0, 1), (0.002, 2)]


def test_a_full_inbox_is_a_typed_refusal_that_queues_nothing_and_is_counted():
    world = World(records_max=4)
    world.tick.put(RECORD * 3, 3)
    with pytest.raises(Busy) as refused:
        world.tick.put(RECORD * 2, 2)
    assert refused.value.retryable
    assert world.tick.waiting == 3
    assert world.tick.refused_full == 2
    world.loop.advance(0)
    world.tick.put(RECORD * 4, 4)
    world.loop.advance(1)
    assert [count for _, count in world.passes] == [3, 4]


def test_a_late_pass_is_counted_with_how_late_it_was():
    world = World()
    world.tick.put(RECORD)
    world.loop.now_s += 0.007
    world.loop.advance(0)
    assert world.tick.late == 1
    assert world.tick.late_max_s == pytest.approx(0.007)


def test_a_pass_in_time_is_not_late():
    world = World()
    for _ in range(5):
        world.tick.put(RECORD)
        world.loop.advance(0.0021)
    assert (world.tick.passes, world.tick.late) == (5, 0)


def test_a_pass_over_its_budget_is_counted_and_its_time_shown_by_stage():
    world = World(budget_s=0.01)
    for cost_s in (0.011, 0.002):
        world.cost_s = cost_s
        world.tick.put(RECORD)
        world.loop.advance(1)
    assert world.tick.over_budget == 1
    assert world.tick.longest_s == pytest.approx(0.011)
    assert world.tick.stage_s == {"take": pytest.approx(0.013), "double": 0.0, "keep": 0.0}


def test_a_stage_that_raises_loses_its_pass_and_no_other():
    world = World()
    world.fault = ZeroDivisionError("bug")
    world.tick.put(RECORD)
    with pytest.raises(ZeroDivisionError):
        world.loop.advance(0)
    assert world.failures == [world.fault]
    assert world.tick.broken == 1
    world.fault = None
    world.tick.put(RECORD * 2, 2)
    world.loop.advance(1)
    assert [count for _, count in world.passes] == [2]


def test_flush_runs_what_waits_at_once_and_only_once():
    world = World()
    world.tick.put(RECORD)
    world.tick.flush()
    world.tick.flush()
    world.loop.advance(1)
    assert [count for _, count in world.passes] == [1]


def test_a_pass_comes_between_two_reads_of_a_burst_when_the_first_record_has_waited_for_the_gap():
    world = World()
    for _ in range(7):
        world.tick.put(RECORD)
        if world.loop.now_s >= world.tick.latest_s:
            world.tick.keep_up()
        world.loop.now_s += 0.001
    assert world.passes == [(0.002, 3), (0.005, 3)]
    world.loop.advance(1)
    assert [count for _, count in world.passes] == [3, 3, 1]


def test_nothing_waits_too_long_when_there_is_nothing():
    world = World()
    world.tick.put(RECORD)
    world.loop.advance(1)
    assert world.loop.now_s < world.tick.latest_s
    world.tick.keep_up()
    assert world.tick.passes == 1


def test_a_stage_that_raises_between_two_reads_does_so_in_the_loop():
    world = World()
    world.fault = ZeroDivisionError("bug")
    world.tick.put(RECORD)
    world.tick.keep_up()
    assert world.failures == [world.fault]
    with pytest.raises(ZeroDivisionError):
        world.loop.advance(0)


@given(st.lists(st.tuples(st.floats(0, 0.01), st.booleans(), st.integers(1, 5)), max_size=60), st.floats(0, 0.004))
def test_every_record_is_taken_once_and_passes_keep_their_gap(inputs, cost_s):
    world = World()
    world.cost_s = cost_s
    for wait_s, is_busy, count in inputs:
        if is_busy:
            world.loop.now_s += wait_s
        else:
            world.loop.advance(wait_s)
        world.tick.put(RECORD * count, count)
        if world.loop.now_s >= world.tick.latest_s:
            world.tick.keep_up()
    world.loop.advance(1)
    assert sum(count for _, count in world.passes) == sum(count for _, _, count in inputs)
    assert all(later[0] - earlier[0] >= cost_s + 0.0015 - 1e-6 for earlier, later in pairwise(world.passes))


async def test_it_runs_on_a_real_event_loop():
    done = asyncio.Event()
    tick = Tick(
        name="real",
        stages=[Stage("end", lambda batch: done.set())],
        failed=lambda error: None,
        loop=asyncio.get_running_loop(),
        monotonic_s=time.monotonic,
    )
    tick.put(RECORD)
    await asyncio.wait_for(done.wait(), 5)
    assert tick.passes == 1


class Changes:
    """Slices with things to publish in them."""

    def __init__(self, slices=4):
        self.loop = FakeLoop()
        self.left = [0] * slices
        self.published = []
        self.cadence = Cadence(
            publish=self.publish, loop=self.loop, monotonic_s=self.loop.monotonic_s, every_s=0.1, slices=slices
        )

    def publish(self, i):
        if self.left[i]:
            self.published.append((i, self.left[i]))
        self.left[i] = 0
        return any(self.left)

    def change(self, *slices):
        for i in slices:
            self.left[i] += 1
        self.cadence.wake()


def test_a_change_is_published_within_one_period_whatever_its_slice():
    changes = Changes()
    changes.change(0, 3)
    changes.loop.advance(0.1)
    assert changes.published == [(0, 1), (3, 1)]


def test_changes_of_one_period_are_published_together():
    changes = Changes()
    for _ in range(10):
        changes.change(1)
        changes.loop.advance(0.01)
    changes.loop.advance(0.1)
    assert len(changes.published) <= 2
    assert sum(count for _, count in changes.published) == 10


def test_a_cadence_sleeps_when_nothing_is_left():
    changes = Changes()
    changes.change(0)
    changes.loop.advance(10)
    assert changes.cadence.turns <= 4
    changes.change(2)
    changes.loop.advance(0.1)
    assert changes.published == [(0, 1), (2, 1)]


def test_a_stopped_cadence_publishes_nothing():
    changes = Changes()
    changes.change(0)
    changes.cadence.stop()
    changes.loop.advance(1)
    assert changes.published == []


def test_a_turn_that_comes_a_period_late_is_counted():
    changes = Changes()
    changes.change(0)
    changes.loop.now_s += 0.2
    changes.loop.advance(0)
    assert changes.cadence.late == 1
