"""What a server does with a Redis that it shares with others, and with one that is away. Each Redis is a real one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from time import perf_counter

import pytest
import structlog
from msgspec.structs import replace
from redis.asyncio import Redis

from bench.own_redis import RedisProcess
from overworld.kernel.clock import FixedClock
from overworld.kernel.ports import Limit
from overworld.platform.limiter import MemoryLimiter
from overworld.platform.redis.buckets import Buckets
from overworld.platform.redis.limiter import RedisLimiter
from overworld.platform.redis.settings import RedisSettings

FIVE_AN_HOUR = Limit(per_s=5 / 3_600, burst=5)
TIMEOUT_S = 0.3
LOOK_EVERY_S = 0.05
WAIT_S = 10


def limiter_of(settings: RedisSettings, clock: FixedClock) -> RedisLimiter:
    own = MemoryLimiter(monotonic_s=clock.monotonic_s)
    return RedisLimiter(Buckets(settings), own=own, look_every_s=settings.look_every_s)


async def until_back(limiter: RedisLimiter) -> None:
    """Waits for the limiter's own look; nobody asks it for anything meanwhile."""
    looking = limiter._looking
    assert looking is not None
    async with asyncio.timeout(WAIT_S):
        await looking


class TestShared:
    @pytest.fixture
    async def two(self, redis_settings, clock) -> AsyncIterator[tuple[RedisLimiter, RedisLimiter]]:
        made = limiter_of(redis_settings, clock), limiter_of(redis_settings, clock)
        yield made
        for one in made:
            await one.close()

    async def test_two_processes_have_one_bucket(self, two):
        taken = await asyncio.gather(*(two[i % 2].take("a", FIVE_AN_HOUR) for i in range(40)))
        assert sum(one.allowed for one in taken) == 5
        assert [one.counted_alone for one in two] == [0, 0]

    async def test_the_time_is_that_of_redis(self, two):
        """The limiter has no clock of its own that moves."""
        quick = Limit(per_s=20.0, burst=1)
        assert (await two[0].take("a", quick)).allowed
        async with asyncio.timeout(WAIT_S):
            while not (await two[1].take("a", quick)).allowed:
                pass

    async def test_takes_at_once_are_few_batches(self, two):
        await asyncio.gather(*(two[0].take(f"k{i}", FIVE_AN_HOUR) for i in range(512)))
        assert two[0].lane.items == 512
        assert two[0].lane.batches <= 3

    async def test_a_key_expires_when_its_bucket_is_full(self, two, redis_settings):
        taken = await two[0].take("a", FIVE_AN_HOUR, cost=2)
        async with Redis.from_url(redis_settings.url) as redis:
            [key] = await redis.keys(f"{redis_settings.prefix}*")
            expires_s = await redis.pttl(key) / 1e3
        assert taken.reset_s == pytest.approx(1_440, abs=0.01)
        assert 0 <= taken.reset_s - expires_s < WAIT_S

    async def test_looking_and_being_refused_write_nothing(self, two, redis_settings):
        await two[0].take("a", FIVE_AN_HOUR, cost=0)
        async with Redis.from_url(redis_settings.url) as redis:
            assert await redis.keys(f"{redis_settings.prefix}*") == []
            await two[0].take("a", FIVE_AN_HOUR, cost=5)
            before = await redis.get(f"{redis_settings.prefix}a")
            assert not (await two[0].take("a", FIVE_AN_HOUR)).allowed
            assert await redis.get(f"{redis_settings.prefix}a") == before

    async def test_a_key_from_a_clock_that_went_back_holds_nobody_longer_than_a_bucket_fills(self, two, redis_settings):
        async with Redis.from_url(redis_settings.url) as redis:
            await redis.set(f"{redis_settings.prefix}a", "9e15")
        taken = await two[0].take("a", FIVE_AN_HOUR)
        assert not taken.allowed
        assert taken.reset_s == pytest.approx(3_600, abs=0.01)

    async def test_a_redis_that_forgot_the_script_is_told_it_again(self, two, redis_settings):
        await two[0].take("a", FIVE_AN_HOUR)
        async with Redis.from_url(redis_settings.url) as redis:
            await redis.script_flush()
        assert (await two[0].take("a", FIVE_AN_HOUR)).remaining == 3
        assert two[0].counted_alone == 0

    async def test_a_connection_that_redis_closed_for_being_idle_is_no_outage(self, two, redis_settings):
        await two[0].take("a", FIVE_AN_HOUR)
        async with Redis.from_url(redis_settings.url) as redis:
            await redis.client_kill_filter(_type="normal", skipme=True)
        assert (await two[0].take("a", FIVE_AN_HOUR)).remaining == 3
        assert (two[0].outages, two[0].counted_alone) == (0, 0)


