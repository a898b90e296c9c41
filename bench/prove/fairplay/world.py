"""The real engine on virtual time: the fixes of a crowd go through its passes as they arrive."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from bench.prove.fairplay.crowd import Crowd
from bench.stage import Stage
from overworld.domains.world.types import InterestRules, WorldSettings
from overworld.kernel import packed

_PASS_US = 100_000


class Told(Struct, frozen=True):
    """A pass at its instant, microseconds: the rows of the fixes it took, and the reasons of its verdicts, (n,)."""

    at_us: int
    rows: slice
    reason: NDArray[np.uint8]


def lived(stage: Stage, fixes: NDArray[Any]) -> Iterator[Told]:
    """Every pass that takes a fix, one after another, a tenth of a second apart or more."""
    arrives = fixes["arrives_us"]
    first = 0
    while first < fixes.size:
        at_us = int(arrives[first]) + _PASS_US
        last = int(np.searchsorted(arrives, at_us))
        stage.now_us = at_us
        taken = fixes[first:last]
        more = {name: taken[name] for name in packed.POSITION.names or () if name not in {"lat_e7", "lng_e7"}}
        inbox = stage.entries(taken["player"].astype(np.int64), taken["lat_e7"] / 1e7, taken["lng_e7"] / 1e7, **more)
        judged = stage.judge(inbox, last - first)
        yield Told(at_us, slice(first, last), judged["reason"].copy())
        first = last


def staged(crowd: Crowd) -> Stage:
    """An engine that knows the players of a crowd, by their numbers."""
    settings = WorldSettings(players_max=max(1_024, len(crowd.kinds)))
    return Stage(players=len(crowd.kinds), settings=settings, rules=InterestRules())
