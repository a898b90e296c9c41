"""Who counts what callers use: this process alone, or Redis for all servers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from msgspec import Struct

from overworld.app.settings import Settings
from overworld.kernel.clock import Clock
from overworld.kernel.ports import Limiter
from overworld.platform.limiter import MemoryLimiter
from overworld.platform.observability import HealthChecks, Metrics

if TYPE_CHECKING:
    from overworld.platform.redis.limiter import RedisLimiter


class Limits(Struct, frozen=True, kw_only=True):
    """The limiter of this server; `redis` is the same one where there is a Redis."""

    limiter: Limiter
    redis: RedisLimiter | None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Looks for Redis, whose absence stops no server, and lets go of it in the end."""
        if self.redis is None:
            yield
            return
        try:
            await self.redis.start()
            yield
        finally:
            await self.redis.close()

    def watch(self, *, metrics: Metrics, health: HealthChecks) -> None:
        """Adds what there is to be seen of Redis; without one the figures stay at 0."""
        redis = self.redis
        if redis is not None:
            health.add("redis", redis.check, needed=False)
        metrics.gauge("overworld_redis_away", "1 while Redis is away.", lambda: redis.away if redis else 0)
        metrics.count("overworld_redis_outages", "Times that Redis fell away.", lambda: redis.outages if redis else 0)
        metrics.count(
            "overworld_limiter_alone",
            "Takes that this server counted by itself because Redis was away.",
            lambda: redis.counted_alone if redis else 0,
        )
        metrics.count("overworld_redis_takes", "Takes asked of Redis.", lambda: redis.lane.items if redis else 0)
        metrics.count("overworld_redis_batches", "In so many scripts.", lambda: redis.lane.batches if redis else 0)


def build(settings: Settings, *, clock: Clock) -> Limits:
    """The limiter that the settings ask for; call it inside the event loop, inside its `running()`."""
    own = MemoryLimiter(monotonic_s=clock.monotonic_s, buckets_max=settings.limits.buckets_max)
    if not settings.redis.url:
        return Limits(limiter=own, redis=None)
    # Its client takes a tenth of a second to import, which a server without Redis need not spend.
    from overworld.platform.redis.buckets import Buckets  # noqa: PLC0415
    from overworld.platform.redis.limiter import RedisLimiter  # noqa: PLC0415

    redis = RedisLimiter(Buckets(settings.redis), own=own, look_every_s=settings.redis.look_every_s)
    return Limits(limiter=redis, redis=redis)
