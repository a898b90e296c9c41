"""Token buckets in Redis: many takes by one script in one round trip."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from overworld.kernel.ports import Limit, Taken
from overworld.kernel.refusals import Fault
from overworld.platform.redis.settings import RedisSettings

_SCRIPT = (Path(__file__).parent / "take.lua").read_text(encoding="ascii")
_US_PER_S = 1_000_000
_ROUNDING_US = 2
_ROUNDING = 1e-9
_CONNECTIONS_MAX = 4
_REASON_MAX = 200


class RedisAway(Fault):
    """Redis does not answer, or does not do what it is asked.

    No client sees it: each server counts by itself meanwhile.
    """

    code = "platform.redis_away"


class Wanted(Struct, frozen=True):
    """One take."""

    key: str
    limit: Limit
    cost: int


class Buckets:
    """What `MemoryLimiter` keeps, kept in Redis, where all servers see it. A key expires when its bucket is full.

    Time is Redis's own, the one clock that all servers share; only tests pass `now_us`. Nothing is tried twice: a take
    whose answer was lost may have been taken.
    """

    def __init__(self, settings: RedisSettings, *, now_us: Callable[[], int] | None = None) -> None:
        self._redis: Redis = Redis.from_url(
            settings.url,
            protocol=2,
            max_connections=_CONNECTIONS_MAX,
            socket_timeout=settings.timeout_s,
            socket_connect_timeout=settings.timeout_s,
            retry=Retry(NoBackoff(), 0),
        )
        self._script = self._redis.register_script(_SCRIPT)
        self._prefix = settings.prefix
        self._now_us = now_us

    async def take(self, wanted: Sequence[Wanted]) -> list[Taken]:
        """The outcome of each, in order; a key that is there twice is taken from twice. One round trip.

        Raises: RedisAway.
        """
        keys = [f"{self._prefix}{one.key}" for one in wanted]
        amounts: list[int | float | str] = ["" if self._now_us is None else self._now_us()]
        for one in wanted:
            a_token_us = _US_PER_S / one.limit.per_s
            amounts += (one.limit.burst * a_token_us, one.cost * a_token_us)
        try:
            told: list[int] = await self._script(keys=keys, args=amounts)
        except (RedisError, OSError, TimeoutError, RuntimeError) as error:  # the last: a transport that uvloop closed
            raise RedisAway(f"{type(error).__name__}: {error}"[:_REASON_MAX]) from error
        return [_taken(one.limit, told[2 * i], told[2 * i + 1]) for i, one in enumerate(wanted)]

    async def close(self) -> None:
        """Closes the connections."""
        await self._redis.aclose()


def _taken(limit: Limit, used_us: int, wait_us: int) -> Taken:
    left_us = limit.burst / limit.per_s * _US_PER_S - used_us + _ROUNDING_US
    return Taken(
        allowed=wait_us == 0,
        remaining=max(0, math.floor(left_us / _US_PER_S * limit.per_s + _ROUNDING * limit.burst)),
        reset_s=used_us / _US_PER_S,
        retry_after_s=wait_us / _US_PER_S,
    )
