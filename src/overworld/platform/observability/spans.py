"""Spans on their way to a collector: a bounded queue in memory, and a loop that exports it."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Coroutine
from contextlib import suppress
from random import random
from typing import Any, Protocol

import structlog

from overworld.kernel.tracing import Span, Trace
from overworld.platform.observability.settings import TracingSettings

_EVERY_S = 1.0
_SPANS_AT_ONCE = 512
_DRAIN_S = 5.0


class Exporter(Protocol):
    """Hands spans to a collector; it may wait, so it is called in a thread."""

    def export(self, spans: list[Span]) -> bool:
        """Whether the collector took them."""
        ...

    def close(self) -> None:
        """Closes what is open."""
        ...


class SpanQueue:
    """Keeps spans until they are exported. A full queue drops what comes; what the collector does not take is lost.

    Nothing else waits for it: a collector that is away costs spans, and a warning each time that it goes away.
    """

    def __init__(self, exporter: Exporter, *, settings: TracingSettings) -> None:
        self._exporter = exporter
        self._settings = settings
        self._spans: deque[Span] = deque()
        self._full = asyncio.Event()
        self._is_away = False
        self.exported = 0
        self.refused = 0
        self.lost = 0

    @property
    def waiting(self) -> int:
        """Spans not exported yet."""
        return len(self._spans)

    @property
    def waiting_max(self) -> int:
        """How many may wait."""
        return self._settings.queue_max

    @property
    def oldest_s(self) -> float:
        """How long ago the first of them ended."""
        return (self.now_ns() - self._spans[0].ended_ns) / 1e9 if self._spans else 0.0

    def samples(self, caller: Trace | None) -> bool:
        """Whether a trace is recorded: as its caller says, where that counts; else by chance."""
        if caller is not None and self._settings.follow_callers:
            return caller.is_sampled
        return random() < self._settings.sample_share  # noqa: S311 - no secret

    def now_ns(self) -> int:
        """Nanoseconds since 1970."""
        return time.time_ns()

    def keep(self, span: Span) -> None:
        """Queues a span, or drops it when too many wait."""
        if len(self._spans) >= self._settings.queue_max:
            self.refused += 1
            return
        self._spans.append(span)
        if len(self._spans) >= _SPANS_AT_ONCE:
            self._full.set()

    async def run(self) -> None:
        """Exports until it is cancelled; a loop."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_EVERY_S):
                    await self._full.wait()
            self._full.clear()
            await self._export()

    async def close(self) -> None:
        """Exports what is left, for a moment, and closes the exporter."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_S):
                await self._export()
        self.lost += len(self._spans)
        self._spans.clear()
        self._exporter.close()

    async def _export(self) -> None:
        while self._spans:
            spans = [self._spans.popleft() for _ in range(min(len(self._spans), _SPANS_AT_ONCE))]
            if not await _whole(self._hand_over(spans)):
                return

    async def _hand_over(self, spans: list[Span]) -> bool:
        took = await asyncio.to_thread(self._exporter.export, spans)
        if took:
            self.exported += len(spans)
        else:
            self.lost += len(spans)
            if not self._is_away:
                structlog.get_logger("overworld.tracing").warning("spans are lost", endpoint=self._settings.endpoint)
        self._is_away = not took
        return took


async def _whole(export: Coroutine[Any, Any, bool]) -> bool:
    """An export that is not cut off: its thread goes on whatever becomes of us, and its spans are to be counted."""
    task = asyncio.ensure_future(export)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
