"""Every wait for the database ends, and a caller can tell whether to try again."""

from __future__ import annotations

import asyncio
import os
import signal

import asyncpg
import pytest

from overworld.platform.postgres import (
    BadDsn,
    Database,
    DatabaseBusy,
    DatabaseFull,
    DatabaseSettings,
    DatabaseTimeout,
    DatabaseUnavailable,
    run_again,
)


@pytest.fixture
def reopened(postgres_dsn):
    """Opens the server's own database with settings of the test."""

    async def opened(**settings):
        return await Database.open(postgres_dsn, settings=DatabaseSettings(**settings))

    return opened


async def terminate(database, pid):
    async with database.read() as tx:
        await tx.execute("SELECT pg_terminate_backend($1, 5000)", pid)


async def ask(database):
    async with database.read() as tx:
        await tx.execute("SELECT 1")


async def test_a_transaction_that_raises_leaves_nothing(open_database):
    async with open_database() as database:
        with pytest.raises(ZeroDivisionError):
            async with database.transaction() as tx:
                await tx.execute("CREATE TABLE note (n int)")
                raise ZeroDivisionError
        async with database.read() as tx:
            assert await tx.fetchval("SELECT to_regclass('note')") is None


@pytest.mark.parametrize("state", ["53100", "53200"], ids=["disk", "memory"])
async def test_a_server_without_room_is_a_fault_and_serves_on(open_database, state):
    """The SQLSTATEs of a full disk and of memory that ran out, from a real server."""
    async with open_database() as database:
        with pytest.raises(DatabaseFull):
            async with database.transaction() as tx:
                await tx.execute(f"DO $$ BEGIN RAISE EXCEPTION 'no space' USING ERRCODE = '{state}'; END $$")
        await ask(database)


async def test_a_server_that_does_not_answer_is_a_fault():
    with pytest.raises(DatabaseUnavailable, match="cannot connect"):
        await Database.open("postgresql://overworld@/postgres?host=/nowhere")


@pytest.mark.parametrize("dsn", ["game", "mysql://localhost/game", "postgresql://me:se:cret@localhost:port/game"])
async def test_what_is_no_address_is_refused_without_repeating_it(dsn):
    with pytest.raises(BadDsn) as refused:
        await Database.open(dsn)
    assert "postgresql://USER:PASSWORD@HOST:PORT/DATABASE" in str(refused.value)
    assert "cret" not in str(refused.value)


async def test_a_cancelled_caller_stays_cancelled_when_the_server_is_silent(reopened):
    """asyncpg raises TimeoutError instead; who catches that and goes on would never end."""
    database = await reopened(acquire_timeout_s=0.05)
    async with database.read() as tx:
        backend = await tx.fetchval("SELECT pg_backend_pid()")
    os.kill(backend, signal.SIGSTOP)
    try:
        asking = asyncio.create_task(ask(database))
        await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
    finally:
        os.kill(backend, signal.SIGCONT)
        await database.close()


async def test_closing_cuts_what_does_not_end(reopened):
    database = await reopened(close_timeout_s=0.05)
    async with database.read() as tx:
        sleeping = asyncio.create_task(tx.execute("SELECT pg_sleep(60)"))
        await asyncio.sleep(0)
        await database.close()
        with pytest.raises(asyncpg.PostgresConnectionError):
            await sleeping


async def test_a_lost_connection_is_a_fault_and_the_next_caller_gets_a_new_one(open_database):
    async with open_database() as database:
        with pytest.raises(DatabaseUnavailable):
            async with database.transaction() as tx:
                await terminate(database, await tx.fetchval("SELECT pg_backend_pid()"))
                await tx.execute("SELECT 1")
        async with database.transaction() as tx:
            assert await tx.fetchval("SELECT 1") == 1


async def test_a_connection_lost_on_the_way_to_the_commit_is_a_fault(open_database):
    async with open_database() as database:
        with pytest.raises(DatabaseUnavailable):
            async with database.transaction() as tx:
                await terminate(database, await tx.fetchval("SELECT pg_backend_pid()"))


async def test_the_callers_own_error_stays_its_own(open_database):
    async with open_database() as database:
        with pytest.raises(FileNotFoundError):
            async with database.transaction():
                raise FileNotFoundError("of the caller")
        with pytest.raises(asyncpg.UniqueViolationError):
            async with database.transaction() as tx:
                await tx.execute("CREATE TABLE note (n int PRIMARY KEY); INSERT INTO note VALUES (1), (1)")


