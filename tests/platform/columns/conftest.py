"""A store in a folder of its own, its clock, and events to put into it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from obstore.store import LocalStore

from bench.made_events import Made
from overworld.kernel.clock import FixedClock, to_us
from overworld.platform.columns.archive import Archive, Objects, Table
from overworld.platform.columns.keeping import Keeping
from overworld.platform.columns.settings import ColumnSettings
from overworld.platform.columns.store import Columns, opened

SINCE = datetime(2026, 6, 1, tzinfo=UTC)
FAST = ColumnSettings(memory_mb=128, threads=1, readers=1)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(SINCE)


@pytest.fixture
async def columns(tmp_path: Path) -> AsyncIterator[Columns]:
    store = await opened(tmp_path / "columns", settings=FAST)
    yield store
    await store.close()


@pytest.fixture
def keeping_of(tmp_path: Path, clock: FixedClock) -> Callable[..., Keeping]:
    """Makes the rounds of a store, with an archive in a folder and, where one is given, a table over it."""

    def made(columns: Columns, *, table: Table | None = None) -> Keeping:
        folder = tmp_path / "blobs"
        objects = Objects(LocalStore(folder, mkdir=True), folder=folder)
        return Keeping(columns, clock=clock, archive=Archive(columns, objects=objects, table=table))

    return made


def made(events: int, *, days: int = 1, players: int = 100, seed: int = 1, rows: int = 1_000) -> list[pa.RecordBatch]:
    """Events from `SINCE` on."""
    return list(Made(seed=seed, events=events, players=players, days=days, since_us=to_us(SINCE)).batches(rows))


@asynccontextmanager
async def reopened(folder: Path) -> AsyncIterator[Columns]:
    store = await opened(folder, settings=FAST)
    yield store
    await store.close()


async def count(columns: Columns) -> int:
    """How many events the store has."""
    found = await columns.read("SELECT count(*) AS n FROM {events}")
    return int(found["n"][0].as_py())
