"""Daily partitions: how they are called, which there are, whose turn it is; and rows that come by COPY."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta

import asyncpg
import pytest

from overworld.platform.postgres import DatabaseTimeout
from overworld.platform.postgres.partitions import alone, day_in, days_of, midnight, partition_of

_TABLE = """
CREATE SCHEMA diary;
CREATE TABLE diary.note (at timestamptz NOT NULL, text text) PARTITION BY RANGE (at);
CREATE TABLE diary.note_other PARTITION OF diary.note DEFAULT"""


@pytest.fixture
async def database(open_database):
    async with open_database() as opened:
        async with opened.transaction() as tx:
            await tx.execute(_TABLE)
        yield opened


async def make(database, day: date) -> None:
    async with database.transaction() as tx:
        name = partition_of("diary.note", day)
        end = midnight(day + timedelta(days=1))
        await tx.execute(
            f"CREATE TABLE {name} PARTITION OF diary.note FOR VALUES FROM ('{midnight(day)}') TO ('{end}')"
        )


async def test_the_days_of_a_table_are_its_partitions_that_are_called_so(database):
    days = [date(2026, 12, 31), date(2027, 1, 1)]
    for day in reversed(days):
        await make(database, day)
    async with database.read() as tx:
        assert await days_of(tx, "diary.note") == days
        assert await days_of(tx, "diary.nothing") == []


@pytest.mark.parametrize("ending", ["_other", "", "_2026123", "_202612310", "20261231", "_20261231x"])
def test_no_other_ending_is_a_day(ending):
    assert day_in(ending) is None


async def test_who_maintains_a_table_does_so_alone(database):
    inside, most = 0, 0

    async def work():
        nonlocal inside, most
        async with alone(database, lock_key=7) as tx:
            inside += 1
            most = max(most, inside)
            await tx.fetchval("SELECT 1")
            inside -= 1

    await asyncio.gather(*(work() for _ in range(5)))
    assert most == 1


async def test_who_maintains_another_table_need_not_wait_and_a_turn_that_does_not_come_is_a_time_out(
    database, monkeypatch
):
    monkeypatch.setattr("overworld.platform.postgres.partitions._LOCK_TIMEOUT_MS", 20)
    async with alone(database, lock_key=7):
        async with alone(database, lock_key=8):
            pass
        with pytest.raises(DatabaseTimeout):
            async with alone(database, lock_key=7):
                raise AssertionError("two at a time")


async def test_rows_that_come_by_copy_are_in_the_transaction_all_or_none(database):
    noon = datetime(2026, 6, 1, 12, tzinfo=UTC)
    with pytest.raises(asyncpg.NotNullViolationError):
        await copied(database, [(noon, "kept by nobody"), (None, "no time")])
    await copied(database, [(noon, "a"), (noon + timedelta(days=1), None)])
    async with database.read() as tx:
        found = await tx.fetch("SELECT text FROM diary.note ORDER BY at")
    assert [row["text"] for row in found] == ["a", None]


async def copied(database, rows) -> None:
    async with database.transaction() as tx:
        await tx.copy_records_to_table("note", records=rows, columns=("at", "text"), schema_name="diary")
