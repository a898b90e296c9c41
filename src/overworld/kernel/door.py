"""A package's public door that opens on first use.

A package imports its rooms when somebody asks for what is in them, not when one of its modules is looked at: reading
the settings of a room must not load the drivers beside it (the whole server takes two seconds to import).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any


def door(package: str, **rooms: Sequence[str]) -> Callable[[str], Any]:
    """The `__getattr__` of a package (PEP 562) that finds each name in its room: `door(__name__, errors=["Gone"])`."""
    room_of = {name: room for room, names in rooms.items() for name in names}

    def find(name: str) -> Any:
        if name not in room_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{room_of[name]}"), name)

    return find
