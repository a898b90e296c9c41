"""How kernels are compiled: plain functions over columns and numbers, turned to machine code at their first call."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ParamSpec, TypeVar, cast

from numba import njit

P = ParamSpec("P")
R = TypeVar("R")


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """The compiled form of a function, one per combination of argument types, kept in `NUMBA_CACHE_DIR`.

    A kernel raises nothing and checks no bounds. Integers are 64 bits and wrap. Mixing int64 with uint64 gives a float,
    so kernels hold cell ids as int64 (the same bits) and turn them to uint64 only on the way out.
    A call that is not inlined counts the references of every column it is given up and down, some 10 ns for each: in
    a hot loop pass the few columns that are needed, not all of them in a tuple.
    The cache notices a change of the file a kernel stands in, not of the kernels it calls in other files: whoever names
    the folder keeps one per build. Where no folder can be written, every process compiles for itself.
    """
    return _compiled(function)


def threaded_kernel(function: Callable[P, R]) -> Callable[P, R]:
    """The same for long work in a thread: while it runs, the event loop runs too. Nobody else may hold its columns."""
    return _compiled(function, nogil=True)


def inlined_kernel(function: Callable[P, R]) -> Callable[P, R]:
    """The same for what a hot loop calls with many columns: its code is put where it is called, and counts nothing."""
    return _compiled(function, inline="always")


def _compiled(function: Callable[P, R], **options: Any) -> Callable[P, R]:
    try:
        compiled = njit(cache=True, **options)(function)
    except RuntimeError:  # the cache finds no folder
        compiled = njit(function, **options)
    return cast(Callable[P, R], compiled)


def compiled_count(kernels: Iterable[Callable[..., Any]]) -> int:
    """How many forms of these kernels exist in this process. It stays the same once everything is warm."""
    return sum(len(cast(Any, one).signatures) for one in kernels)
