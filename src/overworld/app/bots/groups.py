"""Who belongs together: squads of one program, classes on one way, and who signs in from one address."""

from __future__ import annotations

from typing import Any

import numpy as np
from msgspec import Struct

from overworld.app.bots.kinds import number_of
from overworld.app.bots.movers import SECOND_US
from overworld.geo.columns import I64

SQUAD_ACCOUNTS = 5
"""So many accounts has a squad; the last one may have one to four more."""

_PUPILS = 18
_LAG_S = (1.0, 9.0)
_SPLIT_S = (0.3, 4.0)
_PUPILS_APART_S = 9.0
_FAMILY_APART_S = 40.0
_LONG_AGO_S = 3_600.0
_OFFICE, _OFFICE_SHARE = 30, 0.2
_TIMES = ("at_us", "next_us", "seen_us", "cold_us", "clock_since_us")


class SignIns(Struct, frozen=True):
    """From which place each signed in and when, (n,): `place` is a number, equal for one client at one address."""

    place: I64
    at_us: I64


def squads(bots: Any, kind: I64, way: tuple[str, ...], *, random: np.random.Generator) -> list[I64]:
    """Puts the accounts of each squad on the way of its first, each some seconds later, and gives the squads."""
    found = _groups(np.flatnonzero(kind == number_of("squad")), SQUAD_ACCOUNTS)
    for squad in found:
        for name in (*way, "way"):
            bots[name][squad] = bots[name][squad[0]]
        lag_s = np.cumsum(random.uniform(*_LAG_S, len(squad)))
        for name in _TIMES:
            bots[name][squad] += (lag_s * SECOND_US).astype(np.int64)
    return found


def classes(bots: Any, kind: I64, way: tuple[str, ...], *, random: np.random.Generator) -> list[I64]:
    """Puts pupils on the way of the first of their class, a few steps behind each other, and gives the classes."""
    found = _groups(np.flatnonzero(kind == number_of("pupil")), _PUPILS)
    for pupils in found:
        for name in way:
            bots[name][pupils] = bots[name][pupils[0]]
        lag_s = np.sort(random.uniform(0.0, 8.0, len(pupils)))
        for name in _TIMES:
            bots[name][pupils] += (lag_s * SECOND_US).astype(np.int64)
    return found


def sign_ins(
    kind: I64,
    *,
    of_squads: list[I64],
    of_classes: list[I64],
    families: list[I64],
    random: np.random.Generator,
    start_us: int,
) -> SignIns:
    """Everybody signed in from a place of its own, in the last hour; but for those who share one."""
    place = np.arange(len(kind))
    before_s = random.uniform(1.0, _LONG_AGO_S, len(kind))
    walkers = np.flatnonzero(np.isin(kind, [number_of(name) for name in ("walker", "driver")]))
    for office in _groups(walkers[: int(_OFFICE_SHARE * len(walkers))], _OFFICE):
        place[office] = office[0]
    for group, apart_s in [
        *((one, _FAMILY_APART_S) for one in families),
        *((one, _PUPILS_APART_S) for one in of_classes),
    ]:
        place[group] = group[0]
        before_s[group] = 1.0 + np.cumsum(random.exponential(apart_s, len(group)))
    for squad in of_squads:
        place[squad] = squad[0]
        before_s[squad] = 1.0 + np.cumsum(random.uniform(*_SPLIT_S, len(squad)))
    return SignIns(place, start_us - (before_s * SECOND_US).astype(np.int64))


def _groups(members: I64, count: int) -> list[I64]:
    """Members in groups of so many, the last ones a few more."""
    return [np.asarray(one) for one in np.array_split(members, max(1, len(members) // count))] if len(members) else []
