"""Answers are kept for as long as they are fresh, and no longer."""

from __future__ import annotations

import gc
from datetime import UTC, datetime, timedelta
from weakref import ref

from overworld.domains.analytics.freshness import Freshness
from overworld.kernel.clock import FixedClock


class Large:
    """An answer that is worth forgetting."""


async def test_an_answer_is_there_while_it_is_fresh_and_goes_with_the_next_that_comes() -> None:
    clock = FixedClock(datetime(2026, 6, 1, tzinfo=UTC))
    fresh = Freshness(clock)
    made: list[ref[Large]] = []

    async def work() -> Large:
        answer = Large()
        made.append(ref(answer))
        return answer

    first = await fresh.of("a", work, age_max_s=60.0)
    clock.advance(timedelta(seconds=59))
    assert await fresh.of("a", work, age_max_s=60.0) is first
    await fresh.of("b", work, age_max_s=60.0)
    del first
    clock.advance(timedelta(seconds=1))
    await fresh.of("c", work, age_max_s=60.0)
    gc.collect()
    assert [answer() is not None for answer in made] == [False, True, True]
