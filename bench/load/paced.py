"""HTTP requests at a rate, whatever the answers take: an open loop, as many players are who do not know each other."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from time import perf_counter
from typing import Protocol, Self

from msgspec import Struct

from bench.load.process import Tally
from overworld.client.raw_http import Answered, HttpLine

_OK = 200
_LAST_ANSWERS_S = 10.0


class Line(Protocol):
    """A connection that calls back with a status and a body; status 0 says that it was cut."""

    def send(self, request: bytes, answered: Answered, /) -> None: ...

    def close(self) -> None: ...


class PacedPlan(Struct, frozen=True, kw_only=True):
    """Whole requests, sent in turn at a rate over so many connections; `connect` makes one, by default of HTTP."""

    url: str
    requests: Sequence[bytes]
    per_s: float
    connections: int
    connect: Callable[[str], Awaitable[Line]] = HttpLine.connect


class PacedLoad:
    """Sends each request when it is due, or as soon after as a connection is free. A latency begins when it was due."""

    def __init__(self, plan: PacedPlan, lines: list[Line]) -> None:
        self._plan = plan
        self._lines = lines
        self._free = deque(lines)
        self._due: deque[float] = deque()
        self._next = 0
        self._tally = Tally()
        self._open = 0
        self._all_answered = asyncio.Event()

    @classmethod
    async def connect(cls, plan: PacedPlan) -> Self:
        """The load, connected. Raises: OSError."""
        return cls(plan, [await plan.connect(plan.url) for _ in range(plan.connections)])

    async def prepare(self, units: int) -> None:
        """Nothing takes time here."""

    async def round(self, seconds: float) -> None:
        """Sends for so long, then waits for the last answers."""
        self._tally = Tally()
        self._all_answered.clear()
        begun_s = perf_counter()
        wanted = max(1, round(seconds * self._plan.per_s))
        sent = 0
        while sent < wanted:
            now_s = perf_counter()
            while sent < wanted and (due_s := begun_s + sent / self._plan.per_s) <= now_s:
                self._due.append(due_s)
                self._open += 1
                sent += 1
            self._send_due()
            if sent < wanted:
                await asyncio.sleep(max(0.0, begun_s + sent / self._plan.per_s - perf_counter()))
        if self._open:
            try:
                await asyncio.wait_for(self._all_answered.wait(), _LAST_ANSWERS_S)
            except TimeoutError:
                self._tally.faults.append(f"{self._open} requests were not answered in {_LAST_ANSWERS_S:.0f} s")
        self._tally.seconds = perf_counter() - begun_s

    async def tally(self) -> Tally:
        """What came of the last round."""
        return self._tally

    async def close(self) -> None:
        """Ends the connections."""
        for line in self._lines:
            line.close()

    def _send_due(self) -> None:
        while self._due and self._free:
            line = self._free.popleft()
            request = self._plan.requests[self._next % len(self._plan.requests)]
            self._next += 1
            line.send(request, partial(self._answered, line, self._due.popleft()))

    def _answered(self, line: Line, due_s: float, status: int, body: bytes) -> None:
        tally = self._tally
        self._open -= 1
        if status != _OK:
            tally.faults.append(f"a request was answered {status} {body[:200]!r}")
        else:
            tally.done += 1
            tally.latencies_s.append(perf_counter() - due_s)
        if status != 0:
            self._free.append(line)
            self._send_due()
        if not self._open:
            self._all_answered.set()
