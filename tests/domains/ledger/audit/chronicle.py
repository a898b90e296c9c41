"""A log without a database: transfers that are made up, sealed into blocks, and exported."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from overworld.domains.ledger.audit import headers, records
from overworld.domains.ledger.audit.blocks import Block, OpenBlock, Promise, block_time_s, month_of
from overworld.domains.ledger.audit.export import Export
from overworld.domains.ledger.audit.headers import Certificate
from overworld.domains.ledger.audit.records import Rows
from overworld.domains.ledger.audit.tiles import Edge, TileId

ACCOUNT_CODES = {1: "wallet", 2: "issuance"}
TRANSFER_CODES = {1: "collect", 2: "transfer"}
POSTED, PENDING, POST_PENDING, VOID_PENDING = range(4)
START = datetime(2026, 11, 30, 23, 50, tzinfo=UTC)

Transfer = tuple[bytes, int, int, int, int, bytes, bytes]
"""Its id, kind, debit account, credit account, amount, reference, and the pending transfer it settles or zeros."""


class Chronicle:
    """A log of accounts 1 (issuance) and 2 to `accounts` (wallets), all in coins; everything in it is seeded."""

    def __init__(self, *, accounts: int = 6, seed: int = 1) -> None:
        self.random = random.Random(seed)
        self.ids = np.arange(1, accounts + 1)
        self.account_keys = np.frombuffer(self.random.randbytes(32 * accounts), np.uint8).reshape(-1, 32)
        self.keys = [self.new_key()]
        self.certificates: list[Certificate] = [self.certify(0, self.keys[0], issuer=self.keys[0])]
        self.blocks: list[Block] = []
        self.tiles: dict[TileId, bytes] = {}
        self.edge = Edge()
        self.now = START
        self._promises: dict[bytes, Promise] = {}

    def new_key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.random.randbytes(32))

    def certify(self, number: int, key: Ed25519PrivateKey, *, issuer: Ed25519PrivateKey) -> Certificate:
        from_block = len(self.blocks) if number else 0
        return headers.certify(key, number=number, from_block=from_block, made_at_s=1_790_000_000, issuer=issuer)

    def turn_key(self) -> None:
        self.keys.append(self.new_key())
        self.certificates.append(self.certify(len(self.keys) - 1, self.keys[-1], issuer=self.keys[-2]))

    def transfer(
        self,
        debit: int,
        credit: int,
        amount: int,
        *,
        kind: int = POSTED,
        settles: Transfer | None = None,
        reference: bytes | None = None,
        id: bytes | None = None,
    ) -> Transfer:
        pending_id = settles[0] if settles else bytes(16)
        id_, reference = id or self.random.randbytes(16), reference or self.random.randbytes(16)
        return id_, kind, debit, credit, amount, reference, pending_id

    def seal(self, transfers: Sequence[Transfer], *, after: timedelta = timedelta(minutes=1)) -> Block:
        self.now += after
        last = self.blocks[-1].signed.header if self.blocks else None
        time_s = block_time_s(after=last, at=self.now)
        count = len(self.ids)
        sides = records.sides(
            ids=self.ids,
            codes=np.array([2] + [1] * (count - 1), np.uint16),
            currencies=np.tile(np.frombuffer(records.currency_field("coin"), np.uint8), (count, 1)),
            keys=self.account_keys,
            month=month_of(time_s),
        )
        opened = OpenBlock(self.edge, sides, self._promises)
        opened.add(rows_of(transfers))
        block = opened.close(after=last, key=self.keys[-1], time_s=time_s)
        self.blocks.append(block)
        self.tiles.update(block.tiles)
        return block

    def export(self, folder: Path) -> Path:
        written = Export(folder)
        for block in self.blocks:
            written.add(block.signed, block.records)
        written.finish(
            certificates=self.certificates,
            key=self.keys[-1],
            account_codes=ACCOUNT_CODES,
            transfer_codes=TRANSFER_CODES,
            made_at=self.now,
        )
        return folder

    @property
    def first_key(self) -> bytes:
        return self.certificates[0].public_key


def rows_of(transfers: Sequence[Transfer]) -> Rows:
    ids, kinds, debits, credits_, amounts, references, pendings = zip(*transfers, strict=True)
    return Rows(
        ids=_bytes(ids),
        kinds=np.array(kinds, np.uint8),
        codes=np.ones(len(ids), np.uint16),
        amounts_minor=np.array(amounts, np.int64),
        debit_ids=np.array(debits, np.int64),
        credit_ids=np.array(credits_, np.int64),
        references=_bytes(references),
        pending_ids=_bytes(pendings),
    )


def _bytes(values: Sequence[bytes]):
    return np.frombuffer(b"".join(values), np.uint8).reshape(-1, 16)


def busy(*, seed: int = 1) -> Chronicle:
    """Four blocks over two months and two keys: mints, moves, burns, and promises kept, broken and open."""
    log = Chronicle(seed=seed)
    log.seal([log.transfer(1, 2 + number % 5, 100 + number) for number in range(7)])
    kept = log.transfer(2, 3, 40, kind=PENDING)
    broken = log.transfer(3, 4, 10, kind=PENDING)
    late = log.transfer(4, 5, 30, kind=PENDING)
    log.seal([kept, log.transfer(2, 3, 25, kind=POST_PENDING, settles=kept), broken, late, log.transfer(5, 6, 3)])
    log.turn_key()
    log.seal(
        [
            log.transfer(4, 5, 30, kind=POST_PENDING, settles=late),
            log.transfer(3, 4, 10, kind=VOID_PENDING, settles=broken),
            log.transfer(2, 4, 1),
            log.transfer(3, 1, 5),
        ],
        after=timedelta(minutes=30),
    )
    log.seal([log.transfer(6, 3, 2, kind=PENDING), *(log.transfer(1, 2, number + 1) for number in range(300))])
    return log
