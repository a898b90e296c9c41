"""A collector of traces for tests: takes OTLP over HTTP as any collector does, and keeps the spans."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from msgspec import Struct
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan


class Told(Struct, frozen=True, kw_only=True):
    """A span as it was received; ids in hexadecimal digits, links as (trace id, span id)."""

    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    links: frozenset[tuple[str, str]]
    attributes: dict[str, str | int | float | bool]
    service: str
    error: str
    took_ns: int


class Collector:
    """What was received so far. `refuses` makes it answer 400 from then on."""

    def __init__(self) -> None:
        self.spans: list[Told] = []
        self.refuses = False
        self.url = ""
        self._grown = threading.Condition()

    def take(self, body: bytes) -> None:
        """Keeps what one request holds. Raises: google.protobuf's DecodeError for anything but OTLP."""
        request = ExportTraceServiceRequest.FromString(body)
        told = [
            _told(span, {one.key: one.value.string_value for one in of_resource.resource.attributes}["service.name"])
            for of_resource in request.resource_spans
            for of_scope in of_resource.scope_spans
            for span in of_scope.spans
        ]
        with self._grown:
            self.spans += told
            self._grown.notify_all()

    def until(self, holds: Callable[[list[Told]], bool], *, timeout_s: float = 20.0) -> list[Told]:
        """Waits until the spans fulfil something, and gives them all; blocks its thread."""
        with self._grown:
            assert self._grown.wait_for(lambda: holds(self.spans), timeout_s), [span.name for span in self.spans]
            return list(self.spans)


def connected(spans: list[Told], first: Told) -> list[Told]:
    """All spans that can be reached from one over parents and links, either way: what a person finds by clicking."""
    found, queue = {first.span_id: first}, deque([first])
    while queue:
        one = queue.popleft()
        for other in spans:
            is_near = (
                other.parent_id == one.span_id
                or one.parent_id == other.span_id
                or (other.trace_id, other.span_id) in one.links
                or (one.trace_id, one.span_id) in other.links
            )
            if is_near and other.span_id not in found:
                found[other.span_id] = other
                queue.append(other)
    return list(found.values())


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector on a free port of this machine, while the block runs."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            assert self.path == "/v1/traces"
            if not collector.refuses:
                collector.take(body)
            self.send_response(400 if collector.refuses else 200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _told(span: WireSpan, service: str) -> Told:
    return Told(
        name=span.name,
        kind=WireSpan.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        links=frozenset((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
        attributes={one.key: getattr(one.value, one.value.WhichOneof("value") or "") for one in span.attributes},
        service=service,
        error=span.status.message if span.status.code else "",
        took_ns=span.end_time_unix_nano - span.start_time_unix_nano,
    )
