"""What players do beside moving: they sign in on a device from an address, and take what they pass."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bench.stage import START_US
from overworld.geo.columns import F64, I64

CLAIMS = np.dtype([("player", "<u4"), ("at_us", "<i8")])
"""A claim that was made: whose, and when by the server's clock."""

LOGINS = np.dtype([("player", "<u4"), ("agent", "<u4"), ("address", "<u4"), ("at_us", "<i8")])
"""Somebody signed in: what the app calls the phone, and from which address, both by number."""

_CARRIER_ADDRESSES = 1_500
_CAMPUS_ADDRESSES = 20
_OWN_ADDRESSES = 10_000
_MODELS = 150
_QUIET_SHARE = 0.25


def claims_in_passing(chance: Generator, player: I64, starts_s: F64, seconds: int) -> NDArray[Any]:
    """People come by a few things at once, tap them one by one as quickly as they see them, and walk on."""
    made = []
    for number, start_s in zip(player.tolist(), starts_s.tolist(), strict=True):
        if chance.random() < _QUIET_SHARE:
            continue
        at_s, every_s = chance.exponential(40.0), chance.uniform(20, 120)
        times: list[float] = []
        while at_s < seconds:
            taps = np.maximum(0.7, chance.lognormal(1.1, 0.55, int(chance.geometric(0.45))))
            times += (at_s + np.cumsum(taps)).tolist()
            at_s = times[-1] + chance.exponential(every_s)
        made.append(_claims(number, start_s + np.array([one for one in times if one < seconds])))
    return _joined(made, CLAIMS)


def claims_by_clock(chance: Generator, player: I64, starts_s: F64, seconds: int, *, spread: float) -> NDArray[Any]:
    """A program that claims every so many seconds, off by up to `spread` of it, and by what the network adds."""
    made = []
    for number, start_s in zip(player.tolist(), starts_s.tolist(), strict=True):
        every_s = chance.uniform(5, 40)
        gaps = every_s * (1 + spread * chance.uniform(-1, 1, int(seconds / every_s)))
        times = start_s + 3 + np.cumsum(gaps)
        times = times[times < start_s + seconds]
        made.append(_claims(number, times + chance.exponential(0.05, times.size)))
    return _joined(made, CLAIMS)


def claims_at_random(chance: Generator, player: I64, starts_s: F64, seconds: int) -> NDArray[Any]:
    """A program that draws how long it waits from an exponential distribution, as no cheap one does."""
    made = []
    for number, start_s in zip(player.tolist(), starts_s.tolist(), strict=True):
        times = start_s + np.cumsum(1.0 + chance.exponential(chance.uniform(8, 25), 80))
        made.append(_claims(number, times[times < start_s + seconds]))
    return _joined(made, CLAIMS)


def claims_after_hops(chance: Generator, player: I64, starts_s: F64, hops: NDArray[np.int64]) -> NDArray[Any]:
    """At every new place one to four claims, as soon as the hand is at the screen again."""
    made = []
    for row, (number, start_s) in enumerate(zip(player.tolist(), starts_s.tolist(), strict=True)):
        arrived = np.flatnonzero(np.diff(hops[row])) + 1
        times = [at + np.cumsum(chance.lognormal(1.0, 0.5, int(chance.integers(1, 5)))) for at in arrived.tolist()]
        made.append(_claims(number, start_s + np.sort(np.concatenate(times)) if times else np.zeros(0)))
    return _joined(made, CLAIMS)


def logins(chance: Generator, player: I64, starts_s: F64) -> NDArray[Any]:
    """Each on a phone of its own, shortly before it plays.

    Half are behind an address that a carrier gives to several of its customers, some behind that of a campus; few
    models make most of the phones.
    """
    count = player.size
    made = np.zeros(count, LOGINS)
    made["player"] = player
    common = 1.0 / np.arange(2, _MODELS + 2)
    made["agent"] = chance.choice(_MODELS, count, p=common / common.sum())
    way, carrier = chance.random(count), chance.integers(0, _CARRIER_ADDRESSES, count)
    campus = _CARRIER_ADDRESSES + chance.integers(0, _CAMPUS_ADDRESSES, count)
    made["address"] = np.where(way < 0.5, carrier, np.where(way < 0.54, campus, _OWN_ADDRESSES + player))
    made["at_us"] = START_US + np.rint((starts_s - chance.uniform(2, 20, count)) * 1e6).astype(np.int64)
    return made


def in_one_home(made: NDArray[Any], home: I64) -> None:
    """Gives those of one number the address of their home."""
    made["address"] = _OWN_ADDRESSES + home


def on_one_phone(made: NDArray[Any], first: I64) -> None:
    """Gives those of one number, a row of `made`, the same phone and address."""
    made["agent"] = made["agent"][first]
    made["address"] = _OWN_ADDRESSES + made["player"][first]


def _claims(number: int, times_s: F64) -> NDArray[Any]:
    made = np.zeros(times_s.size, CLAIMS)
    made["player"] = number
    made["at_us"] = START_US + np.rint(times_s * 1e6).astype(np.int64)
    return made


def _joined(parts: list[NDArray[Any]], kind: np.dtype[Any]) -> NDArray[Any]:
    return np.concatenate(parts) if parts else np.zeros(0, kind)
