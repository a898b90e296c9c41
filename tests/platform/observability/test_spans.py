"""Spans on their way out: to a real collector, within a bound, and never at somebody else's cost."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import asynccontextmanager

import pytest

from overworld.kernel import tracing
from overworld.kernel.tracing import Kind, Trace
from overworld.platform.observability import SpanQueue, TracingSettings
from overworld.platform.observability.otlp import Otlp
from tests.collector import collecting

PLACE = Trace("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", True)
OTHER = Trace("a" * 32, "b" * 16, True)


@asynccontextmanager
async def recorded(url: str, **settings: object):
    """Records into a collector; the last spans leave at the end."""
    chosen = TracingSettings(endpoint=url, **settings)  # type: ignore[arg-type]
    exporter = Otlp(endpoint=url, service="tested", version="1", instance="here")
    spans = SpanQueue(exporter, settings=chosen)
    try:
        with tracing.recording(spans):
            yield spans
    finally:
        await spans.close()


async def test_a_span_arrives_as_it_was():
    with collecting() as collector:
        async with recorded(collector.url):
            with (
                tracing.at(PLACE),
                tracing.span("work", kind=Kind.CONSUMER, links=[OTHER], attributes={"n": 3, "is": True}) as span,
            ):
                assert span is not None
                span.error = "went wrong"
    [told] = collector.spans
    assert (told.name, told.kind, told.service, told.error) == ("work", "consumer", "tested", "went wrong")
    assert (told.trace_id, told.parent_id) == (PLACE.trace_id, PLACE.span_id)
    assert told.links == {(OTHER.trace_id, OTHER.span_id)}
    assert told.attributes == {"n": 3, "is": True}
    assert told.took_ns > 0


async def test_spans_leave_by_themselves_while_the_server_runs():
    with collecting() as collector:
        async with recorded(collector.url) as spans:
            running = asyncio.create_task(spans.run())
            with tracing.at(PLACE), tracing.span("early"):
                pass
            await asyncio.to_thread(collector.until, lambda told: len(told) == 1)
            running.cancel()
            await asyncio.wait([running])
        assert (spans.exported, spans.lost, spans.waiting) == (1, 0, 0)


async def test_a_full_queue_drops_and_counts():
    with collecting() as collector:
        async with recorded(collector.url, queue_max=2) as spans:
            for name in "abc":
                with tracing.at(PLACE), tracing.span(name):
                    pass
            assert (spans.waiting, spans.waiting_max, spans.refused) == (2, 2, 1)
            assert spans.oldest_s > 0
    assert [span.name for span in collector.spans] == ["a", "b"]


async def test_what_a_collector_does_not_take_is_lost_and_counted():
    with collecting() as collector:
        collector.refuses = True
        async with recorded(collector.url) as spans:
            with tracing.at(PLACE), tracing.span("x"):
                pass
        assert (spans.exported, spans.lost, spans.waiting) == (0, 1, 0)


@pytest.mark.parametrize(
    ("share", "follows", "caller", "expected"),
    [
        (0.0, True, PLACE, True),
        (0.0, True, PLACE._replace(is_sampled=False), False),
        (1.0, True, PLACE._replace(is_sampled=False), False),
        (0.0, False, PLACE, False),
        (1.0, False, PLACE._replace(is_sampled=False), True),
        (0.0, True, None, False),
        (1.0, True, None, True),
    ],
)
async def test_who_decides_whether_a_trace_is_recorded(share, follows, caller, expected):
    spans = SpanQueue(None, settings=TracingSettings(sample_share=share, follow_callers=follows))  # type: ignore[arg-type]
    assert spans.samples(caller) is expected


def test_the_sdk_is_imported_only_where_an_endpoint_is_set():
    """A server without traces pays neither its time nor its memory."""
    program = (
        "import sys, overworld.app.serve, overworld.app.compose; print([m for m in sys.modules if 'opentel' in m])"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)  # noqa: S603 - itself
    assert ran.stdout.strip() == "[]"
