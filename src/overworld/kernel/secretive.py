"""Values that carry a secret say nothing when they are printed."""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class Secretive(Struct, frozen=True):
    """The base of values that carry a secret: however they are printed, their fields stay hidden."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return []
