"""What a kind of players is made of: where and when its players begin, and what comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.random import Generator
from numpy.typing import NDArray

from bench.prove.fairplay import life
from bench.prove.fairplay.phone import Phones, phones, tools
from overworld.geo.columns import F64, I64

# Somewhere north, south, at the equator, and on the line where the date changes.
_CITIES = np.array(
    [(37.55, 126.99), (35.68, 139.76), (46.05, 14.51), (-33.45, -70.66), (0.31, 32.58), (-16.85, 179.99)]
)
_CITY_SHARES = [0.4, 0.2, 0.2, 0.1, 0.05, 0.05]
_AROUND_DEG = 0.08
_STARTS_S = 60.0


class Place(Struct, frozen=True):
    """Room for a kind in the crowd: its draws, the numbers of its players from `first` on, how long they play.

    `records` are tracks of honest players of the crowd, rows of `FIXES`, that others got hold of.
    """

    chance: Generator
    first: int
    count: int
    seconds: int
    records: Sequence[NDArray[Any]] = ()

    @property
    def players(self) -> I64:
        """The numbers of the players."""
        return np.arange(self.first, self.first + self.count, dtype=np.int64)

    def starts_s(self) -> F64:
        """When players begin, seconds of the run: within the first minute."""
        return self.chance.uniform(25.0, 25.0 + _STARTS_S, self.count)

    def homes(self) -> tuple[F64, F64]:
        """Where players begin: latitudes and longitudes, degrees."""
        city = _CITIES[self.chance.choice(len(_CITIES), self.count, p=_CITY_SHARES)]
        away = self.chance.uniform(-_AROUND_DEG, _AROUND_DEG, (2, self.count))
        return city[:, 0] + away[0], city[:, 1] + away[1]

    def phones(self) -> Phones:
        """A phone for each, somewhere, within the first minute."""
        return phones(self.chance, self.players, self.starts_s(), *self.homes())

    def tools(self) -> Phones:
        """The same for those whose places a tool makes up."""
        return tools(self.chance, self.players, self.starts_s(), *self.homes())


class Group(Struct, frozen=True):
    """What the players of a kind send: rows of `FIXES`, `CLAIMS` and `LOGINS`."""

    fixes: NDArray[Any]
    claims: NDArray[Any]
    logins: NDArray[Any]


def with_usual_life(place: Place, fixes: NDArray[Any], starts_s: F64) -> Group:
    """Players who sign in, and take what they pass, as everybody does."""
    return Group(
        fixes,
        life.claims_in_passing(place.chance, place.players, starts_s, place.seconds),
        life.logins(place.chance, place.players, starts_s),
    )
