"""What becomes due on leaderboards: windows that turn."""

from __future__ import annotations

import asyncio
from typing import NoReturn

from overworld.domains.gameplay.boards.archive import Archive
from overworld.domains.gameplay.boards.service import Boards

_EVERY_S = 1.0


class Turning:
    """Archives windows that are over and lets go of what is held of them, every second. Every server may run it."""

    def __init__(self, *, archive: Archive, boards: Boards) -> None:
        self._archive = archive
        self._boards = boards

    async def run(self) -> NoReturn:
        """The loop. Raises: Fault when the database does not answer."""
        while True:
            await self._archive.turn()
            await self._boards.tidy()
            await asyncio.sleep(_EVERY_S)
