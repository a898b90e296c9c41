"""Garbage is collected when it is due, and never all of it because a server has many libraries."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from itertools import count
from time import monotonic
from typing import Any
from weakref import ref

import pytest

from overworld.app.collector import Collector


class Knot:
    """Something that only a collection frees."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def collector() -> Iterator[Collector]:
    """One that has taken over; afterwards everything is as before."""
    taking = Collector(monotonic_s=monotonic, cpu_s=lambda: 0.0)
    taking.take_over()
    yield taking
    gc.enable()
    gc.unfreeze()


def litter(count: int) -> list[Any]:
    return [[] for _ in range(count)]


def test_nothing_is_collected_by_itself(collector):
    gone = ref(Knot())
    kept = litter(5_000)
    assert gone() is not None
    assert len(kept) == 5_000


def test_a_quiet_turn_collects_nothing(collector):
    gc.collect()
    collector.turn()
    assert collector.counts == [0, 0, 0]


def test_young_garbage_is_freed_in_the_turn_in_which_there_is_enough(collector):
    gone = ref(Knot())
    kept = litter(1_000)
    collector.turn()
    assert gone() is None
    assert (collector.counts, len(kept)) == ([1, 0, 0], 1_000)


def test_every_tenth_young_collection_takes_the_middle_too(collector):
    kept = []
    for _ in range(22):
        kept.append(litter(1_000))
        collector.turn()
    assert (collector.counts[0], collector.counts[1]) == (20, 2)


def test_old_garbage_is_freed_once_enough_has_grown_old(collector):
    knot = Knot()
    gone, kept = ref(knot), [litter(1_000)]
    for _ in range(11):
        kept.append(litter(1_000))
        collector.turn()
    del knot
    collector.turn()
    assert gone() is not None
    while collector.counts[2] == 0:
        kept.append(litter(5_000))
        collector.turn()
        assert len(kept) < 100
    assert gone() is None


def test_what_was_there_at_the_start_is_not_looked_through(collector):
    assert gc.get_freeze_count() > 10_000
    assert len(gc.get_objects()) < 10_000


def test_a_busy_process_puts_off_looking_through_everything_but_not_for_ever():
    clock_s = count(0.0, 0.05)
    busy = Collector(monotonic_s=clock_s.__next__, cpu_s=count(0.0, 0.04).__next__)
    busy.take_over()
    try:
        kept: list[Any] = []
        while busy.counts[2] == 0:
            kept.append(litter(5_000))
            busy.turn()
            assert len(kept) < 1_000
    finally:
        gc.enable()
        gc.unfreeze()
    assert len(kept) * 5_000 > 8 * 50_000
