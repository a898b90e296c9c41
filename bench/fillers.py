"""Events that say when they were due, and who writes them: at a rate, or as fast as they are taken."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, Protocol

from msgspec import Struct

from overworld.kernel.events import Event

EVENT_BYTES = 200
_PADS = {"json": "." * 17, "avro": "." * 127}
_KEYS = [f"{number:03}" for number in range(1_000)]
_TICK_S = 0.01

Form = Literal["avro", "json"]


class Filler(Event):
    """An event that says when it was due, and is as long as was asked for."""

    topic = "bench.filler.made"
    whose: str
    due_s: float
    pad: str

    @property
    def key(self) -> str:
        """Whose it is."""
        return self.whose


Write = Callable[[Sequence[Filler]], Awaitable[None]]


class Writing(Protocol):
    """Who writes the events of a benchmark."""

    async def paced(self, seconds: float) -> int:
        """Writes at its rate for so long, and gives how many. What is written late was due all the same."""

    async def flat_out(self, seconds: float) -> int:
        """Some writers each write one batch after the other for so long; gives how many events."""


class Pen(Struct, frozen=True, kw_only=True):
    """Writes in this process, events whose envelopes are about `EVENT_BYTES` long in their form."""

    write: Write
    form: Form
    rate: float
    writers: int
    batch: int

    async def paced(self, seconds: float) -> int:
        """As `Writing` has it."""
        began_s, written = time.perf_counter(), 0
        each = max(1, round(self.rate * _TICK_S))
        total = max(each, round(self.rate * seconds))
        while written < total:
            due_s = began_s + written / self.rate
            await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
            await self.write(fillers(min(each, total - written), due_s=due_s, form=self.form))
            written += each
        return total

    async def flat_out(self, seconds: float) -> int:
        """As `Writing` has it."""
        began_s = time.perf_counter()

        async def goes_on() -> int:
            written = 0
            while (now_s := time.perf_counter()) - began_s < seconds:
                await self.write(fillers(self.batch, due_s=now_s, form=self.form))
                written += self.batch
            return written

        return sum(await asyncio.gather(*(goes_on() for _ in range(self.writers))))


def fillers(count: int, *, due_s: float, form: Form) -> list[Filler]:
    """Events whose envelopes are about `EVENT_BYTES` long in that form."""
    due_s, pad = round(due_s, 6), _PADS[form]
    return [Filler(whose=whose, due_s=due_s, pad=pad) for whose in random.choices(_KEYS, k=count)]
