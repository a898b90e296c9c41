"""Windows that are over keep their results, exactly, whatever comes late and whoever looks."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest

from overworld.domains.gameplay.boards.messages import LeaderboardArchived
from overworld.domains.gameplay.boards.rules import boards_of
from overworld.domains.gameplay.boards.scoring import NAME
from overworld.domains.gameplay.boards.service import Asked
from overworld.domains.gameplay.boards.types import BoardRules
from overworld.platform.eventlog.store import head, move_cursor, open_cursor, read
from overworld.platform.eventlog.types import START
from tests.domains.gameplay.boards.stadium import CURRENCIES, Naive, Stadium, Take
from tests.domains.gameplay.boards.test_scores import random_takes

DECLARED = {
    "daily": BoardRules(resets="daily", archive=10),
    "weekly": BoardRules(),
    "half": BoardRules(resets="0 */12 * * *", archive=5),
    "region": BoardRules(resets="daily", archive=3),
}
ANN = UUID(int=1)


@pytest.fixture
async def stadium(open_database_of_boards, clock, ids):
    async with open_database_of_boards() as database:
        stadium = Stadium(database, clock, ids, DECLARED)
        await pass_log(stadium)
        yield stadium


async def pass_log(stadium: Stadium) -> None:
    """Says that the fold has read the log to its end."""
    async with stadium.database.read() as tx:
        await open_cursor(tx, NAME, start=START, at=stadium.clock.now())
        await move_cursor(tx, NAME, to=(await head(tx)).position, at=stadium.clock.now())


async def archived_events(stadium: Stadium) -> list[LeaderboardArchived]:
    async with stadium.database.read() as tx:
        topics = frozenset({LeaderboardArchived.topic})
        batches = await read(tx, after=START, topics=topics, batches_max=10_000)
    return [event.decode() for batch in batches for event in batch.events]  # type: ignore[misc]


def midnight(clock: Any) -> datetime:
    now: datetime = clock.now()
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


@pytest.mark.parametrize("seed", range(2))
async def test_the_results_of_every_window_are_those_of_a_naive_scoreboard(stadium, clock, seed):
    takes = random_takes(Random(seed), clock, count=300, players=25)
    await stadium.fold(takes)
    clock.advance(timedelta(days=1))
    assert await stadium.parts.archive.turn() > 5
    assert await stadium.parts.archive.turn() == 0
    naive, boards = Naive(takes), boards_of(DECLARED, CURRENCIES)
    for event in await archived_events(stadium):
        board = boards[event.board]
        regions = {take.region for take in takes} if board.by_region else {0}
        places = [naive.places(board, event.starts_at, region=region)[: board.archive] for region in sorted(regions)]
        expected = [(rank, who, score) for region in places for rank, who, score, _ in region]
        assert sorted(await stadium.results(event.board, event.starts_at), key=str) == sorted(expected, key=str)
        assert event.places == len(expected)
        if not board.by_region:
            asked = Asked(player_id=ANN, board=event.board, at=event.starts_at, limit=3)
            page, after = await stadium.parts.service.page(asked)
            assert [(one.rank, one.player_id) for one in page.items] == [place[:2] for place in expected[:3]]
            assert (page.archived, page.players, after) == (True, len(expected), 3 if len(expected) > 3 else None)


async def test_a_window_is_archived_when_it_is_over_and_all_of_it_is_counted(stadium, clock):
    """Not before midnight, not while claims may still commit, and not before the fold has read what happened in it."""
    clock.advance(timedelta(hours=11, minutes=59))
    day = midnight(clock)
    await stadium.fold([Take(ANN, 5, clock.now())])
    assert await stadium.parts.archive.turn() == 0
    clock.advance(timedelta(minutes=1, seconds=1))
    assert await stadium.parts.archive.turn() == 0
    await stadium.publish([Take(ANN, 1, day + timedelta(hours=23))])
    clock.advance(timedelta(seconds=2))
    assert await stadium.parts.archive.turn() == 0
    await stadium.fold([Take(ANN, 1, day + timedelta(hours=23))])
    await pass_log(stadium)
    assert await stadium.parts.archive.turn() == 3
    assert await stadium.results("daily", day) == [(1, ANN, 6)]


async def test_without_a_fold_nothing_is_archived(open_database_of_boards, clock, ids):
    async with open_database_of_boards() as database:
        stadium = Stadium(database, clock, ids, DECLARED)
        await stadium.fold([Take(ANN, 5, clock.now())])
        clock.advance(timedelta(days=1))
        assert await stadium.parts.archive.turn() == 0


async def test_what_comes_late_has_its_window_archived_again(stadium, clock):
    day, late = midnight(clock), Take(UUID(int=2), 9, clock.now())
    await stadium.fold([Take(ANN, 5, clock.now())])
    clock.advance(timedelta(days=1))
    await stadium.parts.archive.turn()
    assert await stadium.results("daily", day) == [(1, ANN, 5)]
    await stadium.fold([late])
    assert await stadium.parts.archive.turn() == 3
    assert await stadium.results("daily", day) == [(1, late.player_id, 9), (2, ANN, 5)]
    assert [event.places for event in await archived_events(stadium) if event.board == "daily"] == [1, 2]


async def test_scores_go_a_day_after_their_window_was_archived_and_its_results_stay(stadium, clock):
    day = midnight(clock)
    await stadium.fold([Take(ANN, 5, clock.now())])
    clock.advance(timedelta(days=1))
    await stadium.parts.archive.turn()
    clock.advance(timedelta(days=1, seconds=1))
    await stadium.parts.archive.turn()
    assert {row[0] for row in await stadium.score_rows()} == {"global", "weekly"}
    assert await stadium.results("daily", day) == [(1, ANN, 5)]
    await stadium.fold([Take(ANN, 5, day + timedelta(hours=13))])
    assert stadium.parts.scoring.late == 3
    await stadium.parts.archive.turn()
    assert await stadium.results("daily", day) == [(1, ANN, 5)]
    page, _ = await stadium.parts.service.page(Asked(player_id=ANN, board="daily", at=day))
    assert (page.archived, page.me and page.me.score) == (True, "5")


async def test_two_servers_archive_a_window_once(stadium, clock):
    await stadium.fold([Take(UUID(int=n), n, clock.now()) for n in range(1, 50)])
    clock.advance(timedelta(days=1))
    servers = [stadium.parts, stadium.server(), stadium.server()]
    counts = await asyncio.gather(*(server.archive.turn() for server in servers))
    events = await archived_events(stadium)
    assert sum(counts) == len(events) == len({(event.board, event.starts_at) for event in events}) == 3
