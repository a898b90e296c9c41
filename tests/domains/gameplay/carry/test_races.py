"""Changes that meet: on two servers with a pool each, in any interleaving, nothing is had twice and nothing is lost."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest

from overworld.domains.gameplay.carry.service import Carry
from overworld.domains.gameplay.rewards import Reward, Rewards
from overworld.kernel.refusals import Refusal
from overworld.platform.postgres import Database
from tests.domains.gameplay.carry.camp import ANN, WOODEN, Camp, kit
from tests.domains.gameplay.carry.test_model import code_of


@pytest.fixture
async def two(camp, databases):
    """Two servers on the camp's database, each with a pool of its own."""
    [(name,)] = await camp.rows("SELECT current_database()")
    pools = [await Database.open(databases.dsn_of(name)) for _ in range(2)]
    yield [camp.carry(pool) for pool in pools]
    for pool in pools:
        await pool.close()


async def outcome_of(server: Carry, change):
    try:
        return await server.lanes.submit(change)
    except Refusal as refusal:
        return refusal


async def raced(servers: list[Carry], changes, *, seed: int = 1) -> list[str]:
    """The codes of changes that are made at once, each on any server."""
    draw = random.Random(seed)
    outcomes = await asyncio.gather(*(outcome_of(draw.choice(servers), change) for change in changes))
    return [code_of(outcome) for outcome in outcomes]


@pytest.mark.slow
async def test_the_last_of_a_stock_has_one_winner(camp, two):
    """30 players open a chest each, and there are three crowns."""
    players = [UUID(int=n) for n in range(1, 31)]
    await camp.give_all([(player_id, Reward(items={"chest": 1})) for player_id in players])
    codes = await raced(two, [camp.use(player_id, "chest") for player_id in players])
    assert Counter(codes) == {"ok": 3, "sold_out": 27}
    held = Counter[str]()
    for player_id in players:
        held += await camp.held(player_id)
    assert held == {"chest": 27, "crown": 3}
    assert await camp.rows("SELECT issued FROM gameplay.supply WHERE type = 'crown'") == [(3,)]


@pytest.mark.slow
async def test_the_last_of_a_stock_is_given_once_by_rewards_and_uses_alike(camp, two):
    players = [UUID(int=n) for n in range(1, 21)]
    await camp.give_all([(player_id, Reward(items={"chest": 1})) for player_id in players])

    async def rewarded(player_id):
        [outcome] = await camp.give_all([(player_id, Reward(items={"crown": 1}))])
        return not isinstance(outcome, Refusal)

    codes, given = await asyncio.gather(
        raced(two, [camp.use(player_id, "chest") for player_id in players]),
        asyncio.gather(*(rewarded(player_id) for player_id in players)),
    )
    assert codes.count("ok") + sum(given) == 3


@pytest.mark.slow
async def test_the_same_upgrade_twice_at_once_is_paid_once(camp, two):
    await camp.give(ANN, Reward(tokens={"coin": "1000"}))
    wanted = [camp.upgrade(ANN, WOODEN[ANN], level=2) for _ in range(12)]
    assert Counter(await raced(two, wanted)) == {"ok": 1, "tool_changed": 11}
    assert await camp.balance(ANN) == 980


@pytest.mark.slow
async def test_one_request_sent_to_both_servers_at_once_is_one_request(camp, two):
    players = [UUID(int=n) for n in range(1, 11)]
    for player_id in players:
        await camp.give(player_id, Reward(tokens={"coin": "20"}, items={"box": 2}))
    for player_id in players:
        change = camp.use(player_id, "box")
        answers = await asyncio.gather(*(outcome_of(server, change) for server in two))
        assert sorted(answer.replayed for answer in answers) == [False, True]
        assert answers[0].value == answers[1].value
        assert (await camp.held(player_id))["box"] == 1
        tool_id = (await camp.reading.tools(player_id))[0].id
        change = camp.upgrade(player_id, tool_id)
        assert sorted(await raced(two, [change] * 4)) == ["ok", "ok*", "ok*", "ok*"]


