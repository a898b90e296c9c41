"""Two server processes on one database, one Redis and one port: limits hold over both, and without Redis in each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
import pytest_asyncio
from msgspec import Struct

from bench.own_redis import RedisProcess
from bench.servers import ServerProcess, free_ports

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

WAIT_S = 10
FAILURES_MAX = 5


class Pair(Struct, frozen=True):
    """Both servers; `http` is the port that they share."""

    first: ServerProcess
    second: ServerProcess
    redis: RedisProcess
    http: str

    async def told(self, path: str) -> list[httpx.Response]:
        """What the operations port of each says."""
        async with httpx.AsyncClient() as client:
            return [await client.get(f"{server.operations}{path}") for server in (self.first, self.second)]

    async def wait_for(self, is_so: Callable[[dict[str, float]], bool]) -> None:
        """Until the metrics of both say so."""
        async with asyncio.timeout(WAIT_S):
            while not all(is_so(metrics(one.text)) for one in await self.told("/metrics")):  # noqa: ASYNC110
                await asyncio.sleep(0.02)  # pace: other processes tell no event


def metrics(text: str) -> dict[str, float]:
    lines = (line.split() for line in text.splitlines() if line.startswith(("overworld_redis", "overworld_limiter")))
    return {name: float(value) for name, value in lines}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair(redis_here, empty_database, tmp_path_factory) -> AsyncIterator[Pair]:
    folder = tmp_path_factory.mktemp("shared-limits")
    async with AsyncExitStack() as stack:
        redis = stack.enter_context(RedisProcess(folder / "redis"))
        dsn = await stack.enter_async_context(empty_database())
        port = free_ports()[0]
        chosen = {
            "OVERWORLD_LIMITS__ENABLED": "true",
            "OVERWORLD_LIMITS__ADDRESS_PER_MIN": "1000",
            "OVERWORLD_ACCOUNTS__ADDRESS_FAILURES_MAX": "1000",
            "OVERWORLD_ACCOUNTS__ACCOUNT_WINDOW_S": "3600",
            "OVERWORLD_ACCOUNTS__ARGON2_MEMORY_KIB": "8",
            "OVERWORLD_HTTP__REUSE_PORT": "true",
            "OVERWORLD_REDIS__URL": redis.url,
            "OVERWORLD_REDIS__LOOK_EVERY_S": "0.05",
        }
        first, second = [
            await stack.enter_async_context(
                ServerProcess(folder / name, dsn=dsn, migrate=name == "1", ports=(port, 0, 0), environment=chosen)
            )
            for name in ("1", "2")
        ]
        yield Pair(first, second, redis, first.http)


async def guess(pair: Pair, email: str) -> int:
    """On a connection of its own, so that chance decides who answers."""
    wrong: dict[str, Any] = {"email": email, "password": "not the password"}
    async with httpx.AsyncClient() as client:
        return (await client.post(f"{pair.http}/v1/auth/login", json=wrong)).status_code


async def test_lock_outs_hold_over_both_and_without_redis_in_each(pair):
    """One story, for every step needs the one before: together, alone, together again."""
    together = [await guess(pair, "ann@example.org") for _ in range(12)]
    assert together == [401] * FAILURES_MAX + [429] * (12 - FAILURES_MAX)
    assert all(metrics(one.text)["overworld_redis_takes_total"] > 0 for one in await pair.told("/metrics"))
    assert [one.json()["components"]["redis"]["ok"] for one in await pair.told("/health")] == [True, True]

    pair.redis.stop()
    alone = [await guess(pair, "bea@example.org") for _ in range(40)]
    assert set(alone) == {401, 429}
    assert FAILURES_MAX <= alone.count(401) <= 2 * FAILURES_MAX
    await pair.wait_for(lambda told: told["overworld_redis_away"] == 1 and told["overworld_limiter_alone_total"] > 0)
    assert [one.status_code for one in await pair.told("/readyz")] == [200, 200]
    assert [one.json()["components"]["redis"]["ok"] for one in await pair.told("/health")] == [False, False]

    pair.redis.start()
    await pair.wait_for(lambda told: told["overworld_redis_away"] == 0)
    again = [await guess(pair, "cid@example.org") for _ in range(12)]
    assert again == [401] * FAILURES_MAX + [429] * (12 - FAILURES_MAX)
    assert all(metrics(one.text)["overworld_redis_outages_total"] == 1 for one in await pair.told("/metrics"))
    for server in (pair.first, pair.second):
        log = server.log.read_text()
        assert log.count("redis is away") == log.count("redis is back") == 1
        assert "Traceback" not in log
