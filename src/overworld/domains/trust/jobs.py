"""What becomes due: gates that open by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import NoReturn

from overworld.domains.trust.service import Trust
from overworld.kernel.standing import Gate

_ROWS_MAX = 500


class Recovery:
    """Looks every so often for players whose gate opens. Every server may run it.

    `players` are those at each gate but the normal one, at the last look.
    """

    def __init__(self, trust: Trust, *, every_s: float) -> None:
        self._trust = trust
        self._every_s = every_s
        self.players: Mapping[Gate, int] = {}

    async def run(self) -> NoReturn:
        """The loop. Raises: Fault when the database does not answer."""
        while True:
            while await self._trust.recover(rows_max=_ROWS_MAX) == _ROWS_MAX:
                pass
            self.players = await self._trust.counts()
            await asyncio.sleep(self._every_s)
