"""The server we bring comes up, stops, and recovers, whatever was killed before."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import psutil
import pytest

from overworld.platform.postgres import (
    DatabaseSettings,
    DataFolderInUse,
    EmbeddedPostgres,
    PostgresNotStarted,
    running_dsn,
)

pytestmark = pytest.mark.slow

SETTINGS = DatabaseSettings(shared_buffers_mb=16, server_connections_max=20)
_SERVE = """
import signal, sys
from pathlib import Path
from overworld.platform.postgres import DatabaseSettings, EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]), settings=DatabaseSettings(shared_buffers_mb=16))
print(server.start(), flush=True)
signal.pause()
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of our own: pytest closes the parent of its own ones again and again."""
    with tempfile.TemporaryDirectory(prefix="ow-pg-") as name:
        yield Path(name)


@pytest.fixture
def data(folder: Path) -> Path:
    return folder / "data"


def server_on(data: Path) -> EmbeddedPostgres:
    return EmbeddedPostgres(data, settings=SETTINGS, durable=False)


@contextmanager
def stranger(*, uid: int) -> Iterator[int]:
    """The number of a process that has nothing to do with us, and runs as a user."""
    with subprocess.Popen(["/bin/sleep", "60"], user=uid if os.geteuid() == 0 else None) as process:
        try:
            yield process.pid
        finally:
            process.kill()


@contextmanager
def running(data: Path, *, durable: bool = False):
    server = EmbeddedPostgres(data, settings=SETTINGS, durable=durable)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def another_process(data: Path):
    """A process of its own that runs a server, with its DSN; killed at the end at the latest."""
    process = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", _SERVE, str(data)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


async def run(dsn: str, query: str):
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


def postgres_in(data: Path) -> list[psutil.Process]:
    place = str((data / "postgres").resolve())
    return [p for p in psutil.process_iter(["name", "cwd"]) if p.info["name"] == "postgres" and p.info["cwd"] == place]


def postgres_ids(data: Path) -> set[int]:
    return {process.pid for process in postgres_in(data)}


async def test_what_was_committed_is_there_after_a_restart(data):
    with running(data) as server:
        await run(server.dsn, "CREATE TABLE note AS SELECT 7 AS n")
        assert running_dsn(data) == server.dsn
    assert running_dsn(data) is None
    assert postgres_in(data) == []
    with running(data) as server:
        assert await run(server.dsn, "SELECT n FROM note") == 7


async def test_it_speaks_utf8_and_only_through_its_socket(data):
    with running(data) as server:
        assert await run(server.dsn, "SHOW server_encoding") == "UTF8"
        assert await run(server.dsn, "SHOW listen_addresses") == ""
        assert await run(server.dsn, "SELECT upper('é')") == "É"


_SYNCS = """
SELECT string_agg(setting, ' ') FROM pg_settings WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit')"""


async def test_a_durable_server_syncs(data):
    with running(data, durable=True) as server:
        assert await run(server.dsn, _SYNCS) == "on on on"


@pytest.mark.parametrize("name", ["with a space", "höhle", 'quote"comma,', "x" * 120])
async def test_any_folder_name_will_do(data, name):
    """A Unix socket's path may have 107 bytes; the socket of a longer one lives elsewhere."""
    with running(data / name) as server:
        assert await run(server.dsn, "SELECT 1") == 1
        assert running_dsn(data / name) == server.dsn


def test_a_second_server_on_the_folder_is_refused_and_told_by_whom(data):
    with another_process(data) as (process, _dsn), pytest.raises(DataFolderInUse, match=f"process {process.pid}"):
        server_on(data).start()


def test_the_folder_is_free_again_after_a_refused_start(data):
    data.mkdir()
    (data / "postgres").mkdir()
    (data / "postgres" / "PG_VERSION").write_text("12\n")
    for _ in range(2):
        with pytest.raises(PostgresNotStarted, match="made by PostgreSQL 12"):
            server_on(data).start()


