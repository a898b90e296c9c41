"""Kernels: how they are called, and how often they are compiled."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from numba import types

from overworld.geo.compiled import compiled_count, inner_kernel, kernel


@inner_kernel
def doubled(number: int) -> int:
    return 2 * number


@kernel
def sum_of_doubled(short: np.ndarray, long: np.ndarray) -> int:
    return doubled(short[0]) + doubled(long[0]) + doubled(3)


def test_an_inner_kernel_refuses_a_call_from_python():
    """It has no way in: the call would end the process."""
    with pytest.raises(TypeError, match="doubled is called by kernels only"):
        doubled(1)


def test_an_inner_kernel_takes_whole_numbers_of_all_lengths():
    assert sum_of_doubled(np.array([200], np.uint8), np.array([2**40], np.int64)) == 2 * (200 + 2**40 + 3)


def test_an_inner_kernel_is_compiled_once_for_whole_numbers_of_all_lengths():
    """Asked as a kernel that is compiled asks; one from the cache asks nothing."""
    dispatcher: Any = doubled
    for number in (types.uint8, types.int32, types.uint32, types.int64, types.literal(3)):
        dispatcher.get_call_template((number,), {})
    assert compiled_count([doubled]) == 1


LEAN = """
import sys
from overworld.geo import cells
cells.cell_of(46.0, 14.5, 15)
print("scipy.linalg" in sys.modules, "coverage" in sys.modules)
import coverage, scipy.linalg.cython_blas
print(scipy.linalg.cython_blas is not None)
"""


@pytest.mark.slow
def test_kernels_run_without_what_numba_imports_for_others_and_who_wants_it_still_gets_it():
    done = subprocess.run([sys.executable, "-c", LEAN], capture_output=True, text=True, timeout=60, check=True)  # noqa: S603 - our own words
    assert done.stdout.split() == ["False", "False", "True"]
