"""The audit log as staff read it, and the walk along the whole of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from uuid import UUID

from overworld.domains.accounts.audit import store
from overworld.domains.accounts.audit.chain import BEGINNING, hash_of
from overworld.domains.accounts.audit.types import Asked, Head, Kept, Link, Verdict
from overworld.platform.postgres import Database

FAULTS_MAX = 100
_PAGE = 2_000


class Reading:
    """Shows entries, and verifies them."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def found(self, asked: Asked, *, before: tuple[datetime, UUID] | None, limit: int) -> list[Kept]:
        """The entries that were asked for, newest first. One round trip."""
        async with self._database.read() as tx:
            return await store.found(tx, asked, before=before, limit=limit)

    async def verify(self, known: Head | None = None) -> Verdict:
        """Makes every hash again and says what does not fit, at most 100 faults; reads all of the log.

        Whoever rewrote everything from some entry on, or cut the end off, is found out by a `known` head alone: one
        that was seen earlier and kept elsewhere.
        """
        faults: list[str] = []
        head, known_hash = Head(0, BEGINNING), None
        async for link, kept in self._walk():
            fault = _fault(link, kept, after=head)
            if fault is not None and len(faults) < FAULTS_MAX:
                faults.append(fault)
            head = Head(link.number, link.hash)
            if known is not None and known.number == link.number:
                known_hash = link.hash
        async with self._database.read() as tx:
            waiting, lost = await store.loose(tx)
        if lost:
            faults.append(f"{lost} entries are in no chain and do not wait for it")
        if known is not None and known_hash is None:
            faults.append(f"the chain ends at {head.number}, before the known entry {known.number}")
        elif known is not None and known_hash != known.hash:
            faults.append(f"entry {known.number} has another hash than the known one")
        return Verdict(head=head, waiting=waiting, faults=faults)

    async def _walk(self) -> AsyncIterator[tuple[Link, Kept | None]]:
        after = 0
        while True:
            async with self._database.read() as tx:
                page = await store.chained(tx, after=after, limit=_PAGE)
            for one in page:
                yield one
            if len(page) < _PAGE:
                return
            after = page[-1][0].number


def _fault(link: Link, kept: Kept | None, *, after: Head) -> str | None:
    """What is wrong with a link, taking the hash before it as it stands: so each change shows where it was made."""
    if link.number != after.number + 1:
        return f"entry {after.number + 1} is missing: {link.number} follows {after.number}"
    if kept is None:
        return f"entry {link.number} is gone: {link.entry_id}"
    if hash_of(kept, previous=after.hash) != link.hash:
        return f"entry {link.number} is not what was sealed: {link.entry_id}"
    return None
