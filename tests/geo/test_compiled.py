"""Kernels compile wherever they are loaded."""

from __future__ import annotations

import pytest
from numba.core.caching import FunctionCache

from overworld.geo.compiled import kernel


def _double(number: int) -> int:
    return 2 * number


@pytest.mark.slow
def test_a_kernel_compiles_where_no_folder_can_be_written(monkeypatch):
    monkeypatch.setattr(FunctionCache._impl_class, "_locator_classes", [])
    assert kernel(_double)(21) == 42
