"""The sealer: gives entries their numbers and hashes, one after another, apart from those who write them."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import NoReturn

from overworld.domains.accounts.audit import store
from overworld.domains.accounts.audit.chain import hash_of
from overworld.domains.accounts.audit.errors import AuditBroken
from overworld.domains.accounts.audit.messages import AuditSealed
from overworld.domains.accounts.audit.types import Link
from overworld.kernel.clock import Clock
from overworld.kernel.ports import Outbox, Tx
from overworld.platform.postgres import Database

COUNT_MAX = 1_000
LATE_AFTER = timedelta(minutes=1)
_LOOK_EVERY_S = 1.0

_log = logging.getLogger(__name__)


class Sealer:
    """Chains what was recorded. Any number may run; one at a time does the work.

    Before it goes on it makes the last hash again from its entry: over a changed end nothing is built.
    """

    def __init__(self, *, database: Database, clock: Clock, outbox: Outbox) -> None:
        self._database = database
        self._clock = clock
        self._outbox = outbox
        self.sealed = 0

    async def run(self) -> NoReturn:
        """Seals for ever; a loop. Raises: AuditBroken; Fault when the database does not answer."""
        while True:
            if await self.seal() < COUNT_MAX:
                await asyncio.sleep(_LOOK_EVERY_S)

    async def seal(self) -> int:
        """Seals what waits, at most `COUNT_MAX`; how many. One small query when there is nothing.

        Raises: AuditBroken when the end of the chain is not what was sealed.
        """
        async with self._database.read() as tx:
            if await store.oldest_waiting(tx) is None:
                return 0
        async with self._database.transaction() as tx:
            if not await store.take_turn(tx):
                return 0
            await _require_sound_end(tx)
            count = await self._chain(tx)
        self.sealed += count
        return count

    async def check(self) -> None:
        """For the health check. Raises: AuditBroken when the end of the chain was changed, or nobody seals."""
        async with self._database.read() as tx:
            oldest_at = await store.oldest_waiting(tx)
            await _require_sound_end(tx)
        if oldest_at is not None and self._clock.now() - oldest_at > LATE_AFTER:
            raise AuditBroken(f"an entry of {oldest_at:%Y-%m-%d %H:%M:%S} waits to be sealed")

    async def _chain(self, tx: Tx) -> int:
        head = await store.head(tx)
        links: list[Link] = []
        number, previous = head.number, head.hash
        for kept in await store.waiting(tx, count_max=COUNT_MAX):
            number, previous = number + 1, hash_of(kept, previous=previous)
            links.append(Link(number, kept.id, previous))
        if links:
            await store.link(tx, links)
            event = AuditSealed(number=number, count=len(links), hash=previous.hex())
            await self._outbox.append(tx, [event], at=self._clock.now())
        return len(links)


async def _require_sound_end(tx: Tx) -> None:
    found = await store.last(tx)
    if found is None:
        if (await store.head(tx)).number:
            raise AuditBroken("the last sealed entry of the audit log is gone")
        return
    kept, previous = found
    if hash_of(kept, previous=previous) != kept.hash:
        _log.error("entry %d of the audit log is not what was sealed", kept.number)
        raise AuditBroken(f"entry {kept.number} of the audit log is not what was sealed")
