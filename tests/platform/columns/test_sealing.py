"""Hours are sealed, days compressed, old ones archived, and nothing gets lost or comes twice on the way."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from overworld.kernel.refusals import Fault
from overworld.platform.columns import sealing
from overworld.platform.columns.connection import do, transaction
from overworld.platform.columns.store import opened

from .conftest import FAST, SINCE, count, made, reopened

pytestmark = pytest.mark.slow


async def spans(columns: Any) -> Any:
    return (await columns.read("SELECT span FROM file ORDER BY since"))["span"].to_pylist()


async def summed(columns: Any) -> Any:
    return (
        await columns.read(
            "SELECT name, count(*) AS n, sum(value)::DECIMAL(20, 2) AS total, count(DISTINCT player) AS players "
            "FROM {events} GROUP BY name ORDER BY name"
        )
    ).to_pylist()


async def test_an_hour_that_ended_leaves_the_hot_rows_and_answers_as_before(columns, clock, keeping_of):
    await columns.append(made(5_000), place="a", at=1)
    before = await summed(columns)
    clock.advance(timedelta(hours=5, minutes=11))
    await keeping_of(columns).keep()
    assert await spans(columns) == ["hour"] * 5
    hot = await columns.read("SELECT min(happened_at) AS first FROM event")
    assert hot["first"][0].as_py() >= (SINCE + timedelta(hours=5)).replace(tzinfo=None)
    assert await summed(columns) == before


async def test_a_span_may_cut_files_or_have_them_whole(columns, clock, keeping_of):
    """Rows of files that lie in the span are not looked at for their time, others are."""
    await columns.append(made(5_000), place="a", at=1)
    spans_h = [(0.5, 2.25), (1.0, 3.0), (1.0, 2.5), (1.25, 1.5), (3.0, 30.0)]
    asked = [(SINCE + timedelta(hours=first), SINCE + timedelta(hours=last)) for first, last in spans_h]

    async def counts() -> list[int]:
        sql = "SELECT count(*) AS n FROM {events}"
        return [(await columns.read(sql, since=since, until=until))["n"][0].as_py() for since, until in asked]

    before = await counts()
    clock.advance(timedelta(hours=5, minutes=11))
    await keeping_of(columns).keep()
    assert await spans(columns) == ["hour"] * 5
    assert await counts() == before
    assert min(before) > 0


async def test_an_hour_waits_for_what_comes_late(columns, clock, keeping_of):
    await columns.append(made(1_000), place="a", at=1)
    clock.advance(timedelta(hours=1, minutes=9))
    await keeping_of(columns).keep()
    assert await spans(columns) == []


async def test_what_comes_for_a_sealed_hour_is_counted_at_once_and_gets_a_file_later(columns, clock, keeping_of):
    batches, keeping = made(2_000, rows=1_000), keeping_of(columns)
    await columns.append(batches[:1], place="a", at=1)
    clock.advance(timedelta(days=2))
    await keeping.keep()
    files = len(await spans(columns))
    late = made(500, seed=9)
    await columns.append(late, place="b", at=1)
    await keeping.keep()
    assert await count(columns) == 1_500
    clock.advance(timedelta(days=1))
    await keeping.keep()
    assert len(await spans(columns)) > files
    assert await count(columns) == 1_500


def at_first(batches: Sequence[pa.RecordBatch]) -> list[pa.RecordBatch]:
    """What happened in the first three hours: whatever is sealed is made anew for each hour."""
    end = pa.scalar(SINCE + timedelta(hours=3))
    return [batch.filter(pc.less(batch["at"], end)) for batch in batches]


async def test_an_event_that_is_in_a_file_already_is_found_out_when_its_hour_is_sealed(tmp_path, clock, keeping_of):
    """The window of ids forgets; the files do not."""
    columns = await opened(tmp_path / "c", settings=msgspec.structs.replace(FAST, seen_max=1_024))
    keeping, batches, others = keeping_of(columns), at_first(made(12_000, rows=4_000)), at_first(made(16_000, seed=3))
    few, many = (sum(batch.num_rows for batch in each) for each in (batches, others))
    assert few > 1_024 < many
    await columns.append(batches, place="a", at=1)
    clock.advance(timedelta(days=2))
    await keeping.keep()
    await columns.append(others, place="a", at=2)
    await columns.append(batches, place="b", at=1)
    assert await count(columns) == few + many + few
    clock.advance(timedelta(days=1))
    await keeping.keep()
    assert await count(columns) == few + many
    rolled = await columns.read("SELECT sum(count)::BIGINT AS n FROM rollup_day WHERE name = '' AND dimension = ''")
    assert rolled["n"][0].as_py() == few + many
    await columns.close()


async def test_hours_are_sealed_before_their_end_when_rows_are_too_many(tmp_path, clock, keeping_of):
    columns = await opened(tmp_path / "c", settings=msgspec.structs.replace(FAST, hot_rows_max=1_000))
    await columns.append(made(3_000), place="a", at=1)
    await keeping_of(columns).keep()
    hot = await columns.read("SELECT count(*) AS n FROM event")
    assert hot["n"][0].as_py() <= 1_000
    assert await count(columns) == 3_000
    await columns.close()


async def test_a_day_becomes_one_compressed_file_after_seven_days(columns, clock, keeping_of):
    await columns.append(made(3_000, days=2), place="a", at=1)
    before, keeping = await summed(columns), keeping_of(columns)
    clock.advance(timedelta(days=3))
    await keeping.keep()
    assert set(await spans(columns)) == {"hour"}
    clock.advance(timedelta(days=7))
    await keeping.keep()
    assert await spans(columns) == ["day", "day"]
    assert await summed(columns) == before
    clock.advance(timedelta(minutes=10))
    await keeping.keep()
    assert len(list((columns.folder / "events").rglob("*.parquet"))) == 2


async def test_what_is_older_than_raw_events_stay_is_in_the_archive_and_its_rollups_stay(
    columns, clock, keeping_of, tmp_path
):
    await columns.append(made(3_000, days=2), place="a", at=1)
    keeping = keeping_of(columns)
    clock.advance(timedelta(days=40))
    await keeping.keep()
    clock.advance(timedelta(minutes=10))
    await keeping.keep()
    assert await count(columns) == 0
    assert list((columns.folder / "events").rglob("*.parquet")) == []
    rolled = await columns.read("SELECT sum(count)::BIGINT AS n FROM rollup_day WHERE name = '' AND dimension = ''")
    assert rolled["n"][0].as_py() == 3_000
    archived = [str(path) for path in (tmp_path / "blobs/lake/events/data").rglob("*.parquet")]
    found = await columns.read(
        "SELECT count(*) AS n, count(DISTINCT event_id) AS ids FROM read_parquet($paths)", {"paths": archived}
    )
    assert found.to_pylist() == [{"n": 3_000, "ids": 3_000}]


async def test_a_crash_between_a_file_and_its_row_leaves_nothing(tmp_path, clock, keeping_of):
    async with reopened(tmp_path / "c") as columns:
        await columns.append(made(1_000), place="a", at=1)
        keeping = keeping_of(columns)
        await keeping.roll()
        [first, *_] = await columns.beside(lambda reader: sealing.hours(reader, upto=columns.batch))
        await columns.beside(lambda reader: sealing.write_hour(reader, columns.folder, first, upto=columns.batch))
        assert len(list(columns.folder.rglob("*.parquet"))) == 1
    async with reopened(tmp_path / "c") as columns:
        assert list(columns.folder.rglob("*.parquet")) == []
        assert await count(columns) == 1_000


async def test_an_hour_whose_file_could_not_be_counted_is_sealed_by_the_next_round(
    columns, clock, keeping_of, monkeypatch
):
    await columns.append(made(1_000), place="a", at=1)
    clock.advance(timedelta(days=1, hours=1))
    before, keeping, real = await summed(columns), keeping_of(columns), sealing.count_hour

    def full(*_: Any, **__: Any) -> None:
        monkeypatch.setattr(sealing, "count_hour", real)
        raise duckdb.IOException("no space left on device")

    monkeypatch.setattr(sealing, "count_hour", full)
    with pytest.raises(Fault):
        await keeping.keep()
    await keeping.keep()
    assert len(await spans(columns)) == 24
    assert await summed(columns) == before


async def test_a_file_that_a_reader_may_still_have_open_is_kept_for_minutes(columns, clock, keeping_of):
    await columns.append(made(1_000), place="a", at=1)
    keeping = keeping_of(columns)
    clock.advance(timedelta(days=9))
    await keeping.keep()
    paths = list((columns.folder / "events").rglob("*.parquet"))
    assert len(paths) == 24 + 1
    clock.advance(timedelta(minutes=6))
    await keeping.keep()
    assert len(list((columns.folder / "events").rglob("*.parquet"))) == 1


async def test_an_archive_that_does_not_answer_keeps_files_here(columns, clock, keeping_of, tmp_path: Path):
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / "lake").write_text("in the way")
    await columns.append(made(1_000), place="a", at=1)
    clock.advance(timedelta(days=40))
    with pytest.raises(Fault):
        await keeping_of(columns).keep()
    assert await count(columns) == 1_000


async def test_a_transaction_that_fails_changes_nothing(columns):
    def fail(writer):
        with transaction(writer):
            do(writer, "INSERT INTO place VALUES ('x', 1)")
            raise LookupError

    with pytest.raises(LookupError):
        await columns.write(fail)
    assert await columns.placed("x") is None
