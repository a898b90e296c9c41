"""What owners change of their profiles, and how others look for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import msgspec

from overworld.domains.accounts.errors import TokenRevoked
from overworld.domains.accounts.profiles import rules, store
from overworld.domains.accounts.profiles.messages import UserUpdated
from overworld.domains.accounts.profiles.types import Edited, Found
from overworld.kernel.clock import Clock
from overworld.kernel.ports import Outbox
from overworld.platform.postgres import Database


class Editing:
    """Changes profiles."""

    def __init__(self, *, database: Database, clock: Clock, outbox: Outbox) -> None:
        self._database = database
        self._clock = clock
        self._outbox = outbox

    async def replace(self, account_id: UUID, edited: Edited, *, matches: Callable[[Edited], None]) -> None:
        """Puts `edited` in the place of what is there, once `matches` has let that pass. What is equal says nothing.

        Raises: BadProfileSettings; TokenRevoked when there is no such account any more; what `matches` raises.
        """
        rules.checked_settings(edited.settings)
        async with self._database.transaction() as tx:
            before = await store.lock(tx, account_id)
            if before is None:
                raise TokenRevoked
            matches(before)
            changed = tuple(
                name
                for name in Edited.__struct_fields__
                if _written(getattr(before, name)) != _written(getattr(edited, name))
            )
            if changed:
                await store.keep(tx, account_id, edited)
                await self._outbox.append(
                    tx, [UserUpdated(account_id=account_id, changed=changed)], at=self._clock.now()
                )


class Searching:
    """Looks for players by what they are called, never by anything else, among those who want to be found."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def found(self, text: str, *, after: str, limit: int) -> list[Found]:
        """Those whose folded name begins with the folded text, by name, the first `limit` beyond `after`."""
        bounds = rules.searched(text)
        if bounds is None:
            return []
        async with self._database.read() as tx:
            return await store.search(tx, first=bounds[0], before=bounds[1], after=after, limit=limit)


def _written(value: Any) -> bytes:
    """As JSON tells them apart: to Python `True == 1`."""
    return msgspec.json.encode(value, order="deterministic")
