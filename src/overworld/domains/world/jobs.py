"""What the world does from time to time: expiry, events on their way to the log, fixes shared with other servers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from msgspec import Struct

from overworld.domains.world.fences.triggers import Triggers
from overworld.domains.world.service import FixSharing, MovementEvents, World
from overworld.domains.world.types import WorldSettings
from overworld.kernel.cancelling import end_if_cancelled
from overworld.kernel.clock import Clock
from overworld.kernel.refusals import Fault

_EXPIRE_EVERY_S = 1.0
_FORGET_EVERY_S = 60.0
_DWELLING_EVERY_S = 1.0
_log = logging.getLogger(__name__)


class Job(Struct, frozen=True):
    """A step that runs every so often, and `at_once` too. A failure is logged, a bug with its traceback; it goes on."""

    name: str
    every_s: float
    step: Callable[[], Awaitable[None]]
    at_once: bool = False

    async def run(self) -> None:
        """Runs the step until it is cancelled."""
        pause_s = 0.0 if self.at_once else self.every_s
        while True:
            await asyncio.sleep(pause_s)
            pause_s = self.every_s
            try:
                await self.step()
            except Fault as fault:
                end_if_cancelled()
                _log.warning("%s: %s", self.name, fault)
            except Exception:
                end_if_cancelled()
                _log.exception("%s failed", self.name)


def jobs_of(
    *,
    world: World,
    events: MovementEvents,
    sharing: FixSharing | None,
    triggers: Triggers,
    clock: Clock,
    settings: WorldSettings,
) -> list[Job]:
    """The world's jobs; without `sharing` it shares nothing."""

    async def expire() -> None:
        world.expire()

    async def forget() -> None:
        world.forget()

    async def look_for_dwelling() -> None:
        triggers.look(now_us=clock.now_us())

    jobs = [
        Job("world.expire", _EXPIRE_EVERY_S, expire),
        Job("world.forget", _FORGET_EVERY_S, forget),
        Job("world.dwelling", _DWELLING_EVERY_S, look_for_dwelling),
        Job("world.write_events", settings.events_every_ms / 1_000, events.write),
    ]
    if sharing is not None:
        jobs += [
            Job("world.share_fixes", settings.share_every_ms / 1_000, sharing.write),
            Job("world.delete_shared_fixes", _FORGET_EVERY_S, sharing.delete_old),
        ]
    return jobs
