"""The running auditor: whether the books hold, all the time and without reading what is sealed."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime
from typing import NoReturn

from msgspec import Struct

from overworld.domains.ledger.audit import books
from overworld.domains.ledger.types import LedgerSettings
from overworld.kernel.clock import Clock
from overworld.kernel.refusals import Fault
from overworld.platform.postgres import Database

_log = logging.getLogger(__name__)


class BooksBroken(Fault):
    """The running auditor found that the books do not hold; the log of the server says where."""

    code = "ledger.books_broken"
    retryable = False


class AuditState(Struct):
    """What the auditor last saw."""

    looks: int = 0
    faults: list[str] = []
    looked_at: datetime | None = None
    took_s: float = 0.0


class Auditor:
    """Compares the totals of all accounts with the sealed balances and the transfers since, in one snapshot."""

    def __init__(self, *, database: Database, clock: Clock, settings: LedgerSettings) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings
        self.state = AuditState()

    async def run(self) -> NoReturn:
        """Looks for ever; a loop."""
        while True:
            await self.look()
            await asyncio.sleep(self._settings.audit_interval_s)

    async def look(self) -> list[str]:
        """What is wrong in the books, a line each, at most 100; empty when all is well.

        Each account's totals are its sealed balance and the transfers since; per currency debits equal credits, posted
        and pending, so supply is what was minted less what was burned; no account with a floor is below zero. Reads
        every account and the transfers that are not sealed yet.
        """
        started_s = self._clock.monotonic_s()
        async with self._database.transaction() as tx:
            faults = await books.faults(tx)
        self.state.faults = faults
        self.state.looks += 1
        self.state.looked_at = self._clock.now()
        self.state.took_s = self._clock.monotonic_s() - started_s
        for fault in faults:
            _log.error("the books do not hold: %s", fault)
        return faults

    async def check(self) -> None:
        """For the health check: does not look by itself. Raises: BooksBroken after a look that found something."""
        if self.state.faults:
            raise BooksBroken(f"{len(self.state.faults)} faults, the first: {self.state.faults[0]}")
