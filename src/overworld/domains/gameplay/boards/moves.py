"""Who hears that their rank has changed: players who are here, at most once a second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import islice
from typing import NoReturn
from uuid import UUID

from msgspec import Struct

from overworld.domains.gameplay.boards.rules import Calendar
from overworld.domains.gameplay.boards.standings import Standings
from overworld.domains.gameplay.boards.types import WORLD, Key
from overworld.geo import cells
from overworld.kernel.clock import Clock

_AT_ONCE = 256
_LOOKED_MAX = 2_048


class Moved(Struct, frozen=True, kw_only=True):
    """A player stands elsewhere than they heard last. `board` is its name, or the token of the region."""

    player_id: UUID
    board: str
    rank: int
    rank_before: int | None
    score: str
    players: int


class Moves:
    """Looks once a second where players stand on the boards that changed, and tells those who moved.

    A player is looked after from their first score on, as long as `is_here` says so: they also hear that somebody
    passed them. In one look those come first who scored, and of the others 2,048 of a board at most, in turn.
    """

    def __init__(
        self,
        *,
        standings: Standings,
        calendar: Calendar,
        clock: Clock,
        every_s: float = 1.0,
    ) -> None:
        self.tell: Callable[[Moved], None] = _nobody
        self.is_here: Callable[[UUID], bool] = _never
        self._standings = standings
        self._calendar = calendar
        self._clock = clock
        self._every_s = every_s
        self._told: dict[Key, dict[UUID, int | None]] = {}
        self._changed: dict[Key, set[UUID]] = {}

    def heard(self, changed: Sequence[tuple[Key, Sequence[UUID]]]) -> None:
        """Takes the players who have new scores."""
        for key, player_ids in changed:
            here = {player_id for player_id in player_ids if self.is_here(player_id)}
            if here or key in self._told:
                self._changed.setdefault(key, set()).update(here)

    async def run(self) -> NoReturn:
        """The loop. Raises: Fault when ranks cannot be read."""
        while True:
            await asyncio.sleep(self._every_s)
            await self.look()

    async def look(self) -> None:
        """Tells everybody who moved since the last look."""
        changed, self._changed = self._changed, {}
        for key, first in changed.items():
            if self._calendar.window_from(key.board, key.starts_at).ends_at <= self._clock.now():
                self._told.pop(key, None)
                continue
            told = self._told.setdefault(key, {})
            others = (player_id for player_id in told if player_id not in first)
            looked = [*first, *islice(others, max(0, _LOOKED_MAX - len(first)))]
            for start in range(0, len(looked), _AT_ONCE):
                await self._look_at(key, told, looked[start : start + _AT_ONCE])
                await asyncio.sleep(0)
            if not told:
                self._told.pop(key, None)

    async def _look_at(self, key: Key, told: dict[UUID, int | None], player_ids: Sequence[UUID]) -> None:
        ranks = await self._standings.hold(key)
        players = await ranks.count(key)
        rows = zip(player_ids, await ranks.ranks(key, player_ids), await ranks.scores(key, player_ids), strict=True)
        board = self._calendar.boards[key.board]
        for player_id, rank, score in rows:
            before = told.pop(player_id, None)
            if rank is None or score is None or not self.is_here(player_id):
                continue
            told[player_id] = rank  # at the end: next time the others come first
            if rank != before:
                name = key.board if key.region == WORLD else cells.token(key.region)
                self.tell(
                    Moved(
                        player_id=player_id,
                        board=name,
                        rank=rank,
                        rank_before=before,
                        score=board.formatted(score.score),
                        players=players,
                    )
                )


def _nobody(_moved: Moved) -> None:
    """Tells nobody, until the app says who is told."""


def _never(_player_id: UUID) -> bool:
    """Nobody is here, until the app says who is."""
    return False
