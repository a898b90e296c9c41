"""The sealer: takes transfers that nothing can slip in front of any more into blocks, with what follows from them."""

from __future__ import annotations

import asyncio
import logging
import os
from datetime import datetime, timedelta
from typing import NoReturn
from uuid import UUID

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Struct

from overworld.domains.ledger.audit import books, store
from overworld.domains.ledger.audit.blocks import (
    PENDING,
    TRANSFERS_MAX,
    Block,
    OpenBlock,
    Promise,
    block_time_s,
    month_of,
)
from overworld.domains.ledger.audit.codes import account_number
from overworld.domains.ledger.audit.errors import NobodyToForget
from overworld.domains.ledger.audit.hashing import Bytes2, rows_of
from overworld.domains.ledger.audit.headers import Header
from overworld.domains.ledger.audit.keys import KeptKey, first_key, next_key, opened
from overworld.domains.ledger.audit.records import CURRENCY_BYTES, KEY_BYTES, Sides, currency_field, sides
from overworld.domains.ledger.audit.tiles import Edge, TileId
from overworld.domains.ledger.audit.types import Mark, Sealed, SealedAccounts, Taken, Waiting
from overworld.domains.ledger.ports import Beside, nothing
from overworld.domains.ledger.types import LedgerSettings
from overworld.kernel.clock import Clock
from overworld.kernel.money import HOUSE
from overworld.kernel.ports import Tx
from overworld.platform.postgres import Database

BLOCKS_MAX = 4
"""Blocks in one transaction: it must not stand open for long, for readers of the event log wait behind it."""

_SLICE = 256
_LOOK_EVERY_S = 1.0

_log = logging.getLogger(__name__)


class SealerState(Struct):
    """What this sealer made, and how many transfers it left waiting, counted up to `BLOCKS_MAX` blocks."""

    blocks: int = 0
    transfers: int = 0
    waiting: int = 0


