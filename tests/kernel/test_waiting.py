"""What a queue tells of itself: how many wait, since when, and who was refused."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from overworld.kernel.refusals import Busy
from overworld.kernel.waiting import Line, Marks


class Time:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_the_oldest_of_a_line_is_the_one_that_came_first_of_those_who_are_still_there():
    time = Time()
    line = Line(3, monotonic_s=time)
    assert line.oldest_s == 0.0
    first = line.enter()
    time.now_s += 2
    line.enter()
    time.now_s += 1
    assert (line.waiting, line.oldest_s) == (2, 3.0)
    line.leave(first)
    assert (line.waiting, line.oldest_s) == (1, 1.0)


def test_a_full_line_refuses_and_counts():
    line = Line(1)
    with line.standing(), pytest.raises(Busy):
        line.enter()
    assert (line.waiting, line.refused) == (0, 1)


@given(st.lists(st.tuples(st.floats(0, 20), st.integers(0, 50), st.integers(0, 60)), max_size=60))
@example([(0.0, 1, 0), (20.0, 1, 0), (0.2, 1, 2)])
def test_marks_know_the_oldest_to_a_hundredth_of_the_longest_wait(steps):
    """Against a queue that keeps a time for each."""
    time, longest_s = Time(), 0.0
    marks, times = Marks(monotonic_s=time), []
    for pause_s, come, go in steps:
        time.now_s += pause_s
        marks.put(come)
        times += [time.now_s] * come
        longest_s = max(longest_s, time.now_s - times[0] if times else 0.0)
        marks.take(min(go, len(times)))
        del times[: min(go, len(times))]
        real_s = time.now_s - times[0] if times else 0.0
        assert real_s <= marks.oldest_s + 1e-9 or not times
        assert (marks.oldest_s == 0.0) if not times else marks.oldest_s <= real_s + 0.05 + 0.011 * longest_s


def test_marks_of_a_queue_that_stands_still_for_an_hour_are_few():
    time = Time()
    marks = Marks(monotonic_s=time)
    for _ in range(360_000):
        marks.put(1)
        time.now_s += 0.01
    assert marks.oldest_s == pytest.approx(3600, abs=1)
    assert len(marks._marks) < 2_000
