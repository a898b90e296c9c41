"""`overworld events lag` as people and probes run it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest
from msgspec import Raw

from bench.servers import Ran, ServerProcess, overworld
from overworld.app.schemas import SCHEMAS
from overworld.kernel.clock import SystemClock
from overworld.kernel.events import Envelope
from overworld.platform.eventlog import SCHEMA, store
from overworld.platform.eventlog.types import START
from overworld.platform.postgres import Database

pytestmark = pytest.mark.slow

EVENTS = 3


async def lag(*arguments: str | Path) -> Ran:
    ran = await overworld("events", "lag", *arguments)
    assert "Traceback" not in ran.err
    return ran


@pytest.fixture
def late_reader(open_database, databases) -> Callable[[], object]:
    """A database whose one consumer has not read three events of a minute ago: `async with late_reader() as dsn`."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[str]:
        async with open_database(SCHEMA) as database:
            at = SystemClock().now() - timedelta(minutes=1)
            events = [
                Envelope(id=UUID(int=n), topic="events.thing.done", at=at, key="", data=Raw(b"{}"))
                for n in range(EVENTS)
            ]
            async with database.transaction() as tx:
                await store.append(tx, events, at=at)
                await store.open_cursor(tx, "slow-reader", start=START, at=at)
            yield databases.dsn_of(await name_of(database))

    return opened


async def name_of(database: Database) -> str:
    async with database.read() as tx:
        return str(await tx.fetchval("SELECT current_database()"))


async def test_a_table_tells_who_is_behind(late_reader):
    async with late_reader() as dsn:
        ran = await lag("--database", dsn)
    assert (ran.code, ran.err) == (0, "")
    consumer = next(line.split() for line in ran.out.splitlines() if line.startswith("slow-reader"))
    assert consumer[1] == str(EVENTS)
    assert 60 <= float(consumer[2]) < 120
    assert consumer[3] == "0"
    assert ["events.thing.done", str(EVENTS)] in [line.split() for line in ran.out.splitlines()]
    assert ran.out.isascii()


async def test_a_probe_gets_exit_code_1_when_a_reader_is_too_late(late_reader):
    async with late_reader() as dsn:
        codes = {
            flags: (await lag("--database", dsn, *flags.split())).code
            for flags in (f"--warn-events {EVENTS}", f"--warn-events {EVENTS - 1}", "--warn-s 3600", "--warn-s 30")
        }
        late = await lag("--database", dsn, "--warn-s", "30", "--warn-events", "0", "--json")
    assert list(codes.values()) == [0, 1, 0, 1]
    assert late.err.splitlines()[0] == "overworld: slow-reader is 3 events behind, more than 0"
    told = json.loads(late.out)
    assert told["consumers"][0]["events_behind"] == EVENTS
    assert told["events_last_day"] == {"events.thing.done": EVENTS}


async def test_a_running_server_is_looked_into_and_one_that_is_not_is_never_started(tmp_path):
    data = tmp_path / "data"
    nobody = await lag("--data", data)
    assert nobody.code == 1
    assert "no server is running on the data folder" in nobody.err
    assert "overworld serve" in nobody.err
    assert not data.exists()
    async with ServerProcess(data) as server:
        ran = await lag("--data", server.data)
        assert (ran.code, ran.err) == (0, "")
        assert "\nquests " in ran.out
        doctor = await overworld("doctor", "--data", server.data, "--json")
        told = {check["check"]: check for check in json.loads(doctor.out)["checks"]}
        assert str(server.family[0].pid) in told["server"]["found"]
        assert told["migrations"]["found"] == "the database has all of them"
        assert told["clocks"]["level"] == "ok"
    stopped = await lag("--data", data)
    assert (stopped.code, stopped.out) == (1, "")


@pytest.mark.parametrize("what", ["unmigrated", "forbidden", "gone"])
async def test_a_database_that_says_no_is_told_in_one_line(open_database, databases, what):
    async with open_database(*(SCHEMAS if what == "forbidden" else ())) as database:
        dsn = databases.dsn_of(await name_of(database))
        guest = f"guest_{uuid4().hex}"
        if what == "forbidden":
            admin = await asyncpg.connect(dsn)
            await admin.execute(f"CREATE ROLE {guest} LOGIN")
            await admin.close()
            dsn = dsn.replace("overworld@", f"{guest}@")
        if what == "gone":
            dsn = "postgresql://me:hunter2@127.0.0.1:1/game"
        ran = await lag("--database", dsn)
    words = {"unmigrated": "migrate up", "forbidden": "permission denied", "gone": "cannot connect"}
    assert (ran.code, ran.out, len(ran.err.splitlines())) == (1, "", 1)
    assert words[what] in ran.err
    assert "hunter2" not in ran.err
