"""Collectibles that are put somewhere and taken back: kept in the database, known to every server in memory."""

from __future__ import annotations

import logging
from base64 import urlsafe_b64decode
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache, partial
from hashlib import blake2b
from uuid import UUID

from overworld.domains.gameplay import store
from overworld.domains.gameplay.errors import NotFound, TooManyPlaced
from overworld.domains.gameplay.messages import (
    CollectiblePlaced,
    CollectibleToPlace,
    CollectibleWithdrawn,
    PlaceCollectibles,
    PlacedCollectible,
    PlacedCollectibles,
)
from overworld.domains.gameplay.rules import placement
from overworld.domains.gameplay.spawns import KEY_BYTES, NUMBER_BYTES, Spawns, cell_in, placed_key
from overworld.domains.gameplay.types import Catalogue, Kind, Mode, Placement, Spawn
from overworld.geo import cells
from overworld.kernel.audit import Staff
from overworld.kernel.clock import Clock, from_us, rfc3339, to_us
from overworld.kernel.identity import Answer
from overworld.kernel.ids import IdSource
from overworld.kernel.ports import AuditTrail, Outbox, Tx
from overworld.kernel.refusals import Busy, Refusal
from overworld.platform.postgres import Database, run_again
from overworld.platform.postgres.idempotency import Keyed, KeyTaken, keyed, recall, remember

IN_CELL_MAX = 256
CLOSED_KEPT = timedelta(hours=1)
_RUNS_MAX = 4
_PAGE_ROWS = 5_000
_KINDS_MAX = 1_024
_log = logging.getLogger(__name__)


class _NumberTaken(Exception):
    """Another collectible of the cell has the number that was drawn: draw again. One in 2**40 for each of them."""


