"""Who is who, for other domains: accounts found by what people call them."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from overworld.domains.accounts import rules, store
from overworld.platform.postgres import Database


class Directory:
    """Finds accounts by id or username."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def found(self, names: Sequence[str]) -> list[UUID | None]:
        """The accounts that are named by their id or username, (n,); None where there is none. One round trip.

        What has the form of an id is one, and never a username that somebody chose to look like it.
        """
        keys = [rules.account_id(name) or rules.folded(name) for name in names]
        async with self._database.read() as tx:
            known = await store.named(
                tx,
                [key for key in keys if isinstance(key, UUID)],
                [key for key in keys if isinstance(key, str)],
            )
        return [known.get(key) for key in keys]

    async def usernames(self, account_ids: Sequence[UUID]) -> dict[UUID, str]:
        """What accounts are called; those that are gone are left out. One round trip."""
        async with self._database.read() as tx:
            return await store.usernames(tx, account_ids)