async def test_a_slow_statement_is_cancelled_and_told(reopened):
    database = await reopened(statement_timeout_ms=20)
    with pytest.raises(DatabaseTimeout):
        async with database.read() as tx:
            await tx.execute("SELECT pg_sleep(10)")
    await database.close()


async def test_waiting_for_a_lock_ends(reopened):
    database = await reopened(lock_timeout_ms=20)
    async with database.transaction() as holder:
        await holder.execute("SELECT pg_advisory_xact_lock(1)")
        with pytest.raises(DatabaseTimeout):
            async with database.transaction() as tx:
                await tx.execute("SELECT pg_advisory_xact_lock(1)")
    await database.close()


async def test_a_transaction_that_stands_idle_is_ended_by_the_server(reopened):
    database = await reopened(idle_in_transaction_timeout_ms=20)
    with pytest.raises(DatabaseUnavailable):
        async with database.transaction() as tx:
            pid = await tx.fetchval("SELECT pg_backend_pid()")
            async with database.read() as other:
                while await other.fetchval("SELECT true FROM pg_stat_activity WHERE pid = $1", pid):
                    continue
            await tx.execute("SELECT 1")
    await database.close()


async def test_when_no_connection_comes_free_the_caller_is_refused(reopened):
    database = await reopened(connections_max=1, acquire_timeout_s=0.02)
    async with database.transaction():
        with pytest.raises(DatabaseBusy, match="no connection within"):
            async with database.transaction():
                pass
        assert database.use().in_use == 1
    assert (database.use().in_use, database.use().waiting) == (0, 0)
    await database.close()


async def test_when_too_many_wait_the_next_is_refused_at_once(reopened):
    database = await reopened(connections_max=1, waiting_max=2)
    free = asyncio.Event()

    async def hold():
        async with database.transaction():
            await free.wait()

    holders = [asyncio.create_task(hold()) for _ in range(3)]
    while database.use().waiting < 2:  # noqa: ASYNC110 - the pool has no event for this
        await asyncio.sleep(0)
    with pytest.raises(DatabaseBusy, match="2 callers wait"):
        async with database.transaction():
            pass
    free.set()
    await asyncio.gather(*holders)
    await database.close()


async def test_a_lost_conflict_is_run_again(open_database):
    async with open_database() as database:
        async with database.transaction() as tx:
            await tx.execute("CREATE TABLE score AS SELECT 0 AS n")

        async def add_one():
            async with database.transaction() as tx:
                await tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                n = await tx.fetchval("SELECT n FROM score")
                await tx.execute("UPDATE score SET n = $1", n + 1)

        await asyncio.gather(*(run_again(add_one, tries=10) for _ in range(3)))
        async with database.read() as tx:
            assert await tx.fetchval("SELECT n FROM score") == 3


async def test_a_conflict_that_is_always_lost_is_a_refusal():
    tries = 0

    async def lose():
        nonlocal tries
        tries += 1
        raise asyncpg.DeadlockDetectedError("again")

    with pytest.raises(DatabaseBusy):
        await run_again(lose, tries=3)
    assert tries == 3


class Notices:
    """Keeps payloads; the empty one says that listening has begun, or begun again."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[str] = asyncio.Queue()

    def __call__(self, payload: str) -> None:
        self.heard.put_nowait(payload)

    async def next(self) -> str:
        return await asyncio.wait_for(self.heard.get(), 10)


async def notify(database, channel, payload):
    async with database.read() as tx:
        await tx.execute("SELECT pg_notify($1, $2)", channel, payload)


async def test_notices_of_each_channel_reach_its_callbacks(open_database):
    async with open_database() as database:
        one, two = Notices(), Notices()
        async with database.listen("one", one), database.listen("two", two):
            assert (await one.next(), await two.next()) == ("", "")
            await notify(database, "two", "b")
            await notify(database, "one", "a")
            assert (await one.next(), await two.next()) == ("a", "b")


async def test_listening_goes_on_after_its_connection_was_lost(open_database):
    async with open_database() as database:
        notices = Notices()
        async with database.listen("one", notices):
            assert await notices.next() == ""
            async with database.read() as tx:
                pid = await tx.fetchval("SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")
            await terminate(database, pid)
            assert await notices.next() == ""
            await notify(database, "one", "a")
            assert await notices.next() == "a"


async def test_a_pooled_connection_costs_no_round_trip_to_come_back(open_database):
    """asyncpg's reset query would show as the last statement."""
    async with open_database() as database:
        async with database.read() as tx:
            pid = await tx.fetchval("SELECT pg_backend_pid()")
        other = await database.connect()
        assert "pg_backend_pid" in await other.fetchval("SELECT query FROM pg_stat_activity WHERE pid = $1", pid)
        await other.close()
