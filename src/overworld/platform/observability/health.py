"""Whether the server is alive, ready, and which of its parts is not well."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import perf_counter

import structlog
from msgspec import Struct

from overworld.kernel.refusals import Fault

Check = Callable[[], Awaitable[None]]

TIMEOUT_S = 2.0


class ComponentHealth(Struct, frozen=True, kw_only=True):
    """How one part is: whether its check passed, how long it took, and the reason when it did not."""

    ok: bool
    latency_ms: float
    reason: str | None = None


class Health(Struct, frozen=True, kw_only=True):
    """How the server is. It is ready when it is not draining and every part it needs is well."""

    ready: bool
    draining: bool
    components: dict[str, ComponentHealth]


class HealthChecks:
    """The checks that parts of the server add, and whether it is on its way out."""

    def __init__(self, *, timeout_s: float = TIMEOUT_S) -> None:
        self._checks: dict[str, tuple[Check, bool]] = {}
        self._timeout_s = timeout_s
        self.draining = False

    def add(self, name: str, check: Check, *, needed: bool = True) -> None:
        """Adds a part by its check, which raises when the part is not well.

        Without a `needed` part the server takes no traffic; another one is only reported. Raises: ValueError for a
        name that is taken.
        """
        if name in self._checks:
            raise ValueError(f"health check {name!r} is already there")
        self._checks[name] = (check, needed)

    def drain(self) -> None:
        """Says from now on that the server is not ready: it finishes what it has and takes nothing new."""
        self.draining = True

    async def look(self) -> Health:
        """Runs every check at once, each for at most the time-out, and says how the server is."""
        found = await asyncio.gather(*(self._run(name, check) for name, (check, _) in self._checks.items()))
        components = dict(zip(self._checks, found, strict=True))
        well = all(components[name].ok for name, (_, needed) in self._checks.items() if needed)
        return Health(ready=well and not self.draining, draining=self.draining, components=components)

    async def _run(self, name: str, check: Check) -> ComponentHealth:
        started_s = perf_counter()
        reason = None
        try:
            async with asyncio.timeout(self._timeout_s):
                await check()
        except TimeoutError:
            reason = f"no answer within {self._timeout_s:g} s"
        except Exception as error:
            reason = type(error).__name__
            bug = None if isinstance(error, Fault) else error
            structlog.get_logger("overworld.health").warning(
                "unhealthy", component=name, reason=str(error), exc_info=bug
            )
        return ComponentHealth(
            ok=reason is None, latency_ms=round((perf_counter() - started_s) * 1e3, 3), reason=reason
        )
