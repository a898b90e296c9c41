"""What leaderboards are made of: their part of game.toml, boards, scores, places."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from overworld.domains.gameplay.boards.cron import Cron, parse
from overworld.kernel.clock import EPOCH
from overworld.kernel.money import Currency

EXPERIENCE = "experience"
SCORE_MAX = 2**63 - 1
"""Scores stay there, so that the order of additions cannot matter."""

WORLD = 0
"""The region of boards that have none; no cell has this id."""

GLOBAL, REGION = "global", "region"

RESETS = {"daily": "0 0 * * *", "weekly": "0 0 * * mon", "monthly": "0 0 1 * *"}
NEVER = "never"
FOREVER = datetime(9999, 1, 1, tzinfo=UTC)


class BoardRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `[leaderboards.NAME]` of game.toml.

    `counts` is the currency whose collected amounts are the score, or `experience` for what collecting gave; left out,
    it is the game's first currency. `resets` is `never`, `daily`, `weekly`, `monthly` or a cron expression, in UTC. Of
    a window that is over the first `archive` places are kept.
    """

    counts: Annotated[str, Meta(min_length=1, max_length=16)] | None = None
    resets: Annotated[str, Meta(min_length=1, max_length=100)] = NEVER
    archive: Annotated[int, Meta(ge=0, le=100_000)] = 1_000


DEFAULTS = {
    GLOBAL: BoardRules(),
    "daily": BoardRules(resets="daily"),
    "weekly": BoardRules(resets="weekly"),
    REGION: BoardRules(),
}
"""What every game has. A game's own boards come beside them, or instead where they have the same name."""


class Window(Struct, frozen=True):
    """A span of time in which scores are counted, from `starts_at` until before `ends_at`."""

    starts_at: datetime
    ends_at: datetime


ALWAYS = Window(EPOCH, FOREVER)


class Board(Struct, frozen=True, kw_only=True):
    """A board of the game. `scale` is how many decimal places its scores have; no `turns`: one window for ever."""

    name: str
    counts: str
    scale: int = 0
    turns: Cron | None = None
    archive: int = 1_000

    @property
    def by_region(self) -> bool:
        """Whether each region has a board of its own."""
        return self.name == REGION

    def formatted(self, score: int) -> str:
        """A score as clients read it: a decimal string in the currency's units."""
        return Currency(self.counts, self.scale).format(score)

    def window(self, at: datetime) -> Window:
        """The window that holds an instant."""
        if self.turns is None:
            return ALWAYS
        return Window(self.turns.last(at), self.turns.next(at))


def turns_of(resets: str) -> Cron | None:
    """When a board turns; None when it never does. Raises: ValueError that says what is wrong."""
    return None if resets == NEVER else parse(RESETS.get(resets, resets))


class Key(Struct, frozen=True, order=True):
    """One ranked set: a board in one window (named by its start), of the world or of a region (a cell)."""

    board: str
    starts_at: datetime
    region: int = WORLD


class Score(Struct, frozen=True):
    """How much a player has, and when they came to have it, in microseconds since 1970."""

    score: int
    reached_us: int


class Placed(Struct, frozen=True):
    """A player's place on a board, from 1."""

    rank: int
    player_id: UUID
    score: Score


class Gain(Struct, frozen=True):
    """What some events add to one score: `added`, the last of it at `at_us`."""

    key: Key
    player_id: UUID
    added: int
    at_us: int
