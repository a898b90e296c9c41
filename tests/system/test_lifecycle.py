"""A server's life: how it starts, why it does not, and how it ends."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator
from contextlib import closing

import asyncpg
import httpx
import psutil
import pytest
import pytest_asyncio

from bench.servers import Ran, ServerProcess, overworld
from overworld.client import Acted, Refused
from tests.system.player import LJUBLJANA

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

ANY_PORTS = ("--http-port", "0", "--realtime-port", "0", "--operations-port", "0")
GONE_S = 5.0
STOPPED_S = 180.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory) -> AsyncIterator[ServerProcess]:
    """A server with a PostgreSQL of its own, started as its users start one."""
    async with ServerProcess(tmp_path_factory.mktemp("lifecycle") / "data", afresh=True) as started:
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def migrated(empty_database, tmp_path_factory) -> AsyncIterator[str]:
    """The DSN of a database that is up to date."""
    async with empty_database() as dsn:
        ran = await overworld("migrate", "up", "--database", dsn, "--data", tmp_path_factory.mktemp("migrate"))
        assert ran.code == 0, ran
        yield dsn


def refused(ran: Ran, code: str) -> str:
    """What a start that was refused said, which is one line without a traceback."""
    said = ran.err.strip().splitlines()[-1]
    assert (ran.code, said.startswith("overworld: "), said.endswith(f"({code})")) == (1, True, True), ran
    assert "Traceback" not in ran.out + ran.err
    return said


async def test_a_second_server_on_the_data_folder_is_refused_and_told_by_whom(server):
    """Also where the ports are taken by the same server: stopping it, or another folder, is what helps."""
    ports = ["--http-port", str(httpx.URL(server.http).port), *ANY_PORTS[2:]]
    ran = await overworld("serve", "--data", server.data, *ports, afresh=True)
    said = refused(ran, "database.folder_in_use")
    assert f"in use by process {server.family[0].pid}" in said
    assert "--data" in said


async def test_so_is_one_with_a_database_of_its_own(server, migrated):
    ran = await overworld("serve", "--data", server.data, "--database", migrated, *ANY_PORTS)
    assert "in use by process" in refused(ran, "database.folder_in_use")


async def test_after_a_refused_second_start_the_first_server_still_serves(server):
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"{server.operations}/readyz")).status_code == 200


@pytest.mark.parametrize("name", ["http", "realtime", "operations"])
async def test_a_port_that_is_taken_is_named_with_what_to_do_before_a_database_is_made(name, tmp_path):
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = str(taken.getsockname()[1])
        ports = [*ANY_PORTS]
        ports[ports.index(f"--{name}-port") + 1] = port
        ran = await overworld("serve", "--data", tmp_path, *ports)
    said = refused(ran, "platform.port")
    assert re.search(rf"Port {port} for {name} .* is taken .*--{name}-port", said), said
    assert not (tmp_path / "postgres").exists()


@pytest.mark.parametrize("name", ["http", "realtime"])
async def test_an_address_that_is_not_ours_is_named(name, tmp_path):
    elsewhere = {f"OVERWORLD_{name.upper()}__HOST": "203.0.113.7"}
    ran = await overworld("serve", "--data", tmp_path, *ANY_PORTS, environment=elsewhere)
    assert f"203.0.113.7:0 for {name}" in refused(ran, "platform.port")


async def test_ctrl_c_while_a_database_is_made_ends_in_good_order_and_lets_nobody_in(tmp_path):
    """It reaches the whole group of a terminal; what makes the database is none of it, and has its turn."""
    data = tmp_path / "data"
    command = [sys.executable, "-m", "overworld", "serve", "--data", str(data), *ANY_PORTS]
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=PIPE, stderr=STDOUT, start_new_session=True
    )
    try:
        async with asyncio.timeout(STOPPED_S):
            while not (data / "postgres.new" / "base").exists():  # noqa: ASYNC110 - files have no event for us
                await asyncio.sleep(0.002)  # pace: it asks the file system
            os.killpg(process.pid, signal.SIGINT)
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, said.decode()
    assert b"listening" not in said and b"Overworld serves" not in said, said.decode()
    assert (data / "postgres" / "PG_VERSION").exists()


async def test_a_database_that_lacks_migrations_is_not_touched_unasked(empty_database, tmp_path):
    async with empty_database() as dsn:
        ran = await overworld("serve", "--data", tmp_path, "--database", dsn, *ANY_PORTS)
        said = refused(ran, "platform.schema_behind")
        with_tables = await query(dsn, "SELECT count(*) FROM pg_tables WHERE schemaname = 'ledger'")
    assert "--migrate" in said
    assert with_tables == 0


async def test_a_database_of_a_newer_build_is_refused(empty_database, tmp_path):
    async with empty_database() as dsn:
        await overworld("migrate", "up", "--database", dsn, "--data", tmp_path)
        await query(
            dsn, "INSERT INTO migrations.applied (schema, number, name, checksum) VALUES ('ledger', 99, 'later', '')"
        )
        ran = await overworld("serve", "--data", tmp_path, "--database", dsn, "--migrate", *ANY_PORTS)
    assert "ledger 0099_later" in refused(ran, "database.ahead")


async def test_a_database_that_is_away_is_told(tmp_path):
    ran = await overworld("serve", "--data", tmp_path, "--database", "postgresql://nobody@127.0.0.1:1/none", *ANY_PORTS)
    assert "cannot connect to PostgreSQL at 127.0.0.1: " in refused(ran, "database.unavailable")


async def test_told_to_stop_it_answers_what_was_begun_and_leaves_nothing_behind(tmp_path, joins):
    """Started again on the same data, it has everything that was acknowledged."""
    server = ServerProcess(tmp_path / "data", afresh=True)
    async with server:
        player = await joins(server)
        coins = (await player.around(*LJUBLJANA))[:20]
        await player.stand(coins[0]["lat"], coins[0]["lng"])
        claims = [asyncio.create_task(player.socket.collect(coin["id"], request_id=coin["id"])) for coin in coins]
        await asyncio.wait(claims, return_when=asyncio.FIRST_COMPLETED)
        family, port = server.family, httpx.URL(server.http).port
        assert [process for process in family if process.name() == "postgres"]
        assert await server.stop() == 0
        answers = await asyncio.gather(*claims, return_exceptions=True)
        assert [answer for answer in answers if not isinstance(answer, Acted | Refused)] == []
        assert (await player.socket.ended).code == 4503
    assert psutil.wait_procs(family, timeout=GONE_S)[1] == []
    assert not (server.data / "server.json").exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port or 0), timeout=1)
    async with server:
        back = await joins(server, device_id=player.device_id)
        assert await back.balance() == sum(int(answer.value.amount) for answer in answers if isinstance(answer, Acted))
        assert await server.stop(signal.SIGINT) == 0, "interrupted at the keyboard it ends as well"


async def query(dsn: str, statement: str):
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()
