"""Events gathered into columns. What is done event by event is little; the rest is done to whole columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from overworld.domains.telemetry.processing.countries import Countries
from overworld.geo import cells
from overworld.geo.columns import I64, U64
from overworld.platform.columns.events import ID_BYTES, SCHEMA


class Columns:
    """Collects events, and makes a batch of them. Columns are aligned; `add` adds to every one."""

    def __init__(self) -> None:
        self.ids: list[bytes] = []
        self.at: list[Any] = []
        self.received_us: list[int] = []
        self.names: list[str] = []
        self.players: list[bytes | None] = []
        self.sessions: list[str | None] = []
        self.places: list[tuple[float, float]] = []
        self.cells: list[int] = []
        self.platforms: list[str | None] = []
        self.devices: list[str | None] = []
        self.values: list[float | None] = []
        self.exposures: list[list[str]] = []
        self.properties: list[str] = []
        self.weights: list[int] = []

    def __len__(self) -> int:
        return len(self.ids)

    def batch(
        self,
        *,
        source: str,
        at_us: I64,
        rows: np.ndarray[Any, np.dtype[np.intp]],
        room_level: int,
        countries: Countries,
    ) -> pa.RecordBatch:
        """The chosen rows as columns of the store; `at_us` is aligned with all of them."""
        n = len(rows)
        cell, leaf = self._cells(room_level)
        number = countries.numbers_of(leaf)
        country = pa.DictionaryArray.from_arrays(
            pa.array(number, pa.int32(), mask=number < 0), pa.array(countries.codes, pa.string())
        )
        taken = pa.array(rows)
        columns = {
            "event_id": pa.array(self.ids, pa.binary(ID_BYTES)).take(taken),
            "at": _instants(at_us[rows]),
            "received_at": _instants(np.array(self.received_us, np.int64)[rows]),
            "name": _words(self.names).take(taken),
            "source": pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int32)), pa.array([source])),
            "player": pa.array(self.players, pa.binary(ID_BYTES)).take(taken),
            "session": pa.array(self.sessions, pa.string()).take(taken),
            "cell": pa.array(cell, pa.uint64(), mask=cell == 0).take(taken),
            "country": country.take(taken),
            "platform": _words(self.platforms).take(taken),
            "device": _words(self.devices).take(taken),
            "value": pa.array(self.values, pa.float64()).take(taken),
            "exposures": pa.array(self.exposures, pa.list_(pa.string())).take(taken),
            "properties": pa.array(self.properties, pa.string()).take(taken),
            "weight": pa.array(self.weights, pa.int64()).take(taken),
        }
        return pa.RecordBatch.from_arrays([columns[name] for name in SCHEMA.names], schema=SCHEMA)

    def _cells(self, room_level: int) -> tuple[U64, U64]:
        """The cell of each event at the level of rooms and the one its country is told by; 0 without a place."""
        place = np.array(self.places, np.float64).reshape(-1, 2)
        leaf = cells.cells_of(place[:, 0], place[:, 1], cells.LEVEL_MAX)
        if self.cells:
            leaf = np.where(leaf == 0, np.array(self.cells, np.uint64), leaf)
        coarse = np.flatnonzero(leaf)
        cell = np.zeros(len(leaf), np.uint64)
        at_least = leaf & (~leaf + np.uint64(1)) <= np.uint64(1 << 2 * (cells.LEVEL_MAX - room_level))
        fine = coarse[at_least[coarse]]
        cell[fine] = cells.parents(leaf[fine], room_level)
        return cell, leaf

    def at_us(self) -> I64:
        """When events happened, microseconds since 1970, as their clients say; 0 where they do not."""
        told = pa.array(self.at, pa.timestamp("us", tz="UTC")).cast(pa.int64())
        filled: I64 = told.fill_null(0).to_numpy(zero_copy_only=False)
        return filled


def ids_of(columns: Columns) -> np.ndarray[Any, np.dtype[np.void]]:
    """The ids as one array of 16 bytes each."""
    return np.frombuffer(b"".join(columns.ids), np.dtype((np.void, ID_BYTES)))


def _instants(us: I64) -> pa.Array:
    return pa.array(us, pa.int64()).cast(pa.timestamp("us", tz="UTC"))


def _words(texts: Sequence[str | None]) -> pa.Array:
    return pa.array(texts, pa.string()).dictionary_encode()
