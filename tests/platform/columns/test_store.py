"""What goes into the store is there once, and stays."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from overworld.kernel.refusals import Busy, Fault
from overworld.platform.columns.errors import TooLong
from overworld.platform.columns.events import SCHEMA
from overworld.platform.columns.figures import QUESTIONS_MAX, Figures
from overworld.platform.columns.store import opened

from .conftest import FAST, count, made, reopened


async def test_what_was_appended_is_read_as_it_came(columns):
    [batch] = made(50)
    await columns.append([batch], place="log/0", at=1)
    found = await columns.read("SELECT * FROM {events} ORDER BY happened_at, event_id")
    expected = pa.Table.from_batches([batch]).sort_by([("at", "ascending"), ("event_id", "ascending")])
    assert [one.bytes for one in found["event_id"].to_pylist()] == expected["event_id"].to_pylist()
    assert [one and one.bytes for one in found["player"].to_pylist()] == expected["player"].to_pylist()
    assert [one % 2**64 for one in found["cell"].to_pylist()] == expected["cell"].to_pylist()
    for name in ("name", "source", "country", "platform", "device", "value", "exposures", "properties", "session"):
        assert found[name].to_pylist() == expected[name].to_pylist(), name
    assert [at.isoformat() + "+00:00" for at in found["happened_at"].to_pylist()] == [
        at.isoformat() for at in expected["at"].to_pylist()
    ]


async def test_a_place_is_nowhere_before_its_first_batch_and_then_where_it_was_told(columns):
    assert await columns.placed("log/0") is None
    await columns.append(made(10), place="log/0", at=7)
    assert await columns.placed("log/0") == 7
    assert await columns.placed("log/1") is None


async def test_a_batch_that_is_handed_over_again_changes_nothing(columns):
    batches = made(100)
    await columns.append(batches, place="log/0", at=7)
    await columns.append(batches, place="log/0", at=7)
    await columns.append(made(100, seed=2), place="log/0", at=6)
    assert await count(columns) == 100
    assert await columns.placed("log/0") == 7


async def test_an_event_that_came_by_another_place_is_kept_once(columns):
    first, second = made(100), made(100, seed=2)
    await columns.append(first, place="log/0", at=1)
    await columns.append([*first, *second, *second], place="log/1", at=1)
    assert await count(columns) == 200
    assert columns.figures.counts["doubled"] == 200


async def test_an_event_is_known_again_after_a_restart(tmp_path):
    async with reopened(tmp_path) as columns:
        await columns.append(made(100), place="log/0", at=1)
    async with reopened(tmp_path) as columns:
        await columns.append(made(100), place="log/1", at=1)
        assert await count(columns) == 100


async def test_nothing_but_a_place_moves_without_events(columns):
    await columns.append(
        [SCHEMA.empty_table().to_batches()[0]] if SCHEMA.empty_table().to_batches() else [], place="a", at=3
    )
    assert (await columns.placed("a"), await count(columns)) == (3, 0)


async def test_columns_of_another_form_are_refused_and_change_nothing(columns):
    with pytest.raises(ValueError, match="other columns"):
        await columns.append([pa.record_batch({"name": ["x"]})], place="a", at=1)
    assert await columns.placed("a") is None


async def test_a_second_writer_of_a_folder_is_refused(tmp_path):
    script = "import asyncio, sys\nfrom pathlib import Path\nfrom tests.platform.columns.conftest import FAST\n"
    script += (
        "from overworld.platform.columns.store import opened\nasyncio.run(opened(Path(sys.argv[1]), settings=FAST))"
    )
    async with reopened(tmp_path):
        ran = await asyncio.to_thread(
            subprocess.run, [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False
        )
    assert ran.returncode != 0
    assert "cannot be opened" in ran.stderr


async def test_a_folder_that_cannot_be_read_is_a_fault(tmp_path):
    (tmp_path / "events.duckdb").write_bytes(b"this is no database" * 1000)
    with pytest.raises(Fault):
        await opened(tmp_path, settings=FAST)


async def test_readers_see_the_state_of_their_beginning_while_the_writer_goes_on(columns):
    await columns.append(made(1000), place="a", at=1)

    def look(reader):
        before = reader.execute("SELECT count(*) FROM event").fetchall()
        asyncio.run_coroutine_threadsafe(columns.append(made(1000, seed=2), place="a", at=2), loop).result(30)
        return before, reader.execute("SELECT count(*) FROM event").fetchall()

    loop = asyncio.get_running_loop()
    before, after = await columns.beside(look)
    assert before == after == [(1000,)]
    assert await count(columns) == 2000


async def test_a_question_that_takes_too_long_is_ended(tmp_path):
    import msgspec

    columns = await opened(tmp_path, settings=msgspec.structs.replace(FAST, timeout_s=0.05))
    with pytest.raises(TooLong):
        await columns.read("SELECT count(*) FROM range(100000000000) AS a WHERE a.range % 7 = 3")
    await columns.append(made(10), place="a", at=1)
    assert await count(columns) == 10
    await columns.close()


async def test_a_question_that_needs_more_memory_than_there_is_is_refused_and_harms_nobody(tmp_path):
    import msgspec

    columns = await opened(tmp_path, settings=msgspec.structs.replace(FAST, memory_mb=64, spill_mb=0, timeout_s=60))
    with pytest.raises(TooLong):
        await columns.read("SELECT len(list(range)) FROM range(100000000)")
    await columns.append(made(10), place="a", at=1)
    assert await count(columns) == 10
    await columns.close()


async def test_it_counts_what_it_does_and_shows_who_waits(tmp_path):
    """The line has a bound, and is empty again after answers, refusals and failures alike."""
    figures = Figures()
    columns = await opened(tmp_path, settings=FAST, figures=figures)
    [batch] = made(100)
    await columns.append([batch], place="a", at=1)
    await columns.append([batch], place="b", at=1)
    asked = [asyncio.ensure_future(count(columns)) for _ in range(QUESTIONS_MAX)]
    await asyncio.sleep(0)
    assert figures.questions.waiting == QUESTIONS_MAX
    with pytest.raises(Busy):
        await count(columns)
    assert await asyncio.gather(*asked) == [100] * QUESTIONS_MAX

    def fail(writer):
        raise duckdb.IOException("no room")

    with pytest.raises(Fault):
        await columns.write(fail)
    assert (figures.questions.waiting, figures.questions.refused) == (0, 1)
    assert dict(figures.counts) == {
        "written": 100,
        "doubled": 100,
        "kept_out": 0,
        "answered": QUESTIONS_MAX,
        "failed": 1,
    }
    await columns.close()


@pytest.mark.slow
async def test_a_store_from_before_events_had_weights_is_brought_up(tmp_path, clock, keeping_of):
    """Hot rows and files; a start that was killed between files goes on."""
    async with reopened(tmp_path / "c") as columns:
        await columns.append(made(1_000), place="a", at=1)
        clock.advance(timedelta(hours=6))
        await keeping_of(columns).keep()
        paths = sorted((columns.folder / "events").rglob("*.parquet"))

        def age(writer):
            for path in paths[1:]:
                writer.read_parquet(str(path)).select("* EXCLUDE weight").write_parquet(f"{path}.old")
                Path(f"{path}.old").replace(path)
            writer.execute("ALTER TABLE event DROP COLUMN weight").fetchall()

        await columns.write(age)
    async with reopened(tmp_path / "c") as columns:
        found = await columns.read("SELECT sum(weight)::BIGINT AS n, count(*) AS rows FROM {events}")
        assert found.to_pylist() == [{"n": 1_000, "rows": 1_000}]
        await columns.append(made(500, seed=2), place="a", at=2)
        assert await count(columns) == 1_500


_WRITER = """
import asyncio, os, sys
from pathlib import Path
from tests.platform.columns.conftest import FAST, made
from overworld.kernel.clock import FixedClock
from overworld.platform.columns.store import opened

