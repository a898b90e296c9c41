"""What can be set about logs and the operations port."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct


class LogSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """The section `log`."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="The least urgent lines to write.")
    ] = "info"
    format: Annotated[
        Literal["auto", "json", "console"],
        Meta(description="One JSON object a line, or text for people; auto is text on a terminal."),
    ] = "auto"


class OperationsSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """The section `operations`: health and metrics. Keep the port away from the public."""

    host: Annotated[str, Meta(description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="Port to listen on; 0 takes any free one.")] = 7403


class TracingSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The section `tracing`: where spans go. Without an endpoint none is recorded."""

    endpoint: Annotated[
        str,
        Meta(
            max_length=2_048,
            description="Where a collector takes OTLP over HTTP, as http://127.0.0.1:4318; empty: nowhere",
        ),
    ] = ""
    sample_share: Annotated[
        float, Meta(ge=0, le=1, description="Share of the traces that begin here which is recorded")
    ] = 0.01
    follow_callers: Annotated[
        bool, Meta(description="Let the `traceparent` of a caller decide whether its trace is recorded")
    ] = True
    service_name: Annotated[
        str, Meta(min_length=1, max_length=255, description="What the collector knows this server by")
    ] = "overworld"
    queue_max: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Spans that may wait to be exported; more are dropped and counted")
    ] = 8_192
