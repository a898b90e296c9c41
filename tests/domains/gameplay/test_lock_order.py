"""Rows are locked in the order of their ids, whatever PostgreSQL knows of the tables: no two batches can deadlock."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from contextlib import asynccontextmanager
from uuid import UUID

import pytest
from msgspec.structs import replace

from overworld.kernel.money import AccountRef
from tests.domains.gameplay.field import RULES, SCHEMAS, Field, code_of

ROWS = 50_000
MANY_ROWS = 200_000
_ACCOUNTS = """
INSERT INTO ledger.account (owner_id, currency, code, debits_must_not_exceed_credits, credits_posted)
SELECT gen_random_uuid(), 'coin', 'wallet', true, 0 FROM generate_series(1, $1::integer)"""
_PLAYERS = "INSERT INTO gameplay.player (id) SELECT gen_random_uuid() FROM generate_series(1, $1::integer)"
_WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' AND pid = $1"""
_MOVE = "SELECT ledger.move($1::bigint[], $2::bigint[], $3::bigint[])"

STATES = ["tiny", "filled", "filled and analyzed", "filled under a plan for the tiny table"]


async def prepared(database, state: str, mover, warm_up) -> None:
    """Fills the tables as the state says; `warm_up` makes the mover's plans, eight times, so that they are kept."""
    fill = ROWS if state.startswith("filled") else 20
    early = state.endswith("tiny table")
    async with database.read() as tx:
        await tx.execute("ALTER TABLE ledger.account SET (autovacuum_enabled = off)")
        await tx.execute("ALTER TABLE gameplay.player SET (autovacuum_enabled = off)")
        for statement in (_ACCOUNTS, _PLAYERS):
            await tx.execute(statement, 20)
        if early:
            for _ in range(8):
                await warm_up()
        for statement in (_ACCOUNTS, _PLAYERS):
            await tx.execute(statement, fill)
        if state == "filled and analyzed":
            await tx.execute("ANALYZE")
    if not early:
        for _ in range(random.Random(state).choice([0, 8])):
            await warm_up()


@asynccontextmanager
async def holding(database, table: str, row_id):
    """A transaction that has locked one row."""
    connection = await database.connect()
    try:
        async with connection.transaction():
            await connection.execute(f"SELECT FROM {table} WHERE id = $1 FOR NO KEY UPDATE", row_id)
            yield
    finally:
        await connection.close()


async def locked_by(database, mover, table: str, ids):
    """Which rows are locked once the mover waits for one."""
    pid = mover.get_server_pid()
    async with database.read() as tx:
        waiting = 0
        while not waiting:
            waiting = await tx.fetchval(_WAITING, pid)
    async with database.transaction() as tx:
        free = await tx.fetch(
            f"SELECT id FROM {table} WHERE id = ANY ($1) FOR NO KEY UPDATE SKIP LOCKED",  # noqa: S608
            ids,
        )
    return set(ids) - {row["id"] for row in free}


@pytest.mark.slow
@pytest.mark.parametrize("state", STATES)
async def test_accounts_are_locked_in_the_order_of_their_ids(open_database, state):
    async with open_database(*SCHEMAS) as database:
        mover = await database.connect()
        try:

            async def warm_up():
                await mover.execute(_MOVE, [1, 2, 3], [0, 0, 0], [1, 1, 1])

            await prepared(database, state, mover, warm_up)
            chance = random.Random(state)
            async with database.read() as tx:
                every = [row["id"] for row in await tx.fetch("SELECT id FROM ledger.account")]
            for size in (3, 30, 300):
                ids = sorted(chance.sample(every, min(size, len(every))))
                held = ids[len(ids) // 2]
                async with holding(database, "ledger.account", held):
                    moving = asyncio.create_task(mover.execute(_MOVE, ids, [0] * len(ids), [1] * len(ids)))
                    locked = await locked_by(database, mover, "ledger.account", ids)
                await moving
                assert locked == {one for one in ids if one <= held}
        finally:
            await mover.close()


class OneConnection:
    """A database that has one connection for everything, so that plans are kept and its waits are seen."""

    def __init__(self, connection) -> None:
        self._connection = connection

    @asynccontextmanager
    async def transaction(self):
        async with self._connection.transaction():
            yield self._connection

    @asynccontextmanager
    async def read(self):
        yield self._connection


@pytest.mark.slow
@pytest.mark.parametrize("state", STATES)
async def test_players_are_locked_in_the_order_of_their_ids_before_any_account(open_database, clock, ids, state):
    async with open_database(*SCHEMAS) as database:
        field, chance = Field(database, clock, ids), random.Random(state)
        mover = await database.connect()
        try:
            claims = field.claims(replace(RULES, reach_m=5_000.0), database=OneConnection(mover))
            spawns = field.shared()

            async def warm_up():
                players = [UUID(int=chance.getrandbits(128)) for _ in range(3)]
                await claims.run([field.claim(player, spawns.pop()) for player in players])

            await prepared(database, state, mover, warm_up)
            async with database.read() as tx:
                every = [row["id"] for row in await tx.fetch("SELECT id FROM gameplay.player")]
            for size in (3, 25):
                players = sorted(chance.sample(every, min(size, len(every))))
                batch = [field.claim(player, spawn) for player, spawn in zip(players, spawns, strict=False)]
                del spawns[:size]
                chance.shuffle(batch)
                opened = await field.ledger.open([AccountRef(player, "coin") for player in players])
                held = players[len(players) // 2]
                async with holding(database, "gameplay.player", held):
                    moving = asyncio.create_task(claims.run(batch))
                    locked = await locked_by(database, mover, "gameplay.player", players)
                    accounts = await locked_by(
                        database, mover, "ledger.account", [number for one in opened for number in one]
                    )
                assert {code_of(outcome) for outcome in await moving} == {"ok"}
                assert locked == {one for one in players if one <= held}
                assert accounts == set()
            assert claims.exact_batches == 0
        finally:
            await mover.close()


@pytest.mark.slow
async def test_crossing_batches_on_filled_tables_never_deadlock(open_database, clock, ids):
    """Claims of the same players on two servers and gifts between their wallets, all at once and in any order."""
    async with open_database(*SCHEMAS) as database:
        async with database.read() as tx:
            await tx.execute(_ACCOUNTS, MANY_ROWS)
            await tx.execute(_PLAYERS, MANY_ROWS)
            await tx.execute("ANALYZE")
        field, chance = Field(database, clock, ids), random.Random(5)
        players = [UUID(int=chance.getrandbits(128)) for _ in range(30)]
        servers = [field.claims(replace(RULES, reach_m=5_000.0)) for _ in range(3)]
        codes: Counter[str] = Counter()

        async def claim(server, seed):
            own = random.Random(seed)
            for _ in range(6):
                wanted = [(own.choice(players), own.choice(spawns)) for _ in range(40)]
                outcomes = await server.run([field.claim(*each) for each in wanted], stripe=own.randrange(8))
                codes.update(map(code_of, outcomes))

        spawns = field.shared()
        await asyncio.gather(*(claim(server, seed) for seed, server in enumerate(servers * 4)))
        assert codes["ok"] == len(spawns) and codes.keys() == {"ok", "already_collected"}
        async with database.read() as tx:
            assert await tx.fetchval("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == 0
        assert await field.broken() == []
