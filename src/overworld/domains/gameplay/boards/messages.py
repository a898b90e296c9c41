"""The events of leaderboards, and the shapes that clients read."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from msgspec import Struct

from overworld.kernel.events import Event


class LeaderboardScored(Event, frozen=True, kw_only=True):
    """Players have new scores on one board, aligned, (n,); a score of 0 says that a player is there no more.

    `starts_at` names the window, `region` the cell by its token, empty for the world. Servers keep their ranks by it.
    """

    topic: ClassVar[str] = "events.leaderboard.scored"

    board: str
    starts_at: datetime
    region: str
    player_ids: list[UUID]
    scores: list[int]
    reached_us: list[int]

    @property
    def key(self) -> str:
        return self.board


class LeaderboardArchived(Event, frozen=True, kw_only=True):
    """A window of a board is over and its results are kept: `places` of them. Late scores may have it kept again."""

    topic: ClassVar[str] = "events.leaderboard.archived"

    board: str
    starts_at: datetime
    ends_at: datetime
    places: int

    @property
    def key(self) -> str:
        return self.board


class LeaderboardRebuilt(Event, frozen=True, kw_only=True):
    """Scores were counted anew; what servers hold of them in memory is void."""

    topic: ClassVar[str] = "events.leaderboard.rebuilt"

    changed: int


class LeaderboardPlace(Struct, frozen=True, kw_only=True):
    """A place on a leaderboard. Of equal scores the one that was reached first stands before the others."""

    rank: int
    player_id: UUID
    score: str
    reached_at: datetime


class LeaderboardPage(Struct, frozen=True, kw_only=True):
    """Places of a leaderboard, best first, and the caller's own; `cursor` asks for the next ones.

    `counts` is the currency of the scores, or `experience`. A board that never resets has no times. `archived` says
    that the window is over and the places are its results.
    """

    board: str
    counts: str
    starts_at: datetime | None
    ends_at: datetime | None
    archived: bool
    players: int
    me: LeaderboardPlace | None
    items: list[LeaderboardPlace]
    cursor: str | None = None
