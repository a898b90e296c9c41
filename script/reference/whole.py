"""The whole package, imported: only then do the registries of refusals and events hold everything."""

from __future__ import annotations

import importlib
import pkgutil

import overworld
from overworld.kernel.events import Event
from overworld.kernel.refusals import Refusal


def import_all() -> None:
    """Imports every module of the package but the one that runs it."""
    for module in pkgutil.walk_packages(overworld.__path__, "overworld."):
        if not module.name.endswith(".__main__"):
            importlib.import_module(module.name)


def refusals() -> list[type[Refusal]]:
    """Every refusal of the product, by code."""
    import_all()
    return [kind for _, kind in sorted(Refusal.registry.items()) if _is_ours(kind)]


def events() -> list[type[Event]]:
    """Every event of the product, by topic."""
    import_all()
    return [kind for _, kind in sorted(Event.registry.items()) if _is_ours(kind)]


def _is_ours(kind: type) -> bool:
    """Not one that a test has declared."""
    return kind.__module__.partition(".")[0] == "overworld"
