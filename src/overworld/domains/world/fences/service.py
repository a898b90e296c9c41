"""Fences made, changed, deleted, imported, and taken from the game's definition."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Literal, TypeVar
from uuid import UUID, uuid5

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from overworld.domains.world.fences import store
from overworld.domains.world.fences.book import Book, shown
from overworld.domains.world.fences.errors import BadFence, FenceOfGame, NoFence, TooManyFences
from overworld.domains.world.fences.geojson import Read, fence_of, fences_of
from overworld.domains.world.fences.messages import (
    FeatureCollection,
    FenceBody,
    FencesChanged,
    FenceShown,
    FencesImported,
    ZoneLeft,
)
from overworld.domains.world.fences.shapes import drawn
from overworld.domains.world.fences.types import VERTICES_ALL_MAX, Declared, Fault, Fence, Source
from overworld.domains.world.fences.writing import left
from overworld.geo.sphere import EARTH_RADIUS_M
from overworld.kernel.audit import Staff
from overworld.kernel.clock import Clock, to_us
from overworld.kernel.identity import Answer
from overworld.kernel.ids import IdSource
from overworld.kernel.ports import AuditTrail, Outbox, Tx
from overworld.kernel.refusals import Busy, Refusal
from overworld.platform.postgres import Database, run_again
from overworld.platform.postgres.idempotency import Keyed, KeyTaken, keyed, recall, remember

R = TypeVar("R", bound=Struct)
Matches = Callable[[FenceShown], None]

_RUNS_MAX = 4
_ERRORS_MAX = 50
_TOLD_MAX = 5_000
_GAME = UUID("6b1c8d1e-6f0c-5c0a-9a52-2f6f0e0c7d11")
_encode = msgspec.json.Encoder().encode


class Fences:
    """Changes fences; when it returns, this process judges by the change. `book` knows them all."""

    def __init__(
        self, *, database: Database, clock: Clock, ids: IdSource, outbox: Outbox, audit: AuditTrail, fences_max: int
    ) -> None:
        self.book = Book(database)
        self._database = database
        self._clock = clock
        self._ids = ids
        self._outbox = outbox
        self._audit = audit
        self._fences_max = fences_max

    async def make(self, body: FenceBody, *, by: UUID, staff: Staff, key: str) -> Answer[FenceShown]:
        """The new fence; or the answer of an earlier try under the same key.

        Raises: BadFence; KeyReused; TooManyFences; Busy; Fault.
        """
        read = _good([await asyncio.to_thread(fence_of, body)])
        use = keyed(by, key, operation="world.make_fence", body=body)
        return await self._made(use, read, lambda made: shown(made[0]), answer=FenceShown, staff=staff)

    async def take_in(
        self, collection: FeatureCollection, *, by: UUID, staff: Staff, key: str
    ) -> Answer[FencesImported]:
        """All fences of a GeoJSON collection, or none; or the answer of an earlier try under the same key.

        Raises: BadFence; KeyReused; TooManyFences; Busy; Fault.
        """
        read = _good(await asyncio.to_thread(lambda: list(fences_of(collection.features))))
        use = keyed(by, key, operation="world.import_fences", body=collection)
        return await self._made(
            use, read, lambda made: FencesImported(ids=[one.id for one in made]), answer=FencesImported, staff=staff
        )

    async def find(self, fence_id: UUID) -> FenceShown:
        """A fence as it is kept. One round trip. Raises: NoFence; Fault."""
        async with self._database.read() as tx:
            found = await store.read(tx, [fence_id])
        if not found:
            raise NoFence
        return shown(found[0])

    async def change(self, fence_id: UUID, body: FenceBody, *, by: UUID, staff: Staff, matches: Matches) -> FenceShown:
        """The fence with all that is declared of it replaced. When its shape changes, whoever is in it leaves it.

        Raises: BadFence; NoFence; FenceOfGame; what `matches` does not like in the one there is; TooManyFences; Fault.
        """
        [read] = _good([await asyncio.to_thread(fence_of, body)])
        after = await run_again(partial(self._change_once, fence_id, read, by, staff, matches))
        await self.book.follow()
        return shown(after)

    async def delete(self, fence_id: UUID, *, by: UUID, staff: Staff, matches: Matches) -> None:
        """Deletes a fence; whoever is in it leaves it.

        Raises: NoFence; FenceOfGame; what `matches` does not like in the one there is; Fault.
        """
        await run_again(partial(self._delete_once, fence_id, by, staff, matches))
        await self.book.follow()

    async def adopt(self, declared: Sequence[Declared], *, game: str) -> None:
        """Makes the fences of the game those that its definition declares; one that keeps its name stays the same.

        Raises: TooManyFences; Fault.
        """
        drawings = await asyncio.to_thread(lambda: [Read(one, drawn(one.shape)) for one in declared])
        wanted = {uuid5(_GAME, f"{game}/{read.declared.name}"): read for read in drawings}
        await run_again(partial(self._adopt_once, wanted))
        await self.book.follow()

    async def _made(
        self, use: Keyed, read: Sequence[Read], reply: Callable[[Sequence[Fence]], R], *, answer: type[R], staff: Staff
    ) -> Answer[R]:
        for _ in range(_RUNS_MAX):
            try:
                outcome = await run_again(partial(self._make_once, use, read, reply, answer, staff))
            except KeyTaken:
                continue
            if isinstance(outcome, Refusal):
                raise outcome
            await self.book.follow()
            return outcome
        raise Busy("others make fences under the same key")

    async def _make_once(
        self, use: Keyed, read: Sequence[Read], reply: Callable[[Sequence[Fence]], R], answer: type[R], staff: Staff
    ) -> Answer[R] | Refusal:
        at = self._clock.now()
        async with self._database.transaction() as tx:
            [earlier] = await recall(tx, [use], answer=answer)
            if earlier is not None:
                return earlier if isinstance(earlier, Refusal) else Answer(earlier, replayed=True)
            made = [_new(one, id=self._ids(), source="admin", at=at) for one in read]
            if refusal := await self._refusal(tx, fences=len(made), vertices=sum(one.vertices for one in made)):
                await remember(tx, [(use, refusal)], at=at)
                return refusal
            await store.write(tx, made)
            outcome = reply(made)
            await remember(tx, [(use, outcome)], at=at)
            await self._audit.record(tx, [staff.did("fence.make", one.id, after=shown(one)) for one in made])
            await self._outbox.append(tx, [FencesChanged(made=len(made), changed_by=use.account_id)], at=at)
        return Answer(outcome)

    async def _change_once(self, fence_id: UUID, read: Read, by: UUID, staff: Staff, matches: Matches) -> Fence:
        at = self._clock.now()
        async with self._database.transaction() as tx:
            await store.lock_changes(tx)
            before = await _locked(tx, fence_id, matches)
            after = _changed(before, read, at=at)
            if after is before:
                return before
            if refusal := await self._refusal(tx, vertices=after.vertices - before.vertices):
                raise refusal
            told = [] if after.shape_number == before.shape_number else await _emptied(tx, [before], "changed", at=at)
            await store.write(tx, [after])
            did = staff.did("fence.change", fence_id, before=shown(before), after=shown(after))
            await self._audit.record(tx, [did])
            await self._tell(tx, told, FencesChanged(changed=1, changed_by=by), at=at)
        return after

    async def _delete_once(self, fence_id: UUID, by: UUID, staff: Staff, matches: Matches) -> None:
        at = self._clock.now()
        async with self._database.transaction() as tx:
            before = await _locked(tx, fence_id, matches)
            told = await _emptied(tx, [before], "deleted", at=at)
            await store.delete(tx, [fence_id])
            await self._audit.record(tx, [staff.did("fence.delete", fence_id, before=shown(before))])
            await self._tell(tx, told, FencesChanged(deleted=1, changed_by=by), at=at)

    async def _adopt_once(self, wanted: Mapping[UUID, Read]) -> None:
        at = self._clock.now()
        async with self._database.transaction() as tx:
            await store.lock_changes(tx)
            before = {one.id: one for one in await store.read_of_game(tx)}
            made = [_new(read, id=one, source="game", at=at) for one, read in wanted.items() if one not in before]
            after = [_changed(one, wanted[one.id], at=at) for one in before.values() if one.id in wanted]
            changed = [one for one in after if one is not before[one.id]]
            reshaped = [before[one.id] for one in changed if one.shape_number != before[one.id].shape_number]
            gone = [one for one in before.values() if one.id not in wanted]
            if not (made or changed or gone):
                return
            await store.lock_many(tx, sorted(one.id for one in [*reshaped, *gone]))
            told = await _emptied(tx, reshaped, "changed", at=at) + await _emptied(tx, gone, "deleted", at=at)
            await store.delete(tx, [one.id for one in gone])
            corners = sum(one.vertices for one in [*made, *changed]) - sum(before[one.id].vertices for one in changed)
            if refusal := await self._refusal(tx, fences=len(made), vertices=corners):
                raise refusal
            await store.write(tx, [*made, *changed])
            news = FencesChanged(made=len(made), changed=len(changed), deleted=len(gone))
            await self._tell(tx, told, news, at=at)

    async def _refusal(self, tx: Tx, *, fences: int = 0, vertices: int = 0) -> TooManyFences | None:
        """Whether so many more would be too many; nobody else adds any until the transaction ends."""
        await store.lock_changes(tx)
        there = await store.numbers(tx)
        if there.fences + fences <= self._fences_max and there.vertices + vertices <= VERTICES_ALL_MAX:
            return None
        return TooManyFences(fences_max=self._fences_max, vertices_max=VERTICES_ALL_MAX)

    async def _tell(self, tx: Tx, told: Sequence[ZoneLeft], news: FencesChanged, *, at: datetime) -> None:
        for start in range(0, len(told), _TOLD_MAX):
            await self._outbox.append(tx, told[start : start + _TOLD_MAX], at=at)
        await self._outbox.append(tx, [news], at=at)


async def _locked(tx: Tx, fence_id: UUID, matches: Matches) -> Fence:
    """The fence, locked. Raises: NoFence; FenceOfGame; what `matches` raises."""
    before = await store.lock(tx, fence_id)
    if before is None:
        raise NoFence
    if before.source == "game":
        raise FenceOfGame
    matches(shown(before))
    return before


async def _emptied(
    tx: Tx, fences: Sequence[Fence], reason: Literal["changed", "deleted"], *, at: datetime
) -> list[ZoneLeft]:
    """Takes everybody out of locked fences, and gives what is told of that."""
    names = {one.id: one.name for one in fences}
    ended = await store.empty(tx, list(names)) if names else []
    return [left(pair, since, name=names[pair.fence_id], at_us=to_us(at), reason=reason) for pair, since in ended]


def _good(read: Sequence[Read | Fault]) -> list[Read]:
    """What was read. Raises: BadFence when some of it is wrong, with the first fifty faults."""
    wrong = [one for one in read if isinstance(one, Fault)]
    if wrong:
        raise BadFence(errors=[{"path": one.path, "reason": one.reason} for one in wrong[:_ERRORS_MAX]])
    return [one for one in read if isinstance(one, Read)]


def _new(read: Read, *, id: UUID, source: Source, at: datetime) -> Fence:
    lat_deg, lng_deg = read.drawn.middle_deg
    return Fence(
        id=id,
        name=read.declared.name,
        source=source,
        shape=Raw(_encode(read.declared.shape)),
        dwell_s=read.declared.dwell_s,
        shape_number=1,
        revision=1,
        lat_deg=lat_deg,
        lng_deg=lng_deg,
        reach_m=read.drawn.reach * EARTH_RADIUS_M,
        vertices=len(read.drawn.edges),
        created_at=at,
        updated_at=at,
    )


def _changed(before: Fence, read: Read, *, at: datetime) -> Fence:
    """The next revision; the same one when nothing is different."""
    new = _new(read, id=before.id, source=before.source, at=at)
    is_reshaped = bytes(new.shape) != bytes(before.shape)
    if not is_reshaped and (new.name, new.dwell_s) == (before.name, before.dwell_s):
        return before
    return replace(
        new,
        shape_number=before.shape_number + is_reshaped,
        revision=before.revision + 1,
        created_at=before.created_at,
    )
