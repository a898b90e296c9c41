"""People who fly from Seoul to Tokyo and play on, and those who say they do so every five minutes."""

from __future__ import annotations

from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from bench.prove.fairplay import life
from bench.prove.fairplay.crowd import Crowd, joined, seeded
from bench.prove.fairplay.group import Group, Place
from bench.prove.fairplay.phone import Phones, report
from bench.prove.fairplay.receiver import STREET, sense
from bench.prove.fairplay.travel import WALK, travel

SEOUL, TOKYO = (37.5665, 126.9780), (35.6812, 139.7671)
FLOWN, EVERY_FIVE_MINUTES = "flown", "every_five_minutes"
GAP_S = 7_200
BEFORE_S, AFTER_S = 600, 2_400
_LEG_S, _LEGS = 300, 12


def flights(*, each: int, seed: int) -> Crowd:
    """So many who fly once, with a phone that is off for two hours, and so many who are now here and now there."""
    flown = Place(chance=seeded(seed, 2_000), first=0, count=each, seconds=BEFORE_S + GAP_S + AFTER_S)
    often = Place(chance=seeded(seed, 2_001), first=each, count=each, seconds=_LEG_S * _LEGS)
    once = _legs(flown, [(0, BEFORE_S, SEOUL), (BEFORE_S + GAP_S, AFTER_S, TOKYO)])
    again = _legs(often, [(leg * _LEG_S, _LEG_S, (SEOUL, TOKYO)[leg % 2]) for leg in range(_LEGS)])
    return joined((FLOWN,) * each + (EVERY_FIVE_MINUTES,) * each, [once, again])


def _legs(place: Place, legs: list[tuple[int, int, tuple[float, float]]]) -> Group:
    """A walk in each city in turn, with one phone each: seconds of the beginning, how long it lasts, where."""
    phone = place.phones()
    phone = replace(phone, stalled_at_s=np.full(place.count, np.inf))
    fixes, claims = [], []
    for begins_s, lasts_s, city in legs:
        there = _at(place, phone, begins_s, city)
        path = travel(place.chance, place.count, lasts_s - 30, WALK)
        fixes.append(report(place.chance, there, path, sense(place.chance, path, STREET)))
        claims.append(life.claims_in_passing(place.chance, place.players, there.starts_s, lasts_s - 30))
    return Group(_by_time(fixes), np.concatenate(claims), life.logins(place.chance, place.players, phone.starts_s))


def _at(place: Place, phone: Phones, begins_s: int, city: tuple[float, float]) -> Phones:
    """The same phones, later and in a city."""
    around = place.chance.uniform(-0.02, 0.02, (2, place.count))
    return replace(phone, starts_s=phone.starts_s + begins_s, lat_deg=city[0] + around[0], lng_deg=city[1] + around[1])


def _by_time(parts: list[NDArray[Any]]) -> NDArray[Any]:
    rows = np.concatenate(parts)
    return rows[np.argsort(rows["arrives_us"], kind="stable")]
