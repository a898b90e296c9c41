"""Traces of a server process: recorded while it lives, where an endpoint is set."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

from overworld import __version__
from overworld.app import queues
from overworld.kernel.tracing import recording
from overworld.platform.observability import Metrics, SpanQueue, TracingSettings


@asynccontextmanager
async def traced(settings: TracingSettings, *, metrics: Metrics) -> AsyncIterator[None]:
    """Records spans while the block runs, and exports the last of them at its end."""
    if not settings.endpoint:
        measure(metrics, None)
        yield
        return
    # Only here: the SDK takes a tenth of a second and 15 MB that a server without traces need not pay.
    from overworld.platform.observability.otlp import Otlp  # noqa: PLC0415

    exporter = Otlp(
        endpoint=settings.endpoint, service=settings.service_name, version=__version__, instance=str(uuid4())
    )
    spans = SpanQueue(exporter, settings=settings)
    measure(metrics, spans)
    exporting = asyncio.create_task(spans.run(), name="tracing")
    try:
        with recording(spans):
            yield
    finally:
        exporting.cancel()
        await asyncio.wait([exporting])
        await spans.close()


def measure(metrics: Metrics, spans: SpanQueue | None) -> None:
    """Registers what there is to say of spans; without an endpoint that is nothing."""
    if spans is not None:
        queues.watch(metrics, "spans", spans)
    metrics.count("overworld_spans_exported", "Spans that the collector took.", lambda: spans.exported if spans else 0)
    metrics.count("overworld_spans_lost", "Spans that the collector did not take.", lambda: spans.lost if spans else 0)
