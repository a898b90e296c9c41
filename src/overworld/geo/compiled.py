"""How kernels are compiled: plain functions over columns and numbers, turned to machine code at their first call."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar, cast

from overworld.geo.lean_numba import import_numba

import_numba()  # before the first import of Numba

from numba import types  # noqa: E402
from numba.core.registry import CPUDispatcher  # noqa: E402

P = ParamSpec("P")
R = TypeVar("R")

# Nobody takes the address of a kernel, and columns outlive every call, so nothing is compiled for either.
_OPTIONS = {"nopython": True, "no_cfunc_wrapper": True, "_nrt": False}


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """The compiled form of a function, one per combination of argument types, kept in `NUMBA_CACHE_DIR`.

    A kernel raises nothing, checks no bounds and makes no arrays. Integers are 64 bits and wrap: shorter ones become
    int64 on the way from one kernel into another, so that each is compiled once. Mixing int64 with uint64 gives a
    float, so kernels hold cell ids as int64 (the same bits) and turn them to uint64 only on the way out.
    The cache notices a change of the file a kernel stands in, not of the kernels it calls in other files: whoever names
    the folder keeps one per build. Where no folder can be written, every process compiles for itself.
    """
    return _compiled(function)


def inner_kernel(function: Callable[P, R]) -> Callable[P, R]:
    """The same for what only kernels call: there is no way in from Python, which takes half the time to compile.

    It goes into the machine code of those who call it, and is kept with theirs.
    """
    return cast(Callable[P, R], _Inner(function, targetoptions=_OPTIONS | {"no_cpython_wrapper": True}))


def inlined_kernel(function: Callable[P, R]) -> Callable[P, R]:
    """The same, written into each kernel that calls it: for what is short and called for every byte or value.

    A column is seven numbers, which a call hands over one by one.
    """
    options = _OPTIONS | {"no_cpython_wrapper": True, "forceinline": True}
    return cast(Callable[P, R], _Inner(function, targetoptions=options))


def making_kernel(function: Callable[P, R]) -> Callable[P, R]:
    """The same for what makes arrays of its own. A call of it counts the references of every column up and down."""
    return _compiled(function, _nrt=True)


def threaded_kernel(function: Callable[P, R]) -> Callable[P, R]:
    """The same for long work in a thread: while it runs, the event loop runs too. Nobody else may hold its columns."""
    return _compiled(function, nogil=True, _nrt=True)


def entry_of(function: Callable[P, R], *args: P.args, **_kwargs: P.kwargs) -> Callable[P, R]:
    """The machine code of a kernel for arguments of the types of these, to be called with such by position.

    It looks at no types, which for records and many columns takes longer than a short kernel itself does: with
    arguments of other types it reads what is not there.
    """
    compiled = cast(CPUDispatcher, function)
    return cast(Callable[P, R], compiled.compile(tuple(map(compiled.typeof_pyval, args))))


def _compiled(function: Callable[P, R], **options: Any) -> Callable[P, R]:
    compiled = _Kernel(function, targetoptions=_OPTIONS | options)
    with suppress(RuntimeError):  # the cache finds no folder
        compiled.enable_caching()
    return cast(Callable[P, R], compiled)


class _Kernel(CPUDispatcher):
    """What numba makes of a function."""

    def get_call_template(self, args: Any, kws: Any) -> Any:
        """What numba asks when a kernel calls this one with arguments of some types."""
        return super().get_call_template(tuple(map(_widened, args)), kws)


class _Inner(_Kernel):
    """The same, to be called by kernels alone."""

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        """Raises: TypeError. There is no machine code for it."""
        raise TypeError(f"{self.py_func.__name__} is called by kernels only")


def _widened(kind: Any) -> Any:
    plain = getattr(kind, "literal_type", kind)
    is_short = isinstance(plain, types.Integer) and plain != types.uint64
    return types.int64 if is_short else plain


def compiled_count(kernels: Iterable[Callable[..., Any]]) -> int:
    """How many forms of these kernels exist in this process. It stays the same once everything is warm."""
    return sum(len(cast(Any, one).signatures) for one in kernels)
