"""JSON on standard output, the same for every command that has `--json`."""

from __future__ import annotations

import sys
from typing import Any


def print_json(told: Any) -> None:
    """Prints what a command tells as JSON with line breaks, for people and programs."""
    import msgspec  # noqa: PLC0415  # commands that print none start without it

    sys.stdout.write(msgspec.json.format(msgspec.json.encode(told)).decode() + "\n")
