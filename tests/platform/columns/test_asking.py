"""Analysts ask beside the server or without one, and reach nothing but what they may read."""

from __future__ import annotations

import asyncio
import csv
import json
import socket
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from overworld.app.query_tools import OutUnusable, tell
from overworld.platform.columns.asking import Bounds
from overworld.platform.columns.errors import BadSql, NoStore
from overworld.platform.columns.lending import LENT, Lending

from .conftest import made, reopened

pytestmark = pytest.mark.slow
BOUNDS = Bounds(memory_mb=128, timeout_s=20, rows_max=1_000)


@pytest.fixture
async def folder(tmp_path: Path, clock, keeping_of) -> Path:
    """A store with sealed hours and hot rows, closed."""
    async with reopened(tmp_path / "columns") as columns:
        await columns.append(made(2_000), place="a", at=1)
        clock.advance(timedelta(hours=12))
        await keeping_of(columns).keep()
    return tmp_path / "columns"


@asynccontextmanager
async def lent(folder: Path):
    async with reopened(folder) as columns:
        lending = Lending(columns)
        running = asyncio.create_task(lending.run())
        await lending.open.wait()
        yield columns, lending
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


def ask(folder: Path, sql: str, out: Path, bounds: Bounds = BOUNDS) -> list[dict[str, Any]]:
    tell(folder, sql, bounds=bounds, format="json", out=out)
    return [json.loads(line) for line in out.read_text().splitlines()]


async def test_hot_and_sealed_events_are_there_with_and_without_a_server(folder, tmp_path):
    sql = "SELECT count(*) AS n, count(DISTINCT event_id) AS ids FROM events"
    assert ask(folder, sql, tmp_path / "a.json") == [{"n": 2_000, "ids": 2_000}]
    async with lent(folder) as (columns, lending):
        assert await asyncio.to_thread(ask, folder, sql, tmp_path / "b.json") == [{"n": 2_000, "ids": 2_000}]
        await columns.append(made(100, seed=2), place="a", at=2)
        assert (await asyncio.to_thread(ask, folder, sql, tmp_path / "b.json"))[0]["n"] == 2_100
        await lending.idle.wait()
        assert list((folder / LENT).iterdir()) == []


async def test_rollups_and_presence_are_there(folder, tmp_path):
    sql = "SELECT sum(count)::BIGINT AS n FROM rollup_day WHERE name = '' AND dimension = ''"
    assert ask(folder, sql, tmp_path / "a.json") == [{"n": 2_000}]
    async with lent(folder):
        assert await asyncio.to_thread(ask, folder, sql, tmp_path / "b.json") == [{"n": 2_000}]
        sql = "SELECT count(*) AS n FROM presence JOIN newcomer USING (player) WHERE last_at >= newcomer.first_at"
        [row] = await asyncio.to_thread(ask, folder, sql, tmp_path / "b.json")
        assert row["n"] > 50


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "SELEC 1",
        "SELECT 1; SELECT 2",
        "DELETE FROM events",
        "CREATE TABLE mine AS SELECT 1",
        "COPY (SELECT 1) TO '{place}/out.csv'",
        "ATTACH '{place}/other.duckdb'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "PRAGMA database_list",
        "SET enable_external_access = true",
        "EXPORT DATABASE '{place}'",
        "CALL pragma_version()",
        "SELECT * FROM read_text('{place}/secret.txt')",
        "SELECT * FROM read_blob('{folder}/events.duckdb')",
        "SELECT * FROM read_csv('{place}/secret.txt')",
        "SELECT * FROM '{place}/secret.csv'",
        "SELECT * FROM glob('{place}/*')",
        "SELECT * FROM read_csv('http://127.0.0.1:{port}/x.csv')",
        "SELECT * FROM read_parquet('s3://bucket/x.parquet')",
        "SELECT * FROM sqlite_scan('{place}/x.db', 't')",
        "SELECT * FROM events WHERE name = (SELECT content FROM read_text('{place}/secret.txt'))",
        "SELECT * FROM query('SELECT * FROM read_text(''{place}/secret.txt'')')",
        "WITH x AS (FROM read_json('{place}/secret.txt')) SELECT * FROM x",
        "INSERT INTO newcomer SELECT player, now() FROM newcomer",
        "SELECT getenv('HOME')",
    ],
)
async def test_nothing_else_is_read_written_or_reached(folder, tmp_path, sql):
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "secret.csv").write_text("secret\n1\n")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.setblocking(False)  # nobody ever connects
        asked = sql.format(place=tmp_path, folder=folder, port=listener.getsockname()[1])
        with pytest.raises(BadSql) as refused:
            tell(folder, asked, bounds=BOUNDS, format="csv", out=tmp_path / "told.csv")
        assert "secret\n" not in str(refused.value)
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert {path.name for path in tmp_path.iterdir()} <= {"columns", "blobs", "secret.txt", "secret.csv"}


async def test_time_memory_and_rows_are_bounded(folder, tmp_path):
    out = tmp_path / "told.json"
    with pytest.raises(BadSql, match="longer than"):
        ask(folder, "SELECT count(*) FROM range(100000000000) AS a WHERE a.range % 7 = 3", out,
            Bounds(memory_mb=128, timeout_s=0.2, rows_max=10))  # fmt: skip
    with pytest.raises(BadSql, match=r"memory|Memory"):
        ask(folder, "SELECT len(list(range)) FROM range(500000000)", out,
            Bounds(memory_mb=64, timeout_s=60, rows_max=10))  # fmt: skip
    assert not out.exists()
    told = tell(
        folder, "SELECT * FROM events", bounds=Bounds(memory_mb=128, timeout_s=20, rows_max=150), format="json", out=out
    )
    assert (told.rows, told.truncated) == (150, True)
    told = tell(
        folder,
        "SELECT * FROM events",
        bounds=Bounds(memory_mb=128, timeout_s=20, rows_max=2_000),
        format="json",
        out=out,
    )
    assert (told.rows, told.truncated) == (2_000, False)


async def test_an_answer_is_written_as_csv_and_as_parquet(folder, tmp_path):
    sql = "SELECT event_id, happened_at, name, cell, value, exposures FROM events ORDER BY happened_at LIMIT 10"
    tell(folder, sql, bounds=BOUNDS, format=None, out=tmp_path / "told.csv")
    tell(folder, sql, bounds=BOUNDS, format=None, out=tmp_path / "told.parquet")
    with (tmp_path / "told.csv").open() as told:
        lines = list(csv.DictReader(told))
    table = pyarrow.parquet.read_table(tmp_path / "told.parquet").to_pylist()
    assert [line["event_id"] for line in lines] == [str(row["event_id"]) for row in table]
    assert [int(line["cell"]) for line in lines] == [row["cell"] for row in table]
    assert [line["value"] for line in lines] == [
        f"{row['value']:g}" if row["value"] is not None else "" for row in table
    ]


async def test_a_file_of_an_unknown_kind_and_a_folder_without_a_store_are_refused(folder, tmp_path):
    with pytest.raises(OutUnusable):
        tell(folder, "SELECT 1", bounds=BOUNDS, format=None, out=tmp_path / "told.xlsx")
    with pytest.raises(NoStore):
        tell(tmp_path / "nowhere", "SELECT 1 FROM events", bounds=BOUNDS, format="csv", out=None)
