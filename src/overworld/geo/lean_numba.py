"""Numba without what it imports for others, so that servers and commands start sooner.

For products of matrices inside kernels it asks for all of `scipy.linalg`, and no kernel of ours has any; for the lines
that kernels reach it asks for coverage, which is installed where the product is developed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

_UNUSED = ("scipy.linalg.cython_blas", "coverage")


def import_numba() -> None:
    """Imports what looks for those modules, as if they were not installed. Who wants them later still gets them."""
    with _absent(_UNUSED):
        import_module("numba.np.arraymath")


@contextmanager
def _absent(names: tuple[str, ...]) -> Iterator[None]:
    """While the block runs these cannot be imported; those that were imported before stay."""
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None stands for a module that is not there
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
