"""Copies of a few records at a time, for kernels."""

from __future__ import annotations

from typing import Any

from overworld.geo.compiled import inner_kernel

from numba import types  # isort: skip - after `compiled`, which imports it without what nobody needs
from numba.core.cgutils import raw_memcpy  # isort: skip
from numba.core.extending import intrinsic  # isort: skip


def _typed(_context: Any, source: Any, start: Any, count: Any, target: Any, at: Any) -> Any:
    """What Numba asks: the types of the call, and what writes its machine code."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        item = context.get_abi_sizeof(context.get_data_type(source.dtype))
        of, to = (context.make_array(kind)(context, builder, args[k]).data for k, kind in ((0, source), (3, target)))
        _raw_memcpy(builder, builder.gep(to, [args[4]]), builder.gep(of, [args[1]]), args[2], item)
        return context.get_dummy_value()

    return types.void(source, types.int64, types.int64, target, types.int64), generate


_raw_memcpy: Any = raw_memcpy
_copy: Any = intrinsic(_typed)


@inner_kernel
def copy_items(source: Any, start: int, count: int, target: Any, at: int) -> None:
    """Copies so many items of a column into another one of its type; they must not overlap.

    For the few dozen bytes of a section: a loop over so little takes longer to begin than to run.
    """
    _copy(source, start, count, target, at)
