"""Walks through funnels, in any pieces, come to what a plain walk through each player's own events comes to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest

from overworld.domains.analytics.funnels import _bounds
from overworld.domains.analytics.heat import _ranges
from overworld.domains.analytics.types import Span
from overworld.domains.analytics.walking import Walk
from overworld.geo import cells

SINCE = datetime(2026, 6, 1, tzinfo=UTC)


def plainly(who, at_us, step, *, steps: int, within_us: int) -> list[int]:
    begun: dict[tuple[int, int], int] = {}
    for player, at, _, number in sorted(zip(who, at_us, [-one for one in step], step, strict=True)):
        if number == 0:
            begun[player, 0] = at
        elif (player, number - 1) in begun and at - begun[player, number - 1] <= within_us:
            begun[player, number] = begun[player, number - 1]
    return [sum(1 for _, number in begun if number == wanted) for wanted in range(steps)]


@pytest.mark.parametrize("pieces", [1, 7])
@pytest.mark.parametrize("players", [40, 20_000])
def test_a_walk_comes_as_far_as_each_player_alone(pieces: int, players: int):
    """Many things happen at one time; players outgrow the first table, and one of them is 0."""
    random, n, steps = np.random.default_rng(3), 60_000, 4
    ids = np.concatenate(([0], random.integers(1, 2**64 - 1, players - 1, np.uint64))).astype(np.uint64)
    who, at_us = ids[random.integers(0, players, n)], random.integers(-5_000, 5_000, n)
    step = random.integers(0, steps, n).astype(np.uint8)
    walk = Walk(steps=steps, within_us=2_500)
    bounds = np.linspace(-5_000, 5_000, pieces + 1).astype(np.int64)
    for since, until in pairwise(bounds):
        rows = (at_us >= since) & (at_us < until)
        walk.tell(who[rows], at_us[rows], step[rows])
    expected = plainly(who.tolist(), at_us.tolist(), step.tolist(), steps=steps, within_us=2_500)
    assert walk.reached() == expected
    assert expected[-1] > 0


def test_pieces_begin_at_full_hours_unless_they_are_short():
    span = Span(SINCE + timedelta(minutes=20), SINCE + timedelta(days=1))
    long, short = _bounds(span, 3), _bounds(span, 100)
    assert [at.hour for at in long] == [0, 8, 16, 0]
    assert (long[0], long[-1], short[0], short[-1]) == (span.since, span.until) * 2
    assert all(at.minute == 0 for at in long[1:])
    assert [len(long), len(short)] == [4, 101]
    assert short == sorted(set(short))


def test_neighbouring_cells_share_a_range_and_hold_the_same_leaves():
    """The half of the world's cells whose first bit is set lies below zero in the store."""
    found = cells.cover_cap(50.05, 14.45, 20_000.0, 10, 60) + cells.cover_cap(-33.9, 151.2, 20_000.0, 10, 60)
    ranges = _ranges(found)
    assert len(ranges) < len(found)
    for cell in found:
        bit = cell & -cell
        for leaf in (cell - bit + 1, cell + bit - 1):
            signed = leaf - (1 << 64) if leaf >= 1 << 63 else leaf
            assert sum(first <= signed <= last for first, last in ranges) == 1
    leaves = sum((last - first + 1) // 2 + (last - first + 1) % 2 for first, last in ranges)
    assert leaves == sum(cell & -cell for cell in found)