class Placing:
    """Places, withdraws, and makes this server know what any server placed or withdrew.

    What was placed never changes but by its withdrawal, so nobody has to believe the news: whoever hears of a change
    reads what is kept. News that is late hides a collectible for a moment; a withdrawal holds from its commit on, for
    claims look for it in their own transaction.
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        ids: IdSource,
        outbox: Outbox,
        audit: AuditTrail,
        spawns: Spawns,
        catalogue: Catalogue,
        placed_max: int,
    ) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._outbox = outbox
        self._audit = audit
        self._spawns = spawns
        self._placed = spawns.placed
        self._placed_max = placed_max
        self.put_in_force(catalogue)

    def put_in_force(self, catalogue: Catalogue) -> None:
        """Places what this has from now on; what lies there stays what it is."""
        self._catalogue = catalogue
        self._kind = lru_cache(maxsize=_KINDS_MAX)(self._made_kind)

    async def place(self, command: PlaceCollectibles) -> Answer[PlacedCollectibles]:
        """Places all of a request, or nothing; or the answer of an earlier try under the same key.

        Five round trips, however many there are; nobody pays before somebody collects.
        Raises: KeyReused; BadPlacement, TooManyPlaced; Busy.
        """
        use = keyed(command.placed_by, command.key, operation="gameplay.place", body=command.items)
        for _ in range(_RUNS_MAX):
            try:
                answer = await run_again(partial(self._place_once, command, use))
            except (KeyTaken, _NumberTaken):
                continue
            if isinstance(answer, Refusal):
                raise answer
            return answer
        raise Busy("others place under the same key")

    async def _place_once(self, command: PlaceCollectibles, use: Keyed) -> Answer[PlacedCollectibles] | Refusal:
        at = self._clock.now()
        async with self._database.transaction() as tx:
            [earlier] = await recall(tx, [use], answer=PlacedCollectibles)
            if earlier is not None:
                return earlier if isinstance(earlier, Refusal) else Answer(earlier, replayed=True)
            judged = self._judged(command.items, at=at)
            if isinstance(judged, Refusal):
                await remember(tx, [(use, judged)], at=at)
                return judged
            if await store.place(tx, judged, by=command.placed_by, at=at) < len(judged):
                raise _NumberTaken
            spawns = self._spawns_of(judged)
            reply = PlacedCollectibles([_told(spawn) for spawn in spawns])
            did = [command.staff.did("gameplay.place", one.id, after=one) for one in reply.items]
            await self._audit.record(tx, did)
            await remember(tx, [(use, reply)], at=at)
            await self._outbox.append(tx, [_event(spawn, by=command.placed_by) for spawn in spawns], at=at)
        self._placed.put(spawns)
        return Answer(reply)

    async def withdraw(self, id: str, *, by: UUID, staff: Staff) -> None:
        """Takes back what was placed: from then on nobody collects it. Doing it twice is doing it once.

        Raises: NotFound for an id that names nothing that was placed.
        """
        key, at = self._spawns.key_of(id), self._clock.now()
        async with self._database.transaction() as tx:
            if await store.withdraw(tx, key, at=at):
                event = CollectibleWithdrawn(collectible_id=id, cell=cells.token(cell_in(key)), withdrawn_by=by)
                await self._audit.record(tx, [staff.did("gameplay.withdraw", id)])
                await self._outbox.append(tx, [event], at=at)
            kept = await store.placed(tx, [key])
        if not kept:
            raise NotFound
        self._placed.put(self._spawns_of(kept))

    async def paying(self, tx: Tx, currencies: Sequence[str]) -> dict[str, int]:
        """How many that are placed, and can or could be collected, pay in some currencies. One round trip."""
        return await store.paying(tx, currencies, at=self._clock.now())

    async def load(self) -> None:
        """Learns of everything that is placed. Listen to the news first. Raises: Fault."""
        after = (self._clock.now() - CLOSED_KEPT, b"")
        while len(self._placed) < self._placed_max:
            async with self._database.read() as tx:
                page = await store.live(tx, after=after, limit=_PAGE_ROWS)
            self._placed.put(self._spawns_of(page))
            if len(page) < _PAGE_ROWS:
                return
            after = (page[-1].closes_at, page[-1].key)
        _log.warning("there are more placed collectibles than gameplay.placed_max: %d", self._placed_max)

    async def follow(self, ids: Iterable[str]) -> None:
        """Learns what is kept of some, placed or withdrawn on another server. One round trip. Raises: Fault."""
        self._forget_closed()
        async with self._database.read() as tx:
            kept = await store.placed(tx, [urlsafe_b64decode(one)[:KEY_BYTES] for one in ids])
        self._placed.put(self._spawns_of(kept))

    async def kept(self, ids: Iterable[str]) -> dict[str, Spawn]:
        """Those of some ids that were ever placed, known here or not: not yet, or not any more.

        One round trip, none where no id is of something placed.
        """
        keys = [key for one in ids if (key := self._spawns.placed_key_of(one)) is not None]
        if not keys:
            return {}
        async with self._database.read() as tx:
            found = await store.placed(tx, keys)
        return {one.id: self._placed.here(one) for one in self._spawns_of(found)}

    def _judged(self, items: Sequence[CollectibleToPlace], *, at: datetime) -> list[Placement] | Refusal:
        self._forget_closed()
        try:
            judged = [
                placement(item, i, key=self._new_key(item), catalogue=self._catalogue, now=at)
                for i, item in enumerate(items)
            ]
        except Refusal as refusal:
            return refusal
        if len(self._placed) + len(judged) > self._placed_max:
            return TooManyPlaced(placed_max=self._placed_max)
        for cell, count in Counter(cell_in(one.key) for one in judged).items():
            if self._placed.count_in(cell) + count > IN_CELL_MAX:
                return TooManyPlaced(placed_max=IN_CELL_MAX, cell=cells.token(cell))
        return judged

    def _new_key(self, item: CollectibleToPlace) -> bytes:
        number = blake2b(self._ids().bytes, digest_size=NUMBER_BYTES).digest()
        return placed_key(cells.cell_of(item.lat, item.lng, self._spawns.cell_level), number)

    def _forget_closed(self) -> None:
        self._placed.forget(closed_before_us=to_us(self._clock.now() - CLOSED_KEPT))

    def _spawns_of(self, placements: Iterable[Placement]) -> list[Spawn]:
        """As they are found and claimed; without those in a currency that the game no longer has."""
        return [self._spawn(one) for one in placements if one.currency in self._catalogue.currencies]

    def _spawn(self, one: Placement) -> Spawn:
        known_as, reference = self._spawns.named(one.key)
        closes_at = one.closes_at if one.withdrawn_at is None else min(one.closes_at, one.withdrawn_at)
        return Spawn(
            id=known_as,
            key=one.key,
            reference=reference,
            kind=self._kind(one.type, one.value_minor, one.currency, one.experience, one.mode),
            cell=cell_in(one.key),
            lat_deg=one.lat_deg,
            lng_deg=one.lng_deg,
            opens_us=to_us(one.opens_at),
            closes_us=to_us(closes_at),
            payer_id=one.payer_id,
        )

    def _made_kind(self, type: str, value_minor: int, currency: str, experience: int, mode: Mode) -> Kind:
        declared = self._catalogue.types.get(type)
        return Kind(
            type=type,
            value_minor=value_minor,
            currency=self._catalogue.currencies[currency],
            experience=experience,
            mode=mode,
            cooldown_s=declared.cooldown_s if declared else 0,
        )


def _told(spawn: Spawn) -> PlacedCollectible:
    return PlacedCollectible(
        id=spawn.id,
        type=spawn.kind.type,
        value=spawn.kind.value,
        currency=spawn.kind.currency.code,
        experience=spawn.kind.experience,
        mode=spawn.kind.mode,
        lat=spawn.lat_deg,
        lng=spawn.lng_deg,
        opens_at=rfc3339(from_us(spawn.opens_us)),
        expires_at=rfc3339(from_us(spawn.closes_us)),
        payer_id=spawn.payer_id,
    )


def _event(spawn: Spawn, *, by: UUID) -> CollectiblePlaced:
    return CollectiblePlaced(
        collectible_id=spawn.id,
        type=spawn.kind.type,
        currency=spawn.kind.currency.code,
        value_minor=spawn.kind.value_minor,
        experience=spawn.kind.experience,
        mode=spawn.kind.mode,
        cell=cells.token(spawn.cell),
        lat_deg=spawn.lat_deg,
        lng_deg=spawn.lng_deg,
        opens_at=from_us(spawn.opens_us),
        closes_at=from_us(spawn.closes_us),
        payer_id=spawn.payer_id,
        placed_by=by,
    )
