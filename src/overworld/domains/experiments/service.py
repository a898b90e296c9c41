"""Flags made, changed and deleted by staff."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import timedelta
from functools import partial

from msgspec.structs import replace

from overworld.domains.experiments import rules, store
from overworld.domains.experiments.book import FlagBook
from overworld.domains.experiments.errors import FlagExists, NoSuchFlag, TooManyFlags
from overworld.domains.experiments.messages import FlagBody, FlagsChanged, FlagShown, definition_of, shown
from overworld.domains.experiments.types import Definition, ExperimentSettings, Flag
from overworld.kernel.audit import Staff
from overworld.kernel.clock import Clock
from overworld.kernel.ids import IdSource
from overworld.kernel.ports import AuditTrail, Outbox, Tx
from overworld.platform.postgres import Database, run_again

Matches = Callable[[FlagShown], None]


class Flags:
    """Changes flags; when it returns, this process decides by the change, and others within a moment.

    `metrics` are those that can be counted. Each change stands in the audit log.
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        ids: IdSource,
        outbox: Outbox,
        audit: AuditTrail,
        book: FlagBook,
        metrics: Collection[str],
        settings: ExperimentSettings,
    ) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._outbox = outbox
        self._audit = audit
        self._book = book
        self._metrics = metrics
        self._settings = settings

    async def every(self, *, after: str, limit: int) -> list[FlagShown]:
        """The first flags after a key, by key. One round trip."""
        async with self._database.read() as tx:
            kept = await store.every(tx)
        return [shown(flag) for flag in kept if flag.key > after][:limit]

    async def one(self, key: str) -> FlagShown:
        """A flag as it is kept. One round trip. Raises: NoSuchFlag."""
        async with self._database.read() as tx:
            flag = await store.one(tx, key)
        if flag is None:
            raise NoSuchFlag(flag=key)
        return shown(flag)

    async def make(self, key: str, body: FlagBody, *, staff: Staff) -> FlagShown:
        """The new flag. Raises: BadFlag; FlagExists; TooManyFlags; Fault."""
        definition = rules.checked(definition_of(body), metrics=self._metrics)
        made = await run_again(partial(self._make_once, key, definition, staff))
        await self._book.follow()
        return shown(made)

    async def change(self, key: str, body: FlagBody, *, staff: Staff, matches: Matches) -> FlagShown:
        """The flag with all that is declared of it replaced; players who get other variants then begin anew.

        Raises: BadFlag; NoSuchFlag; what `matches` does not like in the one there is; Fault.
        """
        definition = rules.checked(definition_of(body), metrics=self._metrics)
        after = await run_again(partial(self._change_once, key, definition, staff, matches))
        await self._book.follow()
        return shown(after)

    async def delete(self, key: str, *, staff: Staff, matches: Matches) -> None:
        """Deletes a flag: clients get their own defaults. Raises: NoSuchFlag; what `matches` does not like; Fault."""
        await run_again(partial(self._delete_once, key, staff, matches))
        await self._book.follow()

    async def forget(self, *, rows_max: int) -> int:
        """Clears away exposures and facts that are too old, at most so many of each; how many."""
        before = self._clock.now() - timedelta(days=self._settings.kept_days)
        async with self._database.transaction() as tx:
            return await store.forget(tx, before, rows_max=rows_max)

    async def _make_once(self, key: str, definition: Definition, staff: Staff) -> Flag:
        at = self._clock.now()
        made = Flag(
            id=self._ids(),
            key=key,
            definition=definition,
            revision=1,
            allocation=1,
            allocated_at=at,
            created_at=at,
            updated_at=at,
        )
        async with self._database.transaction() as tx:
            await store.lock_changes(tx)
            if await store.one(tx, key) is not None:
                raise FlagExists(flag=key)
            if await store.count(tx) >= self._settings.flags_max:
                raise TooManyFlags(flags_max=self._settings.flags_max)
            await store.insert(tx, made)
            await self._audit.record(tx, [staff.did("flag.make", key, after=shown(made))])
            await self._tell(tx, made, staff)
        return made

    async def _change_once(self, key: str, definition: Definition, staff: Staff, matches: Matches) -> Flag:
        at = self._clock.now()
        async with self._database.transaction() as tx:
            before = await _locked(tx, key, matches)
            if before.definition == definition:
                return before
            after = replace(before, definition=definition, revision=before.revision + 1, updated_at=at)
            if not rules.is_same_draw(before.definition, definition, key=key):
                after = replace(after, allocation=before.allocation + 1, allocated_at=at)
            await store.change(tx, after)
            did = staff.did("flag.change", key, before=shown(before), after=shown(after))
            await self._audit.record(tx, [did])
            await self._tell(tx, after, staff)
        return after

    async def _delete_once(self, key: str, staff: Staff, matches: Matches) -> None:
        async with self._database.transaction() as tx:
            before = await _locked(tx, key, matches)
            await store.delete(tx, before.id)
            await self._audit.record(tx, [staff.did("flag.delete", key, before=shown(before))])
            await self._tell(tx, replace(before, revision=before.revision + 1), staff)

    async def _tell(self, tx: Tx, flag: Flag, staff: Staff) -> None:
        told = FlagsChanged(flag=flag.key, revision=flag.revision, changed_by=staff.account_id)
        await self._outbox.append(tx, [told], at=self._clock.now())


async def _locked(tx: Tx, key: str, matches: Matches) -> Flag:
    """The flag, locked. Raises: NoSuchFlag; what `matches` raises."""
    before = await store.locked(tx, key)
    if before is None:
        raise NoSuchFlag(flag=key)
    matches(shown(before))
    return before