async def main():
    columns = await opened(Path(sys.argv[1]), settings=FAST)
    at = await columns.placed("log") or 0
    for number, batch in enumerate(made(100_000, days=2, rows=500)):
        if number >= at:
            await columns.append([batch], place="log", at=number + 1)
            print(number + 1, flush=True)

asyncio.run(main())
"""


@pytest.mark.slow
async def test_after_kill_9_no_acknowledged_event_is_missing_or_doubled(tmp_path):
    """Killed at any moment, again and again, it goes on where it says that it is."""
    expected = sum(batch.num_rows for batch in made(100_000, days=2, rows=500)[:40])
    acknowledged = 0
    for kill_after in (3, 11, 24, 40):
        writer = subprocess.Popen([sys.executable, "-c", _WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True)  # noqa: ASYNC220, S603  # our own script
        assert writer.stdout is not None
        while acknowledged < kill_after:
            acknowledged = int(writer.stdout.readline())
        os.kill(writer.pid, signal.SIGKILL)
        rest, _ = writer.communicate()
        acknowledged = int(rest.split()[-1]) if rest.split() else acknowledged
        async with reopened(Path(tmp_path)) as columns:
            at = await columns.placed("log")
            assert at is not None
            assert at >= acknowledged
            found = await columns.read("SELECT count(*) AS n, count(DISTINCT event_id) AS ids FROM {events}")
            assert found.to_pylist() == [{"n": at * 500, "ids": at * 500}]
    assert acknowledged * 500 >= expected


async def test_memory_that_is_done_with_goes_back_to_the_system(columns):
    """Held back, it was 80 MB beside a busy world."""
    assert pa.default_memory_pool().backend_name == "system"
    found = await columns.read("SELECT current_setting('allocator_flush_threshold') AS bytes")
    assert found["bytes"].to_pylist() == ["1MB"]
