"""What is held in memory is the table's, whatever was missed, told twice, or lost."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest

from overworld.domains.gameplay.boards import store
from overworld.domains.gameplay.boards.messages import LeaderboardRebuilt
from overworld.domains.gameplay.boards.ranks import MemoryRanks
from overworld.domains.gameplay.boards.rules import boards_of
from overworld.domains.gameplay.boards.scoring import NAME, TOPICS
from overworld.domains.gameplay.boards.service import Asked
from overworld.domains.gameplay.boards.standings import TOPICS as TOLD
from overworld.domains.gameplay.boards.standings import Standings
from overworld.domains.gameplay.boards.types import ALWAYS, Key
from tests.domains.gameplay.boards.stadium import CURRENCIES, Naive, Take

WORLD = Key("global", ALWAYS.starts_at)
ANN = UUID(int=1)


def takes_of(random: Random, clock: Any, count: int) -> list[Take]:
    return [Take(UUID(int=random.randint(1, 30)), random.randint(1, 9), clock.now()) for _ in range(count)]


async def places(parts: Any, board: str = "global") -> list[Any]:
    page, _ = await parts.service.page(Asked(player_id=ANN, board=board, limit=200))
    return list(page.items)


async def test_a_server_that_starts_again_has_what_the_other_one_had(stadium, clock):
    await stadium.fold(takes_of(Random(1), clock, 100))
    before = await places(stadium.parts)
    again = stadium.server()
    await again.service.load()
    assert again.service.standings.sets == 3
    assert await places(again) == before != []


async def test_a_set_that_is_read_while_scores_come_misses_none(stadium, clock, monkeypatch):
    """Every order of reading and hearing: the table is read before, while and after the news of a change arrives."""
    random = Random(2)
    await stadium.fold(takes_of(random, clock, 60))
    monkeypatch.setattr(store, "_FETCH", "FETCH 3 FROM board_set")
    server = stadium.server()
    reading = asyncio.create_task(places(server))
    while not reading.done():
        async with stadium.database.transaction() as tx:
            takes = takes_of(random, clock, 3)
            await stadium.parts.scoring.apply(tx, [stadium.enclosed(take) for take in takes])
        news = await stadium.told(after=stadium._heard)
        await server.service.standings.on_events(news)
        await stadium.parts.service.standings.on_events(news)
    assert await places(server) == await places(stadium.server())


async def test_what_was_counted_anew_is_read_again_also_while_it_is_being_read(stadium, clock, monkeypatch):
    await stadium.fold(takes_of(Random(3), clock, 40))
    await places(stadium.parts)
    async with stadium.database.transaction() as tx:
        await tx.execute("UPDATE gameplay.board_score SET score = 1 WHERE board = 'global'")
    assert {one.score for one in await places(stadium.parts)} != {"1"}
    rebuilt = [LeaderboardRebuilt(changed=1)]
    async with stadium.database.transaction() as tx:
        await stadium.outbox.append(tx, rebuilt, at=clock.now())
    await stadium.hear()
    monkeypatch.setattr(store, "_FETCH", "FETCH 3 FROM board_set")
    reading = asyncio.create_task(places(stadium.parts))
    await asyncio.sleep(0)
    await stadium.parts.service.standings.forget_all()
    assert {one.score for one in await reading} == {"1"}


async def test_only_so_many_sets_are_held_and_those_of_the_world_stay(stadium, clock):
    """Nobody can have a million places read again by asking for one region after the other."""
    standings = Standings(database=stadium.database, ranks=MemoryRanks(), sets_max=2)
    await stadium.fold(takes_of(Random(4), clock, 20))
    keys = [WORLD, Key("region", ALWAYS.starts_at, 1), Key("region", ALWAYS.starts_at, 2)]
    for key in [*keys, *keys[1:]]:
        ranks = await standings.hold(key)
        assert standings.sets <= 2
        assert await ranks.count(WORLD) > 0


async def test_sets_of_windows_that_are_over_are_let_go(stadium, clock):
    await stadium.parts.service.load()
    held = stadium.parts.service.standings.sets
    clock.advance(timedelta(hours=13))
    await stadium.parts.service.tidy()
    assert stadium.parts.service.standings.sets == held - 1


async def test_a_set_that_cannot_be_read_fails_who_asks_and_is_tried_again(stadium, clock, monkeypatch):
    await stadium.fold(takes_of(Random(5), clock, 20))
    sound = store._SET
    monkeypatch.setattr(store, "_SET", "SELECT broken")
    with pytest.raises(Exception, match="broken"):
        await places(stadium.parts)
    monkeypatch.setattr(store, "_SET", sound)
    assert await places(stadium.parts) != []


@pytest.mark.slow
async def test_what_is_collected_is_counted_once_and_seen_by_every_server(stadium, clock):
    """The real log: two servers with a fold and a tail each, of which one fold is active until it ends."""
    takes = takes_of(Random(6), clock, 60)
    servers = [stadium.parts, stadium.server()]
    await stadium.log.start()
    folds = [stadium.log.fold(NAME, topics=TOPICS, apply=server.scoring.apply) for server in servers]
    tails = [await stadium.log.tail(topics=TOLD, handle=server.service.standings.on_events) for server in servers]
    running = [asyncio.create_task(one.run()) for one in (*folds, *tails)]
    for server in servers:
        await server.service.load()
    await stadium.publish(takes[:30])
    folds[0].stop()
    await stadium.publish(takes[30:])
    naive = Naive(takes).places(boards_of({}, CURRENCIES)["global"], clock.now())
    expected = [(rank, who, str(score)) for rank, who, score, _ in naive]
    async with asyncio.timeout(20):
        for server in servers:
            while [(one.rank, one.player_id, one.score) for one in await places(server)] != expected:  # noqa: ASYNC110
                await asyncio.sleep(0)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    await stadium.log.close()
