"""How much of a large set of like cases a run goes through: a fixed part of it, or with `script/test --whole` all."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TypeVar

import pytest

Case = TypeVar("Case")

# Not OVERWORLD_...: servers refuse settings that they do not know.
WHOLE = bool(os.environ.get("TESTS_WHOLE"))

whole_only = pytest.mark.skipif(not WHOLE, reason="one of many alike, tried by script/test --whole")


def thinned(cases: Iterable[Case], *, one_in: int) -> list[Case]:
    """Every `one_in`-th case, the same in each run. Let it share no factor with the length of what repeats in them."""
    return list(cases)[:: 1 if WHOLE else one_in]


def rounds(usual: int, whole: int) -> int:
    """How often something is tried that only chance can show."""
    return whole if WHOLE else usual
