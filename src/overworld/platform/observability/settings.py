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
