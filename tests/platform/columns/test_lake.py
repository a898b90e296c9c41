"""The Iceberg table has what the store has, whatever is compacted, expired or let go of, and Spark reads the same."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from obstore.store import LocalStore

from overworld.kernel.refusals import Fault
from overworld.platform.columns.catalogue import SCHEMA
from overworld.platform.columns.lake import EventTable
from overworld.platform.columns.layout import COLUMNS
from overworld.platform.columns.store import Columns, opened
from overworld.platform.postgres import Database, migrate
from tests.thinned import whole_only

from .conftest import FAST, count, made
from .test_erasing import Killed, finished, naming, players_of, spread, traces

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]
_LACKING = 3


@pytest.fixture
async def dsn(empty_database) -> AsyncIterator[str]:
    async with empty_database() as dsn:
        database = await Database.open(dsn)
        await migrate(database, [SCHEMA])
        await database.close()
        yield dsn


@pytest.fixture
def table(dsn: str, tmp_path: Path) -> EventTable:
    folder = tmp_path / "blobs"
    return EventTable(dsn=dsn, root=f"file://{folder}", objects=LocalStore(folder, mkdir=True), properties={})


def rows_in(table: EventTable, *more: str) -> list[dict[str, Any]]:
    found = table.table().scan(selected_fields=("event_id", "name", "value", *more)).to_arrow()
    return sorted(found.to_pylist(), key=str)


async def rows_of(columns: Columns) -> list[dict[str, Any]]:
    return sorted((await columns.read("SELECT event_id, name, value FROM {events}")).to_pylist(), key=str)


def files_of(table: EventTable) -> list[str]:
    return sorted(task.file.file_path.rpartition("/")[2] for task in table.table().scan().plan_files())


async def test_each_sealed_file_is_of_the_table_once(columns, clock, keeping_of, table):
    keeping = keeping_of(columns, table=table)
    batches = made(2_000, days=2, rows=500)
    for number, batch in enumerate(batches):
        await columns.append([batch], place="a", at=number + 1)
        clock.advance(timedelta(hours=12))
        await keeping.keep()
        await keeping.keep()
    clock.advance(timedelta(hours=3))
    await keeping.keep()
    assert rows_in(table) == await rows_of(columns)
    assert len(files_of(table)) == len(set(files_of(table))) == 48


async def test_what_is_compressed_takes_the_place_of_its_hours(columns, clock, keeping_of, table):
    keeping = keeping_of(columns, table=table)
    await columns.append(made(2_000, days=2), place="a", at=1)
    clock.advance(timedelta(days=3))
    await keeping.keep()
    assert len(files_of(table)) == 48
    clock.advance(timedelta(days=7))
    await keeping.keep()
    assert len(files_of(table)) == 2
    assert rows_in(table) == await rows_of(columns)


async def test_hours_that_were_compressed_before_the_lake_saw_them_are_not_doubled(columns, clock, keeping_of, table):
    await columns.append(made(2_000, days=2), place="a", at=1)
    clock.advance(timedelta(days=3))
    await keeping_of(columns).keep()
    clock.advance(timedelta(days=7))
    await keeping_of(columns, table=table).keep()
    assert len(files_of(table)) == 2
    assert rows_in(table) == await rows_of(columns)


async def test_a_crash_after_the_commit_does_not_commit_twice(columns, clock, keeping_of, table):
    await columns.append(made(1_000), place="a", at=1)
    clock.advance(timedelta(days=2))
    await keeping_of(columns, table=table).keep()
    await columns.write(lambda writer: writer.execute("DELETE FROM archived").fetchall())
    await keeping_of(columns, table=table).keep()
    assert len(files_of(table)) == 24
    assert rows_in(table) == await rows_of(columns)


async def test_what_left_this_machine_stays_in_the_table_and_late_events_join_it(columns, clock, keeping_of, table):
    keeping = keeping_of(columns, table=table)
    await columns.append(made(1_000), place="a", at=1)
    clock.advance(timedelta(days=40))
    await keeping.keep()
    assert await count(columns) == 0
    await columns.append(made(300, seed=7), place="a", at=2)
    clock.advance(timedelta(days=1))
    await keeping.keep()
    await keeping.keep()
    assert len(rows_in(table)) == 1_300


async def test_old_snapshots_expire_with_the_files_that_only_they_know(columns, clock, keeping_of, table, tmp_path):
    keeping = keeping_of(columns, table=table)
    await columns.append(made(1_000), place="a", at=1)
    for days in (2, 8):
        clock.advance(timedelta(days=days))
        await keeping.keep()
    assert len(table.table().snapshots()) > 1
    data = tmp_path / "blobs/lake/events"
    for path in data.rglob("*"):
        os.utime(path, (0, 0))
    expected = rows_in(table)
    table.tidy(before=datetime.now(UTC) + timedelta(days=1))
    assert len(table.table().snapshots()) == 1
    assert len(list(data.rglob("*.parquet"))) == 1
    assert rows_in(table) == expected


async def test_a_catalogue_that_does_not_answer_keeps_files_here(tmp_path, clock, keeping_of):
    columns = await opened(tmp_path / "c", settings=msgspec.structs.replace(FAST))
    nowhere = EventTable(
        dsn="postgresql://nobody@127.0.0.1:1/none",
        root=f"file://{tmp_path}",
        objects=LocalStore(tmp_path),
        properties={},
    )
    await columns.append(made(1_000), place="a", at=1)
    clock.advance(timedelta(days=40))
    with pytest.raises(Fault):
        await keeping_of(columns, table=nowhere).keep()
    assert await count(columns) == 1_000
    await columns.close()


@whole_only
async def test_spark_reads_the_same_numbers(columns, clock, keeping_of, table):
    """A distributed engine that shares no code with ours, over hours and compressed days alike.

    With `script/test --whole`: fetching it and starting it takes longer than all other tests of the columns.
    """
    keeping = keeping_of(columns, table=table)
    await columns.append(made(20_000, days=3, players=700), place="a", at=1)
    clock.advance(timedelta(days=9))
    await keeping.keep()
    metadata = table.table().metadata_location
    ran = subprocess.run(  # noqa: ASYNC221, S603  # our own script; nothing else happens meanwhile
        [ROOT / "script/spark", ROOT / "tests/platform/columns/spark_reads.py", metadata],
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode == _LACKING and os.environ.get("CI") != "true":
        pytest.skip(ran.stderr.strip().splitlines()[-1])
    assert ran.returncode == 0, ran.stderr[-2_000:]
    told = json.loads(ran.stdout.splitlines()[-1])
    assert told == {name: await _asked(columns, sql) for name, sql in _QUESTIONS.items()}
    assert {"hour", "day"} == set((await columns.read("SELECT span FROM file"))["span"].to_pylist())


_QUESTIONS = {
    "whole": """SELECT count(*), count(DISTINCT player), count(DISTINCT event_id), sum(value)::DECIMAL(20, 2)::VARCHAR,
                       min(happened_at)::VARCHAR, max(happened_at)::VARCHAR FROM {events}""",
    "names": "SELECT name, count(*), count(DISTINCT player) FROM {events} GROUP BY name ORDER BY name",
    "days": "SELECT happened_at::DATE::VARCHAR, count(*), count(DISTINCT player) FROM {events} GROUP BY 1 ORDER BY 1",
    "cells": "SELECT cell, count(*) FROM {events} GROUP BY cell ORDER BY count(*) DESC, cell LIMIT 20",
    "one_day": """SELECT count(*) FROM {events}
                  WHERE happened_at >= TIMESTAMP '2026-06-02' AND happened_at < TIMESTAMP '2026-06-03'""",
}


async def _asked(columns: Columns, sql: str) -> list[list[Any]]:
    found = await columns.read(sql)
    return [list(row.values()) for row in found.to_pylist()]


async def test_a_table_from_before_events_had_weights_gets_them(columns, clock, keeping_of, table):
    with table.table().update_schema() as schema:
        schema.delete_column("weight")
    await columns.append(made(500), place="a", at=1)
    clock.advance(timedelta(days=2))
    await keeping_of(columns, table=table).keep()
    assert {row["weight"] for row in rows_in(table, "weight")} == {1}


async def test_an_erased_player_is_in_no_snapshot_no_file_and_no_manifest(columns, clock, keeping_of, table, tmp_path):
    """Days on this machine and days that left it; old snapshots go, and with them what only they knew."""
    batches = spread(events=24_000)
    player = players_of(batches)[0]
    keeping = keeping_of(columns, table=table)
    await columns.append(naming(batches, player), place="a", at=1)
    clock.advance(timedelta(days=20))
    await keeping.keep()
    clock.advance(timedelta(days=25))
    await keeping.keep()
    others = [row for row in rows_in(table, "player") if row["player"] != UUID(bytes=player)]
    assert 0 < len(others) < len(rows_in(table))
    assert len(table.table().snapshots()) > 1
    await columns.erase([player], at=clock.now())
    await finished(columns, keeping, clock)
    assert await columns.erased() == {player}
    assert len(table.table().snapshots()) == 1
    assert rows_in(table, "player") == others
    assert await traces(columns, player, blobs=tmp_path / "blobs/lake/events/data") == []
    held = sorted(path.name for path in (tmp_path / "blobs/lake/events/data").rglob("*.parquet"))
    assert held == files_of(table)
    snapshot = table.table().current_snapshot()
    assert snapshot is not None
    for manifest in snapshot.manifests(table.table().io):
        for entry in manifest.fetch_manifest_entry(table.table().io, discard_deleted=False):
            assert entry.data_file.file_path.rpartition("/")[2] in held
            assert COLUMNS.index("player") + 1 not in (entry.data_file.lower_bounds or {})


@pytest.mark.parametrize(("name", "calls"), [("commit", 0), ("commit", 2), ("forget", 0), ("paths", 1)])
async def test_an_erasure_from_the_table_goes_on_where_it_was_killed(  # noqa: PLR0917  # fixtures
    columns, clock, keeping_of, table, tmp_path, monkeypatch, name, calls
):
    batches = spread()
    player = players_of(batches)[0]
    keeping = keeping_of(columns, table=table)
    await columns.append(batches, place="a", at=1)
    clock.advance(timedelta(days=45))
    await keeping.keep()
    others = [row for row in rows_in(table, "player") if row["player"] != UUID(bytes=player)]
    await columns.erase([player], at=clock.now())
    left, real = [calls], getattr(EventTable, name)

    def dying(*given: Any, **named: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise Killed
        return real(*given, **named)

    with monkeypatch.context() as patch, suppress(Killed):
        patch.setattr(EventTable, name, dying)
        await keeping.keep()
    assert [row for row in rows_in(table, "player") if row["player"] != UUID(bytes=player)] == others
    await finished(columns, keeping, clock)
    assert rows_in(table, "player") == others
    assert await traces(columns, player, blobs=tmp_path / "blobs/lake/events/data") == []
