"""What becomes of windows that are over: their results are kept, and later their scores go."""

from __future__ import annotations

from datetime import timedelta

from overworld.domains.gameplay.boards import store
from overworld.domains.gameplay.boards.messages import LeaderboardArchived
from overworld.domains.gameplay.boards.ports import Progress
from overworld.domains.gameplay.boards.rules import Calendar
from overworld.domains.gameplay.boards.types import Window
from overworld.kernel.clock import Clock
from overworld.kernel.ports import Outbox
from overworld.platform.postgres import Database

SETTLES = timedelta(seconds=2)
"""Claims of a window's last instant may still be committing when it is over."""

KEPT = timedelta(days=1)
"""How long scores stay after their window was archived, for what comes late."""


class Archive:
    """Archives windows once all that happened in them is counted. Every server may do so; a window is one's alone.

    A score that comes later has its window archived again, so results are exact in the end whatever was late.
    """

    def __init__(
        self, *, database: Database, clock: Clock, outbox: Outbox, calendar: Calendar, progress: Progress
    ) -> None:
        self._database = database
        self._clock = clock
        self._outbox = outbox
        self._calendar = calendar
        self._progress = progress
        self.archived = 0

    async def turn(self) -> int:
        """Archives what is due, and drops old scores; how many windows were archived."""
        done = 0
        async with self._database.read() as tx:
            due = await store.due(tx, self._clock.now() - SETTLES)
        for board, window in due:
            done += await self._archive(board, window)
        while await self._prune():
            pass
        self.archived += done
        return done

    async def _archive(self, board: str, window: Window) -> bool:
        known = self._calendar.boards.get(board)
        async with self._database.transaction() as tx:
            if not await store.lock_due(tx, board, window.starts_at):
                return False
            if not await self._progress.has_passed(tx, window.ends_at):
                return False
            await tx.execute("SET LOCAL statement_timeout = 0")
            at = self._clock.now()
            places_max = known.archive if known else 0
            places = await store.archive(tx, board, window.starts_at, places_max=places_max, at=at)
            event = LeaderboardArchived(board=board, starts_at=window.starts_at, ends_at=window.ends_at, places=places)
            await self._outbox.append(tx, [event], at=at)
        return True

    async def _prune(self) -> bool:
        now = self._clock.now()
        async with self._database.transaction() as tx:
            return await store.prune(tx, archived_before=now - KEPT, at=now) is not None