async def test_after_a_killed_process_the_next_one_starts_with_everything_committed(data):
    with another_process(data) as (process, dsn):
        await run(dsn, "CREATE TABLE note AS SELECT 7 AS n")
        process.kill()
        process.wait()
        with running(data) as server:
            assert await run(server.dsn, "SELECT n FROM note") == 7
    assert postgres_in(data) == []


async def test_the_server_does_not_outlive_a_killed_process(data):
    with another_process(data) as (process, _dsn):
        left = postgres_in(data)
        assert left
        process.kill()
        process.wait()
        _gone, alive = psutil.wait_procs(left, timeout=20)
        assert alive == []


async def test_a_server_that_nobody_watches_any_more_is_stopped_by_the_next_start(data):
    """Killed together with its watchers, as a container's out-of-memory killer may do."""
    with another_process(data) as (process, dsn):
        await run(dsn, "CREATE TABLE note AS SELECT 7 AS n")
        supervisor = psutil.Process(process.pid).children()[0]
        for watcher in [*(child for child in supervisor.children() if child.pid not in postgres_ids(data)), supervisor]:
            watcher.kill()
        process.kill()
        process.wait()
        orphan = int((data / "postgres" / "postmaster.pid").read_text().split()[0])
        assert orphan in postgres_ids(data)
        with running(data) as server:
            assert orphan not in postgres_ids(data)
            assert await run(server.dsn, "SELECT n FROM note") == 7


async def test_a_killed_server_is_started_again(data):
    with running(data, durable=True) as server:
        await run(server.dsn, "CREATE TABLE note AS SELECT 7 AS n")
        assert not server.revive()
        postmaster = psutil.Process(int((data / "postgres" / "postmaster.pid").read_text().split()[0]))
        postmaster.send_signal(signal.SIGKILL)
        psutil.wait_procs([postmaster], timeout=10)
        while not server.revive():
            continue
        assert await run(server.dsn, "SELECT n FROM note") == 7


async def test_a_process_file_with_a_strangers_number_does_no_harm(data):
    """After a reboot the number in it may be anybody's: here it is ours."""
    with running(data):
        pass
    pid_file = data / "postgres" / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n{data / 'postgres'}\n0\n5432\n\n\n\nready\n")
    with running(data) as server:
        assert await run(server.dsn, "SELECT 1") == 1


async def test_a_socket_lock_with_a_living_strangers_number_does_no_harm(data):
    """The stranger runs as the server's own user, whose processes the server can see."""
    with running(data):
        pass
    lock = data / "postgres" / ".s.PGSQL.5432.lock"
    with stranger(uid=(data / "postgres").stat().st_uid) as pid:
        lock.write_text(f"{pid}\n{data / 'postgres'}\n0\n5432\n{data / 'postgres'}\n")
        with running(data) as server:
            assert await run(server.dsn, "SELECT 1") == 1


async def test_a_database_that_was_half_made_is_made_again(data):
    (data / "postgres.new" / "base").mkdir(parents=True)
    (data / "postgres.new" / "PG_VERSION").write_text("18\n")
    with running(data) as server:
        assert await run(server.dsn, "SELECT 1") == 1


def test_a_data_folder_that_is_no_folder_is_told(data):
    data.write_text("")
    with pytest.raises(PostgresNotStarted, match="cannot use the data folder"):
        server_on(data).start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as somebody else")
async def test_under_root_a_closed_parent_lets_only_the_server_pass(folder):
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    with running(closed / "data") as server:
        assert await run(server.dsn, "SELECT 1") == 1
    assert closed.stat().st_mode & 0o007 == 0
    assert (closed / "data" / "postgres").stat().st_uid != 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as somebody else")
def test_under_root_an_unknown_user_is_told(data):
    server = EmbeddedPostgres(data, settings=DatabaseSettings(system_user="no_such_user"))
    with pytest.raises(PostgresNotStarted, match="no_such_user"):
        server.start()
