"""Spans as OpenTelemetry takes them: OTLP over HTTP. Imported only where there is a `tracing.endpoint`."""

from __future__ import annotations

import logging
import platform
import socket

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from overworld.kernel.tracing import Kind, Span, Trace

_PATH = "/v1/traces"
_TIMEOUT_S = 5.0
_KINDS = {
    Kind.INTERNAL: SpanKind.INTERNAL,
    Kind.SERVER: SpanKind.SERVER,
    Kind.CLIENT: SpanKind.CLIENT,
    Kind.PRODUCER: SpanKind.PRODUCER,
    Kind.CONSUMER: SpanKind.CONSUMER,
}


class Otlp:
    """Exports to one collector. Headers that it asks for come from `OTEL_EXPORTER_OTLP_HEADERS`."""

    def __init__(self, *, endpoint: str, service: str, version: str, instance: str) -> None:
        # What goes wrong is said once by the queue, not at each try by the library.
        logging.getLogger("opentelemetry.exporter.otlp.proto.http.trace_exporter").setLevel(logging.CRITICAL)
        url = endpoint if endpoint.endswith(_PATH) else endpoint.rstrip("/") + _PATH
        self._exporter = OTLPSpanExporter(endpoint=url, timeout=_TIMEOUT_S)
        self._scope = InstrumentationScope("overworld", version)
        self._resource = Resource(
            {
                "service.name": service,
                "service.version": version,
                "service.instance.id": instance,
                "host.name": socket.gethostname(),
                "process.runtime.name": platform.python_implementation().lower(),
                "process.runtime.version": platform.python_version(),
            }
        )

    def export(self, spans: list[Span]) -> bool:
        """Whether the collector took them; waits for at most some seconds."""
        return self._exporter.export([self._readable(span) for span in spans]) is SpanExportResult.SUCCESS

    def close(self) -> None:
        """Closes the connection."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]

    def _readable(self, span: Span) -> ReadableSpan:
        parent = None if span.parent_id is None else Trace(span.trace.trace_id, span.parent_id, True)
        return ReadableSpan(
            name=span.name,
            context=_context(span.trace),
            parent=None if parent is None else _context(parent),
            resource=self._resource,
            attributes=span.attributes,
            links=[Link(_context(link)) for link in span.links],
            kind=_KINDS[span.kind],
            instrumentation_scope=self._scope,
            status=Status(StatusCode.ERROR, span.error) if span.error else Status(StatusCode.UNSET),
            start_time=span.started_ns,
            end_time=span.ended_ns,
        )


def _context(trace: Trace) -> SpanContext:
    return SpanContext(
        trace_id=int(trace.trace_id, 16),
        span_id=int(trace.span_id, 16),
        is_remote=False,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
    )
