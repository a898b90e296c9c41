"""One limit for all servers; and one each while Redis is away."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from overworld.kernel.batch import GroupCommit
from overworld.kernel.ports import Limit, Limiter, Taken
from overworld.kernel.refusals import Busy, Fault
from overworld.platform.redis.buckets import Buckets, RedisAway, Wanted

_PROBE = Wanted("probe", Limit(per_s=1_000.0, burst=1_000), 1)


class RedisLimiter:
    """The kernel's Limiter for many processes. Takes of this process gather while a batch of them is asked for.

    A Redis that is away, hangs, or refuses to write stops nobody: from the first failure on every take is counted by
    `own`, this process's limiter, at once, until a look in the background finds Redis counting again. So a limit then
    holds in each process by itself. What was counted on one side is not carried to the other. Use it inside the event
    loop; `await close()` it.
    """

    def __init__(self, buckets: Buckets, *, own: Limiter, look_every_s: float) -> None:
        self.away = False
        self.outages = 0
        self.counted_alone = 0
        self.lane: GroupCommit[Wanted, Taken] = GroupCommit(name="limits", run=self._run, queue_max=16_384)
        self._buckets = buckets
        self._own = own
        self._look_every_s = look_every_s
        self._looking: asyncio.Task[None] | None = None
        self._log = structlog.get_logger("overworld.redis")

    async def take(self, key: str, limit: Limit, *, cost: int = 1) -> Taken:
        """Takes `cost` tokens of the bucket `key`, or nothing when they are not there.

        Raises: ValueError for a cost below 0 or above the burst, which no wait would ever allow.
        """
        if not 0 <= cost <= limit.burst:
            raise ValueError(f"cost {cost} is outside 0..{limit.burst}")
        if not self.away:
            try:
                return await self.lane.submit(Wanted(key, limit, cost))
            except (Fault, Busy) as unanswered:
                self._log.debug("counted alone", reason=str(unanswered))
        self.counted_alone += 1
        return await self._own.take(key, limit, cost=cost)

    async def check(self) -> None:
        """Passes when Redis counts now, whatever was before. Raises: RedisAway."""
        await self._buckets.take([_PROBE])

    async def start(self) -> None:
        """Looks once, so that an operator hears of a Redis that is away when the server starts; starts anyway."""
        try:
            await self.check()
        except RedisAway as away:
            self._fall_away(away)

    async def close(self) -> None:
        """Answers what was asked, and closes."""
        await self.lane.close()
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])
        await self._buckets.close()

    async def _run(self, wanted: Sequence[Wanted]) -> Sequence[Taken]:
        if self.away:  # these waited for the batch that failed: they must not wait for a failure of their own
            raise RedisAway
        try:
            return await self._buckets.take(wanted)
        except RedisAway as away:
            self._fall_away(away)
            raise

    def _fall_away(self, away: RedisAway) -> None:
        if self.away:
            return
        self.away = True
        self.outages += 1
        self._log.warning("redis is away: limits and lock-outs are counted by each server alone", reason=str(away))
        self._looking = asyncio.create_task(self._look_until_back(), name="redis look")

    async def _look_until_back(self) -> None:
        while self.away:
            await asyncio.sleep(self._look_every_s)
            try:
                await self.check()
            except RedisAway as away:
                self._log.debug("redis is still away", reason=str(away))
            else:
                self.away = False
                self._log.warning("redis is back: limits and lock-outs are counted by all servers together")
