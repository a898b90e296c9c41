"""The full check: every sealed byte against the rows it was made of, the tree, the signatures and the tiles."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import numpy as np
from msgspec import Struct

from overworld.domains.ledger.audit import books, store
from overworld.domains.ledger.audit.blocks import PENDING, month_of
from overworld.domains.ledger.audit.hashing import Bytes2, rows_of
from overworld.domains.ledger.audit.headers import NO_HEADER, Certificate, Header, SignedHeader, signed_by
from overworld.domains.ledger.audit.records import (
    CREDIT,
    DEBIT,
    ID_HASH,
    RECORD_BYTES,
    REFERENCE,
    decode,
    encode,
    id_hashes,
    leaf_hashes,
)
from overworld.domains.ledger.audit.sealer import sides_of
from overworld.domains.ledger.audit.tiles import TILE_BYTES, Edge
from overworld.domains.ledger.audit.types import NOTHING_SEALED, Mark, Taken
from overworld.kernel.ports import Tx
from overworld.platform.postgres import Database

FAULTS_MAX = 100
_NAMED = np.r_[DEBIT, CREDIT]
_KEYED = np.r_[DEBIT, CREDIT, REFERENCE]
_PLAIN = np.setdiff1d(np.arange(RECORD_BYTES), _KEYED)


class Checked(Struct):
    """What the full check saw, and what is wrong, a line each, at most `FAULTS_MAX`."""

    blocks: int = 0
    transfers: int = 0
    faults: list[str] = []


class Checker:
    """Goes through the whole log, a block at a time."""

    def __init__(self, *, database: Database) -> None:
        self._database = database
        self._edge = Edge()
        self._last: Header | None = None
        self._mark = NOTHING_SEALED
        self._checked = Checked(faults=[])

    async def run(self) -> Checked:
        """Everything that is wrong: first in the books, from the first transfer on, then in each block. Use it once.

        A record must be what its row gives today. Where a key was destroyed since, that is left out which only the key
        can tell: pseudonyms and the reference.
        """
        async with self._database.transaction() as tx:
            self._wrong(*await books.faults(tx), *await books.sealed_faults(tx))
        async with self._database.read() as tx:
            certificates = [kept.certificate for kept in await store.signing_keys(tx)]
            while bodies := await store.bodies(tx, first=self._checked.blocks, count_max=1):
                signed, records, upto = bodies[0]
                if signed.header.number != self._checked.blocks or len(self._checked.faults) >= FAULTS_MAX:
                    self._wrong(f"block {self._checked.blocks}: is missing")
                    break
                self._check_header(signed, certificates)
                await self._check_tree(tx, signed.header, records)
                await self._check_rows(tx, signed.header, rows_of(records, RECORD_BYTES), upto)
                self._last, self._mark = signed.header, upto
                self._checked.blocks, self._checked.transfers = signed.header.number + 1, signed.header.tree_size
        return self._checked

    def _wrong(self, *faults: str) -> None:
        room = FAULTS_MAX - len(self._checked.faults)
        self._checked.faults.extend(faults[:room])

    def _check_header(self, signed: SignedHeader, certificates: list[Certificate]) -> None:
        header, last = signed.header, self._last
        place = f"block {header.number}"
        if header.previous != (last.hash() if last else NO_HEADER):
            self._wrong(f"{place}: does not name the block before it")
        if header.first_index != (last.tree_size if last else 0):
            self._wrong(f"{place}: does not begin where the block before it ended")
        in_force = [each for each in certificates if each.from_block <= header.number][-1:]
        public = in_force[0].public_key if in_force and in_force[0].key_id == header.key_id else b""
        if not signed_by(public, signed.signature, header.canonical()):
            self._wrong(f"{place}: is not signed by the key that was in force")

    async def _check_tree(self, tx: Tx, header: Header, records: bytes) -> None:
        made = self._edge.append(leaf_hashes(rows_of(records, RECORD_BYTES)))
        if self._edge.root() != header.root:
            self._wrong(f"block {header.number}: its root is not that of its records")
        kept = await store.tiles(tx, made)
        for tile, hashes in made.items():
            full = len(hashes) == TILE_BYTES
            if kept.get(tile, b"")[: len(hashes)] != hashes or (full and len(kept[tile]) != TILE_BYTES):
                self._wrong(f"tile {tile}: is not that of the records")

    async def _check_rows(self, tx: Tx, header: Header, records: Bytes2, upto: Mark) -> None:
        taken = await store.take_between(tx, self._mark, upto)
        rows = taken.rows
        if not np.array_equal(id_hashes(rows.ids) if len(rows.ids) else rows.ids, records[:, ID_HASH]):
            strangers = list(_strangers(header, taken, records))
            self._wrong(*strangers or [f"block {header.number}: its transfers lie in another order in ledger.transfer"])
            return
        ids = np.unique(np.concatenate([rows.debit_ids, rows.credit_ids]))
        held = await store.accounts(tx, ids.tolist())
        if len(held.ids) != len(ids):
            self._wrong(
                f"block {header.number}: accounts {sorted(set(ids.tolist()) - set(held.ids.tolist()))} are gone"
            )
            return
        made = encode(rows, sides_of(held, held.keys, month=month_of(header.time_s)))
        known = held.has_key & (held.from_blocks <= header.number)
        keyed = known[np.searchsorted(held.ids, rows.debit_ids)] & known[np.searchsorted(held.ids, rows.credit_ids)]
        wrong = (made[:, _PLAIN] != records[:, _PLAIN]).any(axis=1)
        wrong |= keyed & (made[:, REFERENCE] != records[:, REFERENCE]).any(axis=1)
        wrong |= keyed & (rows.kinds <= PENDING) & (made[:, _NAMED] != records[:, _NAMED]).any(axis=1)
        for place in np.flatnonzero(wrong).tolist():
            self._wrong(f"transfer {header.first_index + place}: {_said(made[place], records[place])}")


def _strangers(header: Header, taken: Taken, records: Bytes2) -> Iterator[str]:
    """Which transfers of a block are not in the table any more, and which came into it since."""
    ids = taken.rows.ids
    made = {hashed.tobytes(): str(UUID(bytes=one.tobytes())) for one, hashed in zip(ids, id_hashes(ids), strict=True)}
    sealed = [decode(record.tobytes()).id_hash for record in records]
    for place, id_hash in enumerate(sealed):
        if id_hash not in made:
            yield f"transfer {header.first_index + place}: was sealed and is gone from ledger.transfer"
    for id_hash in made.keys() - set(sealed):
        yield f"block {header.number}: transfer {made[id_hash]} came into ledger.transfer after it was sealed"


def _said(made: Bytes2, record: Bytes2) -> str:
    row, sealed = decode(made.tobytes()), decode(record.tobytes())
    names = [name for name in row._fields if getattr(row, name) != getattr(sealed, name)]
    return "its row says otherwise than what was sealed: " + ", ".join(names)
