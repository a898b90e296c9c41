"""Who moved on a board hears of it on their own channel, while they listen there."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from overworld.domains.gameplay.boards.moves import Moved, Moves
from overworld.domains.gameplay.boards.ranks import MemoryRanks
from overworld.domains.gameplay.boards.rules import Calendar
from overworld.domains.gameplay.boards.standings import Standings
from overworld.flows.boards_to_sockets import BoardsToSockets

ANN, BEN = UUID(int=1), UUID(int=2)


class Door:
    """A socket door with one listener that writes down what it is told."""

    def __init__(self) -> None:
        self.published: list[tuple[str, Any]] = []

    def publish(self, channel: str, message: Struct | bytes, *, except_account: UUID | None = None) -> None:
        self.published.append((channel, msgspec.to_builtins(message)))

    def listens(self, channel: str) -> bool:
        return channel == f"user:{ANN}"


def test_a_move_is_published_to_the_player_who_listens(clock):
    door = Door()
    standings = Standings(database=None, ranks=MemoryRanks(), sets_max=1)  # type: ignore[arg-type]
    moves = Moves(standings=standings, calendar=Calendar([]), clock=clock)
    BoardsToSockets(publisher=door, standings=standings, moves=moves)
    assert (moves.is_here(ANN), moves.is_here(BEN)) == (True, False)
    moves.tell(Moved(player_id=ANN, board="daily", rank=2, rank_before=4, score="1.50", players=9))
    place = {"board": "daily", "rank": 2, "rank_before": 4, "score": "1.50", "players": 9}
    assert door.published == [(f"user:{ANN}", {"type": "leaderboard.updated", "data": place})]
