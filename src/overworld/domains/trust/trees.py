"""River's half-space trees without the rest of river.

Importing `river.anomaly` and `river.tree` the usual way imports every model in them, and with those all of scipy.stats:
most of a second and 80 MB in each server, of which the trees use nothing.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

_HOLLOW = ("river.anomaly", "river.tree")


@cache
def half_space_trees() -> Any:
    """The class `HalfSpaceTrees`. Its first call imports it, which takes some 50 ms."""
    import river  # noqa: PLC0415  # only servers need it

    held = {name: sys.modules[name] for name in _HOLLOW if name in sys.modules}
    for name in _HOLLOW:
        package = ModuleType(name)
        package.__path__ = [f"{folder}/{name.rpartition('.')[2]}" for folder in river.__path__]
        sys.modules[name] = package
    try:
        return import_module("river.anomaly.hst").HalfSpaceTrees
    finally:
        for name in _HOLLOW:  # whoever imports them later gets them whole
            del sys.modules[name]
        sys.modules.update(held)
