"""Somebody's rank on a leaderboard changed: they hear of it, on the channel of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from overworld.domains.gameplay.boards.moves import Moved, Moves
from overworld.domains.gameplay.boards.standings import Standings
from overworld.kernel.events import Envelope


class Publisher(Protocol):
    """The socket's door."""

    def publish(self, channel: str, message: Struct | bytes, *, except_account: UUID | None = None) -> None:
        """Sends an event to all who listen to the channel."""
        ...

    def listens(self, channel: str) -> bool:
        """Whether anybody listens to the channel here."""
        ...


class Place(Struct, frozen=True, kw_only=True):
    """What a player learns: where they stand now on a board, of how many, and where they stood when last told."""

    board: str
    rank: int
    rank_before: int | None
    score: str
    players: int


class PlaceEvent(Struct, frozen=True):
    """The event on the socket."""

    data: Place
    type: str = "leaderboard.updated"


class BoardsToSockets:
    """Keeps the ranks of this process by the log, and tells those who listen here when they have moved."""

    def __init__(self, *, publisher: Publisher, standings: Standings, moves: Moves) -> None:
        self._publisher = publisher
        self._standings = standings
        self._moves = moves
        moves.is_here = self.is_here
        moves.tell = self.tell

    async def handle(self, envelopes: Sequence[Envelope]) -> None:
        """Takes new scores; the moves that follow from them are told within a second."""
        self._moves.heard(await self._standings.on_events(envelopes))

    def is_here(self, player_id: UUID) -> bool:
        """Whether a player listens to their own channel in this process."""
        return self._publisher.listens(f"user:{player_id}")

    def tell(self, moved: Moved) -> None:
        """Publishes one move."""
        place = Place(
            board=moved.board,
            rank=moved.rank,
            rank_before=moved.rank_before,
            score=moved.score,
            players=moved.players,
        )
        self._publisher.publish(f"user:{moved.player_id}", PlaceEvent(place))
