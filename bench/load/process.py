"""A load generator in a process of its own, so that it takes no time from the server's and its clock is its own."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Protocol, Self

import psutil
import uvloop
from msgspec import Struct, field

from bench.prove.books import Told

_END_S = 10.0


class Tally(Struct):
    """What came of one round: how much was answered in how long, and the latencies that were taken, in seconds.

    `figures` has what else was measured, by the names that it is told under.
    """

    done: int = 0
    seconds: float = 0.0
    latencies_s: list[float] = field(default_factory=list)
    refusals: Counter[str] = field(default_factory=Counter)
    told: list[Told] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


class Measured(Protocol):
    """What can be measured in rounds."""

    async def prepare(self, units: int) -> None:
        """Gets ready for a round of about so many claims or fixes; what takes time is done here, not in the round."""

    async def round(self, seconds: float) -> None:
        """Loads the server for so long and waits for the last answers."""

    async def tally(self) -> Tally:
        """What came of the last round; what takes time to read is read here."""


class Closable(Protocol):
    """What holds connections."""

    async def close(self) -> None:
        """Ends the connections."""


class Load(Measured, Closable, Protocol):
    """Many clients of a server, connected."""


class Generator:
    """Runs the load that `make(plan)` gives in another process; both are sent there, so they must be picklable."""

    def __init__(self, make: Callable[[Any], Awaitable[Closable]], plan: Any) -> None:
        context = get_context("spawn")
        self._line, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(make, plan, theirs), daemon=True)
        self._theirs = theirs

    async def __aenter__(self) -> Self:
        self._process.start()
        self._theirs.close()
        await self._answer()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.is_alive() and error is None:
            self._line.send(("close", ()))
            await asyncio.to_thread(self._process.join, _END_S)
        self._process.kill()
        await asyncio.to_thread(self._process.join, _END_S)

    async def prepare(self, units: int) -> None:
        """As the load's own."""
        self._line.send(("prepare", (units,)))
        await self._answer()

    async def round(self, seconds: float) -> None:
        """As the load's own."""
        self._line.send(("round", (seconds,)))
        await self._answer()

    async def tally(self) -> Tally:
        """As the load's own."""
        self._line.send(("tally", ()))
        tally: Tally = await self._answer()
        return tally

    async def ask(self, name: str, *arguments: Any) -> Any:
        """What another method of the load gives."""
        self._line.send((name, arguments))
        return await self._answer()

    @property
    def process(self) -> psutil.Process:
        """The process that it runs in."""
        return psutil.Process(self._process.pid)

    async def _answer(self) -> Any:
        try:
            answer = await asyncio.to_thread(self._line.recv)
        except EOFError as error:
            raise RuntimeError("the load generator ended; what it printed says why") from error
        return answer


def _serve(make: Callable[[Any], Awaitable[Closable]], plan: Any, line: Connection) -> None:
    uvloop.run(_serve_load(make, plan, line))


async def _serve_load(make: Callable[[Any], Awaitable[Closable]], plan: Any, line: Connection) -> None:
    load = await make(plan)
    line.send(None)
    while True:
        name, arguments = await asyncio.to_thread(line.recv)
        answer = await getattr(load, name)(*arguments)
        if name == "close":
            return
        line.send(answer)
