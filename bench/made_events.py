"""Events out of nothing but a seed, in columns: what the store is measured and proved with."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from overworld.geo import cells
from overworld.platform.columns.events import CLIENT, PLATFORM, SCHEMA

NAMES = (
    "events.auth.login",
    "events.location.updated",
    "events.coin.collected",
    "events.quest.started",
    "events.quest.completed",
    "shop.opened",
    "shop.bought",
    *(f"screen.{number:02}" for number in range(13)),
)
COUNTRIES = ("CZ", "DE", "JP", "US", None)
PLATFORMS = ("ios", "android", "web")
DEVICES = ("phone", "tablet", "desktop")
DAY_US = 86_400_000_000
_HUBS = ((50.08, 14.43), (52.52, 13.40), (35.68, 139.69), (40.71, -74.01), (-33.86, 151.21))


class Made:
    """Players with a home, and what they do between `since_us` and `days` later: in the order of time, in batches.

    A player is new on some day, then comes less and less; each event is of a name that grows rarer down the list.
    """

    def __init__(self, *, seed: int, events: int, players: int, days: int, since_us: int) -> None:
        self._random = np.random.default_rng(seed)
        self._events = events
        self._days = days
        self._since_us = since_us
        self._players = self._random.integers(0, 2**64 - 1, (players, 2), np.uint64)
        self._first_day = self._random.integers(0, days, players)
        self._hub = self._random.integers(0, len(_HUBS), players)
        self._platform = self._random.integers(0, len(PLATFORMS), players)
        weights = 1 / np.arange(2, len(NAMES) + 2)
        self._weights = weights / weights.sum()

    def batches(self, rows: int) -> Iterator[pa.RecordBatch]:
        """The events, `rows` at a time."""
        for start in range(0, self._events, rows):
            stop = min(start + rows, self._events)
            whole = self._days * DAY_US
            bounds = (self._since_us + whole * start // self._events, self._since_us + whole * stop // self._events)
            yield self._batch(stop - start, *bounds)

    def _batch(self, n: int, since_us: int, until_us: int) -> pa.RecordBatch:
        random = self._random
        at = np.sort(random.integers(since_us, until_us, n))
        who = self._active(n, day=(since_us - self._since_us) // DAY_US)
        name = random.choice(len(NAMES), n, p=self._weights)
        hub = self._hub[who]
        places = np.array(_HUBS)[hub] + random.normal(0, 0.02, (n, 2))
        nameless = random.random(n) < 0.02
        return pa.RecordBatch.from_arrays(
            [
                _ids(random.integers(0, 2**64 - 1, (n, 2), np.uint64)),
                _instants(at),
                _instants(at + random.integers(0, 2_000_000, n)),
                _words(name, NAMES),
                _words((name >= 5).astype(np.int32), (PLATFORM, CLIENT)),
                _ids(self._players[who], nameless),
                pa.array([None] * n, pa.string()),
                pa.array(cells.cells_of(places[:, 0].copy(), places[:, 1].copy(), 15)),
                _words(hub, COUNTRIES),
                _words(self._platform[who], PLATFORMS),
                _words(self._platform[who], DEVICES),
                pa.array(random.exponential(10, n).round(2), mask=random.random(n) < 0.3),
                pa.ListArray.from_arrays(pa.array(np.zeros(n + 1, np.int32)), pa.array([], pa.string())),
                pa.array(np.full(n, "{}")),
                pa.array(np.ones(n, np.int64)),
            ],
            schema=SCHEMA,
        )

    def _active(self, n: int, *, day: int) -> npt.NDArray[np.int64]:
        """Players of the day; who is longer in the game comes less."""
        known = np.flatnonzero(self._first_day <= day)
        age = day - self._first_day[known]
        weights = np.cumsum(1 / (1.0 + age))
        found: npt.NDArray[np.int64] = known[np.searchsorted(weights, self._random.random(n) * weights[-1])]
        return found


def _ids(halves: npt.NDArray[np.uint64], missing: npt.NDArray[np.bool_] | None = None) -> pa.Array:
    data = pa.py_buffer(halves.tobytes())
    valid = None if missing is None else pa.array(~missing).buffers()[1]
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(halves), [valid, data])


def _instants(us: npt.NDArray[np.int64]) -> pa.Array:
    return pa.array(us).cast(pa.timestamp("us", tz="UTC"))


def _words(index: npt.NDArray[np.int64], words: tuple[str | None, ...]) -> pa.Array:
    known = [word for word in words if word is not None]
    missing = np.array([word is None for word in words])[index]
    return pa.DictionaryArray.from_arrays(pa.array(index.astype(np.int32), mask=missing), pa.array(known))
