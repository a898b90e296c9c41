"""Copies between columns, as kernels make them."""

import numpy as np
import pytest

from overworld.geo.compiled import kernel
from overworld.geo.copying import copy_items

_RECORD = np.dtype([("a", "<u4"), ("b", "u1")])


@kernel
def copied(source, start, count, target, at):
    copy_items(source, start, count, target, at)
    return at + count


@pytest.mark.parametrize("kind", [np.uint16, np.float64, _RECORD])
@pytest.mark.parametrize("count", [0, 1, 5, 24, 63])
def test_so_many_items_are_copied_and_no_more(kind, count):
    source, target = (
        np.frombuffer(np.random.default_rng(seed).bytes(100 * np.dtype(kind).itemsize), kind).copy() for seed in (1, 2)
    )
    wanted = target.tobytes()
    size = source.itemsize
    wanted = wanted[: 11 * size] + source[7 : 7 + count].tobytes() + wanted[(11 + count) * size :]
    assert copied(source, 7, count, target, 11) == 11 + count
    assert target.tobytes() == wanted