@pytest.mark.slow
async def test_everything_at_once_leaves_what_the_answers_say(camp, two):
    """Uses, upgrades, repairs and exchanges of five players, mixed over both servers, each sent twice."""
    players, draw = [UUID(int=n) for n in range(1, 6)], random.Random(4)
    golden = {}
    for player_id in players:
        reward = Reward(
            tokens={"coin": "300"}, experience=50, items={"apple": 9, "box": 9, "potion": 9}, tools=("golden",)
        )
        golden[player_id] = (await camp.give(player_id, reward)).tools[0].id
    changes = []
    for player_id in players:
        wooden = next(one.id for one in await camp.reading.tools(player_id) if one.type == "wooden")
        changes += [camp.use(player_id, name) for name in ("apple", "box", "potion") for _ in range(6)]
        changes += [camp.upgrade(player_id, wooden) for _ in range(3)]
        changes += [camp.equip(player_id, draw.choice([wooden, golden[player_id]])) for _ in range(4)]
    draw.shuffle(changes)
    codes = await raced(two, [*changes, *changes])
    assert set(codes) <= {"ok", "ok*", "top_level", "top_level*", "cannot_pay", "cannot_pay*"}
    assert sum(code.endswith("*") for code in codes) == len(changes)
    for player_id in players:
        held = await camp.held(player_id)
        assert (held["box"], held["potion"]) == (3, 3)
        assert [one.equipped for one in await camp.reading.tools(player_id)] == [True, False]
    assert len(await camp.events("events.item.used")) == len(players) * 18


class Cut(Exception):
    """The connection broke."""


class CuttingDatabase:
    """A database whose next transactions break after so many statements."""

    def __init__(self, database, statements: int) -> None:
        self._database = database
        self._left = statements

    @asynccontextmanager
    async def transaction(self):
        async with self._database.transaction() as tx:
            yield _CuttingTx(self, tx)

    def count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise Cut


class _CuttingTx:
    def __init__(self, counter: CuttingDatabase, tx) -> None:
        self._counter = counter
        self._tx = tx

    def __getattr__(self, name: str):
        self._counter.count()
        return getattr(self._tx, name)


async def test_wherever_a_transaction_breaks_nothing_stays_and_a_retry_does_it_once(camp):
    """A use that draws a crown, gives experience and a badge, and an upgrade that is paid: cut after each statement."""
    await camp.give(ANN, Reward(tokens={"coin": "20"}, items={"chest": 1, "potion": 1}))
    changes = [
        camp.use(ANN, "chest", "a"),
        camp.use(ANN, "potion", "b"),
        camp.upgrade(ANN, WOODEN[ANN], "c"),
    ]
    before = await everything(camp)
    statements = 0
    while True:
        cutting = CuttingDatabase(camp.database, statements)
        try:
            outcomes = await camp.carry(cutting).run(changes)
        except Cut:
            assert await everything(camp) == before
            statements += 1
        else:
            break
    assert statements > 12
    assert [code_of(outcome) for outcome in outcomes] == ["ok", "ok", "ok"]
    assert [code_of(outcome) for outcome in await camp.first.run(changes)] == ["ok*", "ok*", "ok*"]
    assert await camp.held(ANN) == {"crown": 1}
    assert await camp.balance(ANN) == 0


async def test_wherever_a_grant_breaks_nothing_of_it_stays(camp):
    reward = Reward(
        tokens={"coin": "5"}, experience=70, items={"crown": 1, "apple": 2}, tools=("golden",), badges=("early",)
    )
    before = await everything(camp)
    statements = 0
    while True:
        cutting = CuttingDatabase(camp.database, statements)
        place = Camp(cutting, camp.clock, camp.ids)
        place.ledger = camp.ledger
        place.rewards = Rewards(kit=kit(), ledger=camp.ledger, ids=camp.ids)
        try:
            await place.give_all([(ANN, reward)])
        except Cut:
            assert await everything(camp) == before
            statements += 1
        else:
            break
    assert statements > 8
    assert await camp.held(ANN) == {"crown": 1, "apple": 2}


async def everything(camp: Camp) -> list[list[tuple[Any, ...]]]:
    """Every row that a change may write."""
    queries = [
        f"SELECT t::text FROM {table} AS t ORDER BY 1"  # noqa: S608
        for table in (
            "gameplay.player", "gameplay.item", "gameplay.tool", "gameplay.boost", "gameplay.badge", "gameplay.supply",
            "ledger.account", "ledger.transfer", "platform.idempotency", "eventlog.outbox",
        )
    ]  # fmt: skip
    return [await camp.rows(query) for query in queries]
