"""The contract of a limiter; every implementation runs it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from overworld.kernel.clock import FixedClock
from overworld.kernel.ports import Limit
from overworld.platform.limiter import MemoryLimiter

START = datetime(2026, 11, 21, tzinfo=UTC)
THREE = Limit(per_s=1.0, burst=3)


class LimiterContract:
    """What every limiter keeps. Subclasses give the fixture `limiter`, running on the fixture `clock`."""

    @pytest.fixture
    def clock(self):
        return FixedClock(START)

    async def test_a_burst_is_taken_at_once_and_then_refused(self, limiter):
        assert [(await limiter.take("a", THREE)).allowed for _ in range(4)] == [True, True, True, False]

    async def test_it_says_what_is_left_and_when_it_is_full_again(self, limiter):
        taken = [await limiter.take("a", THREE) for _ in range(4)]
        assert [each.remaining for each in taken] == [2, 1, 0, 0]
        assert [each.reset_s for each in taken] == pytest.approx([1, 2, 3, 3])
        assert [each.retry_after_s for each in taken] == pytest.approx([0, 0, 0, 1])

    async def test_waiting_as_long_as_told_is_enough(self, limiter, clock):
        await limiter.take("a", THREE, cost=3)
        refused = await limiter.take("a", THREE, cost=2)
        clock.advance(timedelta(seconds=refused.retry_after_s))
        assert (await limiter.take("a", THREE, cost=2)).allowed
        assert not (await limiter.take("a", THREE)).allowed

    async def test_what_is_refused_costs_nothing(self, limiter, clock):
        await limiter.take("a", THREE, cost=3)
        for _ in range(10):
            await limiter.take("a", THREE)
        clock.advance(timedelta(seconds=1))
        assert (await limiter.take("a", THREE)).allowed

    async def test_a_bucket_never_holds_more_than_its_burst(self, limiter, clock):
        await limiter.take("a", THREE)
        clock.advance(timedelta(days=1))
        assert (await limiter.take("a", THREE, cost=3)).allowed
        assert not (await limiter.take("a", THREE)).allowed

    async def test_keys_do_not_know_of_each_other(self, limiter):
        await limiter.take("a", THREE, cost=3)
        assert (await limiter.take("b", THREE, cost=3)).allowed

    async def test_a_cost_of_nothing_only_looks(self, limiter):
        assert [(await limiter.take("a", THREE, cost=0)).remaining for _ in range(3)] == [3, 3, 3]

    @pytest.mark.parametrize("cost", [-1, 4])
    async def test_a_cost_that_no_wait_would_allow_is_a_mistake_of_the_caller(self, limiter, cost):
        with pytest.raises(ValueError, match="outside 0"):
            await limiter.take("a", THREE, cost=cost)

    async def test_keys_asked_for_at_once_are_each_counted(self, limiter):
        keys = ["a", "b", "a", "c", "a", "a", "b"]
        taken = await asyncio.gather(*(limiter.take(key, THREE) for key in keys))
        assert [each.allowed for each in taken] == [True, True, True, True, True, False, True]
        assert [each.remaining for each in taken] == [2, 2, 1, 2, 0, 0, 1]

    async def test_a_limit_that_shrank_keeps_nobody_longer_than_its_own_bucket_fills(self, limiter, clock):
        await limiter.take("a", THREE, cost=3)
        smaller = Limit(per_s=1.0, burst=1)
        assert (await limiter.take("a", smaller)).retry_after_s == pytest.approx(1)
        clock.advance(timedelta(seconds=1))
        assert (await limiter.take("a", smaller)).allowed

    @pytest.mark.slow
    @settings(
        max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors]
    )
    @given(
        burst=st.integers(1, 50),
        per_s=st.sampled_from([0.1, 0.5, 1.0, 100 / 60, 10.0]),
        steps=st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 50)), max_size=60),
    )
    async def test_it_agrees_with_a_bucket_of_exact_fractions(self, limiter, clock, burst, per_s, steps):
        key, limit = uuid4().hex, Limit(per_s=per_s, burst=burst)
        level = Fraction(burst)
        for wait_ms, wanted in steps:
            clock.advance(timedelta(milliseconds=wait_ms))
            cost = min(wanted, burst)
            level = min(Fraction(burst), level + Fraction(per_s) * Fraction(wait_ms, 1_000))
            taken = await limiter.take(key, limit, cost=cost)
            shortfall = cost - level
            if abs(shortfall) > Fraction(1, 10**4):
                assert taken.allowed == (shortfall < 0)
            if taken.allowed:
                level -= cost
            assert taken.remaining == pytest.approx(float(level), abs=1.0)


class TestMemoryLimiter(LimiterContract):
    @pytest.fixture
    def limiter(self, clock):
        return MemoryLimiter(monotonic_s=clock.monotonic_s)

    async def test_full_buckets_are_forgotten(self, limiter, clock):
        for number in range(100):
            await limiter.take(f"k{number}", THREE)
            clock.advance(timedelta(seconds=2))
        assert len(limiter) == 1

    async def test_memory_is_bounded_and_the_longest_silent_caller_goes_first(self, clock):
        limiter = MemoryLimiter(monotonic_s=clock.monotonic_s, buckets_max=10)
        for number in range(11):
            await limiter.take(f"k{number}", THREE, cost=3)
        assert len(limiter) == 10
        assert not (await limiter.take("k1", THREE)).allowed
        assert (await limiter.take("k0", THREE)).allowed

    async def test_refusals_make_no_buckets(self, limiter):
        await limiter.take("a", THREE, cost=3)
        await limiter.take("a", THREE)
        assert len(limiter) == 1


class TestRedisLimiter(LimiterContract):
    @pytest.fixture
    def limiter(self, redis_limiter):
        return redis_limiter
