"""Commands as careless operators give them, and what they get."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from bench.servers import Ran

SECRET = "hunter2-hunter2"
ANY_PORTS = ("--http-port", "0", "--realtime-port", "0", "--operations-port", "0")
REFUSED, WRONG = 1, 2

Run = Callable[..., Awaitable[Ran]]


def lines(ran: Ran) -> list[str]:
    """What a refusal says, without what was logged before."""
    return [line for line in ran.err.splitlines() if not line.startswith("{")]
