"""The proofs of script/prove, in a small form; what they check with is itself tried on books that are wrong."""

from __future__ import annotations

import json
from uuid import UUID

import asyncpg
import pytest
from msgspec.structs import replace

from bench.prove import claims_race, crash
from bench.prove.books import Told, audit
from bench.prove.outcome import Outcome, conclude
from bench.servers import ServerProcess
from overworld.app.game import check, found
from tests.system.player import LJUBLJANA

pytestmark = [
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
]

# Each is added to those before, and what the audit then says besides.
DAMAGES = {
    "UPDATE gameplay.player SET experience = experience + 1": "experience, the events give",
    "UPDATE ledger.account SET credits_posted = credits_posted + 1 WHERE code = 'wallet'": "wallets hold",
    "DELETE FROM eventlog.outbox WHERE 'events.collectible.collected' = ANY (topics)": "published 0 times",
}


async def test_of_two_racers_on_two_servers_one_wins_each_time(empty_database, tmp_path):
    async with empty_database() as dsn:
        outcome = await claims_race.race_on(dsn, tmp_path, races=80, pairs=2, retry_share=0.5, seed=11)
    assert outcome.faults == []
    assert outcome.figures["wins_server_1"] + outcome.figures["wins_server_2"] >= 80
    assert outcome.figures["sent_again"] > 0


async def test_a_killed_server_has_everything_it_acknowledged(tmp_path):
    outcome = await crash.prove(tmp_path, rounds=3, database_rounds=1, walkers=3, leg_fixes=25, seed=12)
    assert outcome.faults == []
    kinds = {"server": 1, "server unheard": 1, "server and database": 1, "database": 1}
    assert outcome.figures["kills"] == kinds
    assert outcome.figures["claims_acknowledged"] == outcome.figures["transfers"] > 0
    assert outcome.figures["gifts_acknowledged"] > 0
    sealed = outcome.figures["transfers"] + outcome.figures["gifts_acknowledged"]
    assert outcome.figures["transfers_verified"] == sealed
    assert outcome.figures["reconnects"] >= 3


async def test_the_audit_sees_what_is_missing_or_too_much(empty_database, tmp_path, joins):
    game = check(found("ore"))
    async with empty_database() as dsn:
        async with ServerProcess(tmp_path, dsn=dsn) as server:  # one that runs may write more while its log is read
            player = await joins(server)
            coin = (await player.around(*LJUBLJANA))[0]
            await player.stand(coin["lat"], coin["lng"])
            collected = (await player.socket.collect(coin["id"], request_id="1")).value
        told = Told(UUID(player.api.session.user.id), collected)
        assert (await audit(dsn, [told], game=game)).faults == []
        cheaper = replace(told, collected=replace(collected, amount="0"))
        for wrong in ([], [told, told], [cheaper], [replace(told, player_id=UUID(int=1))]):
            assert "acknowledged" in "\n".join((await audit(dsn, wrong, game=game)).faults)
        for damage, said in DAMAGES.items():
            assert said not in "\n".join((await audit(dsn, [told], game=game)).faults)
            await execute(dsn, damage)
            assert said in "\n".join((await audit(dsn, [told], game=game)).faults), damage


async def test_an_outcome_ends_with_one_line_of_json_and_a_code(capsys):
    for faults, code in (([], 0), (["a claim was lost"], 1)):
        assert conclude("crash", Outcome({"rounds": 3}, faults), seed=5) == code
        told = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert told == {"proof": "crash", "held": not faults, "seed": 5, "rounds": 3, "faults": faults}


async def execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