class Sealer:
    """Seals what `Ledger.post` committed. Any number may run; one at a time does the work, the others look on."""

    def __init__(self, *, database: Database, clock: Clock, settings: LedgerSettings) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings
        self._signing: tuple[KeptKey, Ed25519PrivateKey] | None = None
        self.state = SealerState()

    async def run(self) -> NoReturn:
        """Seals for ever; a loop, after `prepare`. Full blocks follow each other without a pause."""
        while True:
            if await self.seal() < TRANSFERS_MAX:
                await asyncio.sleep(min(_LOOK_EVERY_S, self._settings.seal_interval_s))

    async def prepare(self) -> None:
        """What has to be done before anything is posted: the first signing key, and that stamps go on where they ended.

        Raises: LedgerKeyLocked when the newest key cannot be opened.
        """
        async with self._database.transaction() as tx:
            await store.wait_for_turn(tx)
            ahead = await store.catch_up(tx, (await store.end(tx)).mark)
            if ahead is not None:
                _log.warning("the ledger comes from another PostgreSQL: its stamps now run %d ahead", ahead)
            kept = await store.signing_keys(tx)
            if not kept:
                await store.keep_signing_key(
                    tx, first_key(secret=self._settings.signing_key_secret, at=self._clock.now())
                )
        if kept:
            opened(kept[-1], secret=self._settings.signing_key_secret)

    async def seal(self, *, at_once: bool = False) -> int:
        """Seals what is due, at most `BLOCKS_MAX` blocks in one transaction; gives how many transfers.

        Due are full blocks, and all that waits when the oldest has waited for longer than `seal_interval_s`, or
        `at_once`. 0 when another process is at it. Raises: LedgerKeyLocked.
        """
        async with self._database.transaction() as tx:
            if not await store.take_turn(tx):
                return 0
            end = await store.end(tx)
            waiting = await store.waiting(tx, end.mark, count_max=BLOCKS_MAX * TRANSFERS_MAX)
            whole = waiting.count // TRANSFERS_MAX * TRANSFERS_MAX
            due = waiting.count if at_once or self._is_late(waiting.oldest_at) else whole
            sealed = await self._seal(tx, end, waiting, count_max=due) if due else 0
        self.state.waiting = waiting.count - sealed
        self.state.transfers += sealed
        self.state.blocks += -(-sealed // TRANSFERS_MAX)
        return sealed

    async def turn_key(self, *, beside: Beside = nothing) -> KeptKey:
        """A new signing key, vouched for by the one before, which signs nothing more. Raises: LedgerKeyLocked."""
        async with self._database.transaction() as tx:
            await store.wait_for_turn(tx)
            kept, end = await store.signing_keys(tx), await store.end(tx)
            secret, at = self._settings.signing_key_secret, self._clock.now()
            key = (
                next_key(kept[-1], from_block=_next_number(end.header), secret=secret, at=at)
                if kept
                else first_key(secret=secret, at=at)
            )
            await store.keep_signing_key(tx, key)
            await beside(tx)
        return key

    async def forget(self, owner_id: UUID, *, beside: Beside = nothing) -> int:
        """Destroys the keys of an owner's accounts, and makes them a stranger's; gives how many they were.

        No sealed byte changes, and nobody can tell any more which of them were the owner's. The accounts are frozen, so
        that nobody posts to them who remembers whose they were; the owner gets new ones. What was promised is over, and
        let go under a new key. Raises: NobodyToForget for the house, and for one who has no account.
        """
        stranger_id, at = UUID(bytes=os.urandom(16), version=4), self._clock.now()
        async with self._database.transaction() as tx:
            await store.wait_for_turn(tx)
            count = 0 if owner_id == HOUSE else await books.forget(tx, owner_id, stranger_id=stranger_id, at=at)
            if count:
                await beside(tx)
        if not count:
            raise NobodyToForget(owner_id=str(owner_id))
        return count

    def _is_late(self, oldest: datetime | None) -> bool:
        interval = timedelta(seconds=self._settings.seal_interval_s)
        return oldest is not None and self._clock.now() - oldest >= interval

    def _opened(self, kept: KeptKey) -> Ed25519PrivateKey:
        """The key, opened once: where it is encrypted that is meant to take long."""
        if self._signing is None or self._signing[0] != kept:
            self._signing = kept, opened(kept, secret=self._settings.signing_key_secret)
        return self._signing[1]

    async def _seal(self, tx: Tx, end: Sealed, waiting: Waiting, *, count_max: int) -> int:
        """Reads, hashes, and only then writes: until then the transaction has no id that others would wait behind."""
        taken = await store.take(tx, end.mark, upto_stamp=waiting.stamp, count_max=count_max)
        rows = taken.rows
        held = await store.accounts(tx, np.unique(np.concatenate([rows.debit_ids, rows.credit_ids])).tolist())
        keys = held.keys.copy()
        new = np.flatnonzero(~held.has_key)
        keys[new] = np.frombuffer(os.urandom(KEY_BYTES * len(new)), np.uint8).reshape(-1, KEY_BYTES)
        settled = {each.tobytes() for each in rows.pending_ids[rows.pending_ids.any(axis=1)]}
        before = await store.promises(tx, [UUID(bytes=each) for each in settled])
        tree_size = end.header.tree_size if end.header else 0
        maker = _Maker(
            end=end,
            edge=Edge(tree_size, await store.edge_tiles(tx, tree_size)),
            promises=dict(before),
            key=self._opened((await store.signing_keys(tx))[-1]),
            time_s=block_time_s(after=end.header, at=self._clock.now()),
        )
        await maker.make(taken, held, keys)
        if len(new):
            from_block = _next_number(end.header)
            await store.keep_account_keys(
                tx, held.ids[new].tolist(), list(map(bytes, keys[new])), from_block=from_block
            )
        await store.keep_blocks(tx, maker.made, maker.tiles)
        await store.keep_promises(
            tx, {id_: maker.promises[id_] for id_ in maker.promises.keys() - before.keys()}, settled
        )
        await store.fold(tx, end.mark, maker.made[-1][1])
        return len(rows.ids)


class _Maker:
    """Blocks of one transaction in the making."""

    def __init__(
        self, *, end: Sealed, edge: Edge, promises: dict[bytes, Promise], key: Ed25519PrivateKey, time_s: int
    ) -> None:
        self._last = end.header
        self._edge = edge
        self._key = key
        self._time_s = time_s
        self.promises = promises
        self.made: list[tuple[Block, Mark]] = []
        self.tiles: dict[TileId, bytes] = {}

    async def make(self, taken: Taken, held: SealedAccounts, keys: Bytes2) -> None:
        """Makes the blocks, a slice at a time: a millisecond, after which the loop may do other things."""
        accounts = sides_of(held, keys, month=month_of(self._time_s))
        for first in range(0, len(taken.stamps), TRANSFERS_MAX):
            last = min(first + TRANSFERS_MAX, len(taken.stamps))
            opened_block = OpenBlock(self._edge, accounts, self.promises)
            for at in range(first, last, _SLICE):
                opened_block.add(taken.rows.part(at, min(at + _SLICE, last)))
                await asyncio.sleep(0)
            block = opened_block.close(after=self._last, key=self._key, time_s=self._time_s)
            self._last = block.signed.header
            mark = _mark(taken, last - 1)
            self.made.append((block, mark))
            self.tiles.update(block.tiles)


def sides_of(held: SealedAccounts, keys: Bytes2, *, month: str) -> Sides:
    """What the records of a month need of accounts that have these keys."""
    numbers = {code: account_number(code) for code in set(held.codes)}
    fields = {currency: currency_field(currency) for currency in set(held.currencies)}
    return sides(
        ids=held.ids,
        codes=np.array([numbers[code] for code in held.codes], np.uint16),
        currencies=rows_of(b"".join([fields[currency] for currency in held.currencies]), CURRENCY_BYTES),
        keys=keys,
        month=month,
    )


def _mark(taken: Taken, place: int) -> Mark:
    settles = bool(taken.rows.kinds[place] > PENDING)
    return Mark(int(taken.stamps[place]), settles, UUID(bytes=taken.rows.ids[place].tobytes()))


def _next_number(header: Header | None) -> int:
    return header.number + 1 if header else 0
