"""`python -m bench list` names the benchmarks; `python -m bench NAME [ARGUMENT...]` runs one.

A benchmark is a module of this package with `main(arguments: Sequence[str]) -> int`; its docstring's first line says
what it measures.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pkgutil import iter_modules

import bench

Main = Callable[[Sequence[str]], int]


def benchmarks() -> dict[str, tuple[Main, str]]:
    """Every benchmark by name: what runs it, and what it measures."""
    found: dict[str, tuple[Main, str]] = {}
    for name in sorted(module.name for module in iter_modules(bench.__path__) if not module.ispkg):
        module = import_module(f"bench.{name}") if name != "__main__" else None
        if main := getattr(module, "main", None):
            found[name] = (main, (module.__doc__ or "").partition("\n")[0])
    return found


def main(arguments: Sequence[str]) -> int:
    """Lists the benchmarks, or runs one and gives its exit code; 2 when there is none of that name."""
    known = benchmarks()
    if list(arguments) in ([], ["list"]):
        sys.stdout.writelines(f"{name:<24}{measures}\n" for name, (_, measures) in known.items())
        return 0
    if arguments[0] not in known:
        sys.stderr.write(f"no benchmark {arguments[0]!r}; there are: {', '.join(known) or 'none'}\n")
        return 2
    return known[arguments[0]][0](arguments[1:])


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