@pytest.mark.slow
class TestAway:
    @pytest.fixture
    def redis(self, redis_here, tmp_path: Path) -> Iterator[RedisProcess]:
        with RedisProcess(tmp_path / "redis") as process:
            yield process

    @pytest.fixture
    async def limiter(self, redis, clock) -> AsyncIterator[RedisLimiter]:
        settings = RedisSettings(url=redis.url, timeout_s=TIMEOUT_S, look_every_s=LOOK_EVERY_S)
        made = limiter_of(settings, clock)
        yield made
        await made.close()

    @pytest.fixture
    def logged(self) -> Iterator[list[structlog.typing.EventDict]]:
        with structlog.testing.capture_logs() as entries:
            yield entries

    async def test_a_stopped_redis_is_done_without_and_used_again_once_it_is_back(self, redis, limiter, logged):
        assert (await limiter.take("a", FIVE_AN_HOUR, cost=5)).allowed
        redis.stop()
        alone = [await limiter.take("a", FIVE_AN_HOUR) for _ in range(6)]
        assert [one.allowed for one in alone] == [True] * 5 + [False]
        assert (limiter.away, limiter.outages, limiter.counted_alone) == (True, 1, 6)
        redis.start()
        await until_back(limiter)
        assert not limiter.away
        assert (await limiter.take("a", FIVE_AN_HOUR)).remaining == 4
        assert limiter.counted_alone == 6
        warnings = [entry["event"].partition(":")[0] for entry in logged if entry["log_level"] == "warning"]
        assert warnings == ["redis is away", "redis is back"]

    async def test_a_redis_that_hangs_delays_those_under_way_by_one_time_out_and_nobody_after(self, redis, limiter):
        """A thousand callers are several batches: they must not wait for one time-out after another."""
        assert (await limiter.take("a", FIVE_AN_HOUR)).allowed
        redis.freeze()
        started_s = perf_counter()
        taken = await asyncio.gather(*(limiter.take(f"k{i}", FIVE_AN_HOUR) for i in range(1_000)))
        assert all(one.allowed for one in taken)
        assert perf_counter() - started_s < 4 * TIMEOUT_S
        assert (limiter.outages, limiter.counted_alone) == (1, 1_000)
        batches = limiter.lane.batches
        assert (await limiter.take("a", FIVE_AN_HOUR)).allowed
        assert limiter.lane.batches == batches
        redis.thaw()
        await until_back(limiter)
        assert (await limiter.take("a", FIVE_AN_HOUR)).remaining == 3

    async def test_a_redis_that_refuses_to_write_is_away_although_it_answers(self, redis, limiter):
        async with Redis.from_url(redis.url) as client:
            await client.config_set("min-replicas-to-write", 1)
            assert await client.ping()
            assert (await limiter.take("a", FIVE_AN_HOUR)).allowed
            assert (limiter.away, limiter.counted_alone) == (True, 1)
            await client.config_set("min-replicas-to-write", 0)
        await until_back(limiter)
        assert (await limiter.take("a", FIVE_AN_HOUR)).remaining == 4

    async def test_one_that_was_never_there_is_found_out_at_the_start(self, redis, limiter, logged):
        redis.stop()
        await limiter.start()
        assert limiter.away
        assert logged[0]["log_level"] == "warning"
        assert (await limiter.take("a", FIVE_AN_HOUR)).allowed

    async def test_a_wrong_password_is_an_outage_and_no_log_shows_it(self, redis, clock, logged):
        url = redis.url.replace("//", "//:opensesame@")
        limiter = limiter_of(RedisSettings(url=url, timeout_s=TIMEOUT_S, look_every_s=LOOK_EVERY_S), clock)
        assert (await limiter.take("a", FIVE_AN_HOUR)).allowed
        await limiter.close()
        assert limiter.away
        assert "opensesame" not in str(logged)

    async def test_a_limiter_that_was_closed_counts_alone(self, limiter):
        await limiter.close()
        assert (await limiter.take("a", FIVE_AN_HOUR)).allowed
        assert (limiter.away, limiter.counted_alone) == (False, 1)


class TestSettings:
    @pytest.mark.parametrize(
        "url",
        [
            "",
            "redis://host",
            "redis://:password@host:6380/3",
            "rediss://host:6379/0?ssl_ca_certs=/etc/ssl/own.pem",
            "unix:///run/redis.sock?db=2",
        ],
    )
    def test_what_redis_can_be_reached_by_is_taken(self, url):
        assert replace(RedisSettings(), url=url).url == url

    @pytest.mark.parametrize(
        ("url", "problem"),
        [
            ("http://host", "begin with"),
            ("host:6379", "begin with"),
            ("redis://host:secret99/0", "no URL"),
            ("redis://host:0/0", "port above 0"),
            ("redis://host/players", "a number"),
            ("redis://host?db=x", "a number"),
            ("redis://host?retry=9", "the options"),
            ("unix://", "path of a socket"),
        ],
    )
    def test_anything_else_is_refused_without_showing_it(self, url, problem):
        with pytest.raises(ValueError, match=problem) as refused:
            RedisSettings(url=url)
        assert "secret99" not in str(refused.value)

    def test_printing_the_settings_shows_no_password(self):
        assert "opensesame" not in repr(RedisSettings(url="redis://:opensesame@host"))
