"""Who is in an experiment and what they did, as columns."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


class Subjects(Struct, frozen=True, kw_only=True):
    """The players of an experiment, (n,), in the order in which they first met the variant that chance gave them.

    `arm` is the place of that among the variants of the definition, `at_us` when it was. Those who met two variants are
    `crossed`, those whom a rule gave one are `named`; neither is among the n. `is_cut` says that there are more than
    were taken: those who registered last are left out.
    """

    player_id: Sequence[UUID]
    arm: I64
    at_us: I64
    crossed: int = 0
    named: int = 0
    is_cut: bool = False


class Outcome(Struct, frozen=True, kw_only=True):
    """What one metric says of players, (n,), in the order in which their windows ended.

    `arm` and `at_us` are as in `Subjects`; `value` is the sum over the window, `before` the covariate, NaN where it is
    not known. `waiting` are those whose window is still open: they are not among the n.
    """

    arm: I64
    at_us: I64
    value: F64
    before: F64
    waiting: int = 0
