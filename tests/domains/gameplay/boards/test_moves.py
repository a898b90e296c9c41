"""Players who are here hear that they moved, also when somebody passed them; others, and who stays, hear nothing."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from overworld.domains.gameplay.boards import moves
from overworld.domains.gameplay.boards.service import Asked
from overworld.geo import cells
from tests.domains.gameplay.boards.stadium import Take

ANN, BEN, CY = (UUID(int=n + 1) for n in range(3))


class Hall:
    """Some players are here, and what they are told is written down."""

    def __init__(self, stadium, *here: UUID) -> None:
        self.here = set(here)
        self.stadium = stadium
        self.told: list[moves.Moved] = []
        stadium.parts.moves.tell = self.told.append
        stadium.parts.moves.is_here = self.here.__contains__

    async def score(self, *takes: Take) -> list[tuple[str, UUID, int, int | None]]:
        """Counts, looks, and gives what was told of the boards of the world."""
        async with self.stadium.database.transaction() as tx:
            await self.stadium.parts.scoring.apply(tx, [self.stadium.enclosed(take) for take in takes])
        self.stadium.parts.moves.heard(await self.stadium.hear())
        await self.stadium.parts.moves.look()
        told, self.told[:] = list(self.told), []
        return sorted((one.board, one.player_id, one.rank, one.rank_before) for one in told)


@pytest.fixture
async def hall(stadium):
    await stadium.parts.service.load()
    return Hall(stadium, ANN, BEN)


def on(board: str, told: list[tuple[str, UUID, int, int | None]]) -> list[tuple[UUID, int, int | None]]:
    return [row[1:] for row in told if row[0] == board]


async def test_players_hear_of_their_own_rank_and_of_being_passed(hall, clock):
    told = await hall.score(Take(ANN, 5, clock.now()), Take(CY, 9, clock.now()))
    assert {row[0] for row in told} == {"global", "daily", "weekly"}
    assert on("global", told) == [(ANN, 2, None)]
    assert on("global", await hall.score(Take(BEN, 7, clock.now()))) == [(ANN, 3, 2), (BEN, 2, None)]
    assert on("global", await hall.score(Take(CY, 1, clock.now()))) == []
    assert on("global", await hall.score(Take(ANN, 1, clock.now()))) == []


async def test_who_has_left_hears_nothing_and_is_told_anew_after_coming_back(hall, clock):
    await hall.score(Take(ANN, 5, clock.now()))
    hall.here.discard(ANN)
    assert await hall.score(Take(BEN, 7, clock.now()), Take(ANN, 1, clock.now())) == [
        (board, BEN, 1, None) for board in ("daily", "global", "weekly")
    ]
    hall.here.add(ANN)
    assert on("global", await hall.score(Take(ANN, 3, clock.now()))) == [(ANN, 1, None), (BEN, 2, 1)]


async def test_a_region_that_somebody_looked_at_is_told_by_its_token(hall, stadium, clock):
    take = Take(ANN, 5, clock.now())
    token = cells.token(take.region)
    assert on(token, await hall.score(take)) == []
    await stadium.parts.service.page(Asked(player_id=BEN, board=token))
    assert on(token, await hall.score(Take(ANN, 1, clock.now()))) == [(ANN, 1, None)]


async def test_a_window_that_is_over_tells_nothing_more(hall, clock):
    await hall.score(Take(ANN, 5, clock.now()))
    late = Take(ANN, 1, clock.now())
    clock.advance(timedelta(days=1))
    assert {row[0] for row in await hall.score(Take(BEN, 9, late.at))} == {"global", "weekly"}


async def test_in_one_look_so_many_are_looked_at_and_the_others_come_next(hall, clock, monkeypatch):
    monkeypatch.setattr(moves, "_LOOKED_MAX", 3)
    players = [UUID(int=n) for n in range(10, 20)]
    hall.here.update(players)
    await hall.score(*(Take(player_id, 5, clock.now()) for player_id in players))
    heard: set[UUID] = set()
    for n in range(5):
        told = on("global", await hall.score(Take(BEN, 100 + n, clock.now())))
        assert len(told) <= 3
        heard |= {player_id for player_id, *_ in told}
    assert heard >= set(players)
