"""Traces of a server process: recorded while it lives, where an endpoint is set."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

from overworld import __version__
from overworld.kernel.tracing import recording
from overworld.platform.observability import Metrics, SpanQueue, TracingSettings


@asynccontextmanager
async def traced(settings: TracingSettings, *, metrics: Metrics) -> AsyncIterator[None]:
    """Records spans while the block runs, and exports the last of them at its end."""
    if not settings.endpoint:
        yield
        return
    # Only here: the SDK takes a tenth of a second and 15 MB that a server without traces need not pay.
    from overworld.platform.observability.otlp import Otlp  # noqa: PLC0415

    exporter = Otlp(
        endpoint=settings.endpoint, service=settings.service_name, version=__version__, instance=str(uuid4())
    )
    spans = SpanQueue(exporter, settings=settings)
    exporting = asyncio.create_task(spans.run(), name="tracing")
    try:
        with recording(spans):
            yield
    finally:
        exporting.cancel()
        await asyncio.wait([exporting])
        await spans.close()
