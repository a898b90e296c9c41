"""Claims that meet: on several servers with one database, in any interleaving, there is one winner and one payment."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from contextlib import asynccontextmanager
from uuid import UUID

import pytest
from msgspec.structs import replace

from overworld.domains.gameplay.types import GameplaySettings
from overworld.kernel.refusals import Refusal
from overworld.platform.postgres import Database
from tests.domains.gameplay.field import RULES, SECRET, code_of

ANN, BEN = UUID(int=1), UUID(int=2)


async def outcome_of(server, claim):
    try:
        return await server.collect(claim)
    except Refusal as refusal:
        return refusal


@pytest.mark.slow
async def test_of_many_players_on_two_servers_one_gets_each_coin(field):
    """20 players race for each of 30 coins, half on each server, in seeded disorder; lanes of both servers cross."""
    spawns, draw = field.shared()[:30], random.Random(1)
    players = [UUID(int=n + 1) for n in range(20)]
    claims = [(i, field.claim(player, spawn)) for i, player in enumerate(players) for spawn in spawns]
    settings = GameplaySettings(batch_max=8, spawn_key=SECRET.decode())
    servers = [await field.server(replace(RULES, reach_m=1000), settings=settings) for _ in range(2)]
    draw.shuffle(claims)
    outcomes = await asyncio.gather(*(outcome_of(servers[i % 2], claim) for i, claim in claims))
    winners = Counter(
        claim.collectible_id for (_, claim), outcome in zip(claims, outcomes, strict=True) if code_of(outcome) == "ok"
    )
    assert winners == {spawn.id: 1 for spawn in spawns}
    assert {code_of(outcome) for outcome in outcomes} == {"ok", "already_collected"}
    assert sum([await field.balance(player) for player in players]) == 3 * len(spawns)
    assert len([e for e in await field.events() if e.topic == "events.collectible.collected"]) == len(spawns)


@pytest.mark.slow
async def test_one_request_sent_to_two_servers_at_once_is_one_request(field):
    """A client that retries elsewhere before the first answer came: one win, one replay, the same answer."""
    servers = [await field.server() for _ in range(2)]
    for n, spawn in enumerate(field.shared()[:20]):
        claim = field.claim(UUID(int=n + 1), spawn)
        answers = await asyncio.gather(*(server.collect(claim) for server in servers))
        assert sorted(answer.replayed for answer in answers) == [False, True]
        assert answers[0].value == answers[1].value
    assert (await field.counts())["ledger.transfer"] == 20


async def test_a_batch_waits_for_a_rival_and_learns_who_won(field):
    """The rival has taken the coin and not committed yet; the batch must not answer before it knows."""
    spawn, other = field.shared()[:2]
    claims = field.claims()
    async with field.database.transaction() as tx:
        first = await field.claims(database=InOneTransaction(tx)).run([field.claim(ANN, spawn)])
        second = asyncio.create_task(claims.run([field.claim(BEN, spawn), field.claim(UUID(int=3), other)]))
        await waits_for_a_lock(field.database)
        assert not second.done()
    assert [code_of(outcome) for outcome in first] == ["ok"]
    assert [code_of(outcome) for outcome in await second] == ["already_collected", "ok"]


async def test_a_coin_lost_to_a_rival_does_not_use_up_the_cap(field):
    """Ben may take one more today. He loses the coin that comes first in his batch, so he must get the second, and Ann,
    who comes after him for that one, must not: what the batch had already written for her is undone."""
    one, two = field.shared()[:2]
    everywhere = replace(RULES, reach_m=1000, daily_cap=1)
    await field.claims().run([field.claim(UUID(int=3), one)])
    batch = [field.claim(BEN, one), field.claim(BEN, two), field.claim(ANN, two)]
    outcomes = await field.claims(everywhere).run(batch)
    assert [code_of(outcome) for outcome in outcomes] == ["already_collected", "ok", "already_collected"]
    assert (await field.balance(ANN), await field.balance(BEN)) == (0, 3)


async def test_a_coin_lost_to_a_rival_makes_room_for_the_next_one(field):
    """The same without Ann: the second coin had not been written at all."""
    one, two = field.shared()[:2]
    await field.claims().run([field.claim(UUID(int=3), one)])
    batch = [field.claim(BEN, one), field.claim(BEN, two)]
    outcomes = await field.claims(replace(RULES, reach_m=1000, daily_cap=1)).run(batch)
    assert [code_of(outcome) for outcome in outcomes] == ["already_collected", "ok"]


async def test_a_rival_that_fails_leaves_the_coin_to_the_next(field):
    spawn = field.shared()[0]
    with pytest.raises(ZeroDivisionError):
        async with field.database.transaction() as tx:
            await field.claims(database=InOneTransaction(tx)).run([field.claim(ANN, spawn)])
            second = asyncio.create_task(field.claims().run([field.claim(BEN, spawn)]))
            await waits_for_a_lock(field.database)
            raise ZeroDivisionError
    assert [code_of(outcome) for outcome in await second] == ["ok"]
    assert (await field.balance(ANN), await field.balance(BEN)) == (0, 3)


@pytest.mark.slow
async def test_batches_that_cross_never_deadlock(field):
    """Two servers run batches with the same players and coins in opposite orders, new players each time."""
    spawns = field.shared()[:10]
    everywhere = replace(RULES, reach_m=1000)
    servers = [field.claims(everywhere) for _ in range(2)]
    for n in range(15):
        players = [UUID(int=n * 100 + m + 1) for m in range(10)]
        claims = [field.claim(player, spawn) for player, spawn in zip(players, spawns, strict=True)]
        again = [replace(claim, key=claim.key + "'") for claim in reversed(claims)]
        results = await asyncio.gather(servers[0].run(claims), servers[1].run(again))
        assert {code_of(outcome) for outcomes in results for outcome in outcomes} <= {"ok", "already_collected"}
    async with field.database.read() as tx:
        assert await tx.fetchval("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == 0
    assert (await field.counts())["ledger.transfer"] == len(spawns)


async def test_a_claim_whose_caller_left_still_counts_once(field):
    """The socket closed while the claim was being committed; a retry finds the answer."""
    server = await field.server()
    claim = field.claim(ANN, field.shared()[0])
    leaving = asyncio.create_task(server.collect(claim))
    await asyncio.sleep(0)
    leaving.cancel()
    answer = await server.collect(claim)
    assert answer.value.balance == "3" and await field.balance(ANN) == 3


class InOneTransaction:
    """A database whose every use is of one transaction, which somebody else will end."""

    def __init__(self, tx) -> None:
        self._tx = tx

    @asynccontextmanager
    async def read(self):
        yield self._tx

    transaction = read


async def waits_for_a_lock(database: Database) -> None:
    """Until some transaction of this database waits for another."""
    waiting = 0
    while not waiting:
        async with database.read() as tx:
            waiting = await tx.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
