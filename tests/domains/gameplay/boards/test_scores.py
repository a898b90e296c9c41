"""Boards say what summing and sorting everything says, in whatever portions and order events were counted."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest

from overworld.domains.gameplay.boards.errors import NoBoard
from overworld.domains.gameplay.boards.rules import boards_of
from overworld.domains.gameplay.boards.service import Asked
from overworld.domains.gameplay.boards.types import SCORE_MAX, BoardRules
from overworld.geo import cells
from overworld.kernel.clock import FixedClock
from tests.domains.gameplay.boards.stadium import CURRENCIES, TOWNS, Naive, Stadium, Take

DECLARED = {
    "gems": BoardRules(counts="gem"),
    "grown": BoardRules(counts="experience", resets="30 6 * * *"),
}
ANN, BEN, CY = (UUID(int=n + 1) for n in range(3))


def random_takes(random: Random, clock: FixedClock, *, count: int, players: int) -> list[Take]:
    """Collections of three days, with few values and times, so that many scores tie."""
    start = clock.now() - timedelta(days=2)
    return [
        Take(
            UUID(int=random.randint(1, players)),
            amount=random.randint(1, 2),
            at=start + timedelta(hours=random.randint(0, 60)),
            town=random.randrange(len(TOWNS)),
            currency=random.choice(["coin", "coin", "gem"]),
            experience=random.randint(0, 2),
        )
        for _ in range(count)
    ]


async def whole(stadium: Stadium, board: str, *, limit: int = 7, at: Any = None, viewer: UUID = ANN) -> list[Any]:
    """All places of a board, page after page."""
    joined: list[Any] = []
    start: int | None = 0
    while start is not None:
        asked = Asked(player_id=viewer, board=board, start=start, limit=limit, at=at)
        page, start = await stadium.parts.service.page(asked)
        joined += page.items
    return [(one.rank, one.player_id, one.score, one.reached_at) for one in joined]


@pytest.mark.parametrize("seed", range(4))
async def test_every_board_agrees_with_a_naive_scoreboard(open_database_of_boards, clock, ids, seed):
    """Folded in random portions, out of order, by two servers in turn, while one of them is being asked."""
    random = Random(seed)
    takes = random_takes(random, clock, count=240, players=25)
    async with open_database_of_boards() as database:
        stadium = Stadium(database, clock, ids, DECLARED)
        stadium.clubs.of = {"founders": [UUID(int=n) for n in range(20, 40)]}
        other = stadium.server()
        shuffled = random.sample(takes, len(takes))
        while shuffled:
            portion = [shuffled.pop() for _ in range(min(len(shuffled), random.randint(1, 40)))]
            await stadium.fold(portion, parts=random.choice([stadium.parts, other]))
            await stadium.parts.service.page(Asked(player_id=ANN, board=random.choice(["global", "daily", "gems"])))
        clock.advance(timedelta(seconds=2))  # what is said of members is a second old at most
        naive, boards = Naive(takes), boards_of(DECLARED, CURRENCIES)
        for name, board in boards.items():
            if not board.by_region:
                await agree(stadium, name, board, naive.places(board, clock.now()))
        for town in range(len(TOWNS)):
            region = Take(ANN, 1, clock.now(), town).region
            expected = naive.places(boards["region"], clock.now(), region=region)
            await agree(stadium, cells.token(region), boards["region"], expected)
        members = naive.places(boards["global"], clock.now(), among=stadium.clubs.of["founders"])
        await agree(stadium, "founders", boards["global"], members)


async def agree(stadium: Stadium, name: str, board: Any, expected: list[Any]) -> None:
    shown = [(rank, who, board.formatted(score), reached) for rank, who, score, reached in expected]
    assert await whole(stadium, name) == shown, name
    for viewer in (UUID(int=n) for n in range(1, 41, 3)):
        page, after = await stadium.parts.service.page(Asked(player_id=viewer, board=name, around_me=True, limit=5))
        mine = [i for i, one in enumerate(shown) if one[1] == viewer]
        near = shown[max(0, mine[0] - 2) : mine[0] + 3] if mine else []
        assert [(one.rank, one.player_id, one.score, one.reached_at) for one in page.items] == near
        assert (page.me and page.me.rank) == (mine[0] + 1 if mine else None)
        assert (page.players, after) == (len(shown), None)


async def test_who_reached_a_score_first_stands_before_who_reached_it_later(stadium, clock):
    """Ben had two before Ann had, though Ann began earlier and the log tells of Ben last."""
    minutes = [clock.now() + timedelta(minutes=n) for n in range(4)]
    await stadium.fold([Take(ANN, 1, minutes[0]), Take(ANN, 1, minutes[3]), Take(CY, 3, minutes[3])])
    await stadium.fold([Take(BEN, 1, minutes[2]), Take(BEN, 1, minutes[1])])
    assert [(rank, who) for rank, who, *_ in await whole(stadium, "global")] == [(1, CY), (2, BEN), (3, ANN)]


async def test_scores_stop_at_the_largest_number_instead_of_failing(stadium, clock):
    for _ in range(2):
        await stadium.fold([Take(ANN, 2**62, clock.now()), Take(ANN, 2**62, clock.now())])
    [(_, _, score, _)] = await whole(stadium, "global")
    assert score == str(SCORE_MAX)


async def test_a_new_window_is_empty_at_its_first_instant_and_the_old_one_still_shows(stadium, clock):
    """Midnight UTC needs no job: the next question is about another set."""
    clock.advance(timedelta(hours=11, minutes=59, seconds=59))
    await stadium.fold([Take(ANN, 5, clock.now())])
    assert len(await whole(stadium, "daily")) == 1
    clock.advance(timedelta(seconds=1))
    assert await whole(stadium, "daily") == []
    await stadium.fold([Take(BEN, 1, clock.now())])
    assert [who for _, who, *_ in await whole(stadium, "daily")] == [BEN]
    assert [who for _, who, *_ in await whole(stadium, "daily", at=clock.now() - timedelta(seconds=1))] == [ANN]
    assert [who for _, who, *_ in await whole(stadium, "global")] == [ANN, BEN]


async def test_a_name_that_is_nothing_is_refused(stadium):
    for name in ("nobody", "region", "89c25", "ffffff", "x" * 64, ""):
        with pytest.raises(NoBoard):
            await stadium.parts.service.page(Asked(player_id=ANN, board=name))


async def test_an_empty_region_is_an_empty_board(stadium):
    token = cells.token(cells.cell_of(0.0, 0.0, 10))
    page, after = await stadium.parts.service.page(Asked(player_id=ANN, board=token, around_me=True))
    assert (page.items, page.me, page.players, after) == ([], None, 0, None)


async def test_who_is_forgotten_is_on_no_board_in_any_server(stadium, clock):
    await stadium.fold([Take(ANN, 5, clock.now()), Take(BEN, 7, clock.now()), Take(BEN, 7, clock.now(), town=2)])
    for board in ("global", "daily"):
        assert len(await whole(stadium, board)) == 2
    assert await stadium.parts.service.forget([BEN]) == 5
    await stadium.hear()
    for board in ("global", "daily", "weekly"):
        assert [(rank, who) for rank, who, *_ in await whole(stadium, board)] == [(1, ANN)]
    assert all(row[3] == ANN for row in await stadium.score_rows())
