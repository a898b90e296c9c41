"""Reading the log: blocks, proofs, keys, and the whole of it into an export."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

from overworld.domains.ledger.audit import books, merkle, store
from overworld.domains.ledger.audit.codes import ACCOUNT_NUMBERS, TRANSFER_NAMES, account_number
from overworld.domains.ledger.audit.errors import BooksDiffer, NoLogYet, NoSuchBlock, NotSealed
from overworld.domains.ledger.audit.export import Export
from overworld.domains.ledger.audit.headers import Certificate, SignedHeader
from overworld.domains.ledger.audit.keys import opened
from overworld.domains.ledger.audit.merkle import Span
from overworld.domains.ledger.audit.messages import (
    BlockBody,
    BlockItem,
    ConsistencyItem,
    ProofItem,
    block_item,
)
from overworld.domains.ledger.audit.records import id_hash
from overworld.domains.ledger.audit.tiles import perfect_in, tiles_of
from overworld.domains.ledger.types import LedgerSettings
from overworld.kernel.clock import Clock
from overworld.kernel.ports import Tx
from overworld.platform.postgres import Database

_NUMBER_MAX = 2**63 - 1
_BODIES = 8


class Log:
    """What everybody may read of the ledger. Whatever is sealed stays as it is, so answers may be kept for ever."""

    def __init__(self, *, database: Database, clock: Clock, settings: LedgerSettings) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings

    async def blocks(self, *, before: int | None = None, count_max: int = 50) -> list[BlockItem]:
        """Headers below a number, the newest first. One round trip."""
        async with self._database.read() as tx:
            number = _NUMBER_MAX if before is None else min(before, _NUMBER_MAX)
            return [block_item(signed) for signed in await store.blocks(tx, before=number, count_max=count_max)]

    async def block(self, number: int) -> BlockBody:
        """A block and its records. One round trip. Raises: NoSuchBlock."""
        async with self._database.read() as tx:
            found = await store.bodies(tx, first=number, count_max=1) if 0 <= number <= _NUMBER_MAX else []
        if not found or found[0][0].header.number != number:
            raise NoSuchBlock(number=number)
        return BlockBody(block=block_item(found[0][0]), records=found[0][1])

    async def proof(self, transfer_id: UUID) -> ProofItem:
        """That a transfer is in the log, proved in the tree of its block. Three round trips. Raises: NotSealed."""
        async with self._database.read() as tx:
            found = await store.find(tx, transfer_id, id_hash(transfer_id.bytes))
            if found is None:
                raise NotSealed(transfer=str(transfer_id))
            signed, index, record = found
            path = await _path(tx, merkle.inclusion_spans(index, signed.header.tree_size))
        return ProofItem(
            index=index,
            record=record.hex(),
            leaf=merkle.leaf_hash(record).hex(),
            path=path,
            block=block_item(signed),
        )

    async def consistency(self, from_block: int, to_block: int) -> ConsistencyItem:
        """That the log at one block begins with the log at an earlier one; the two may be given either way round.

        Three round trips. Raises: NoSuchBlock.
        """
        first, last = sorted((from_block, to_block))
        async with self._database.read() as tx:
            old, new = [await _header(tx, number) for number in (first, last)]
            path = await _path(tx, merkle.consistency_spans(old.header.tree_size, new.header.tree_size))
        return ConsistencyItem(from_block=block_item(old), to_block=block_item(new), path=path)

    async def certificates(self) -> list[Certificate]:
        """The signing keys, the newest last. One round trip."""
        async with self._database.read() as tx:
            return [kept.certificate for kept in await store.signing_keys(tx)]

    async def export(self, folder: Path) -> tuple[int, int]:
        """Writes the log into a folder, which must be new or empty; gives how many blocks and transfers.

        Raises: FileExistsError; NoLogYet; LedgerKeyLocked; BooksDiffer when it does not add up to the sealed balances.
        """
        written = Export(folder)
        async with self._database.transaction() as tx:
            # One snapshot for everything; it has no transaction id, so nothing waits behind it.
            await tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            keys = await store.signing_keys(tx)
            if not keys:
                raise NoLogYet
            held = await books.sealed_totals(tx)
            blocks = transfers = 0
            while bodies := await store.bodies(tx, first=blocks, count_max=_BODIES):
                for signed, records, _ in bodies:
                    written.add(signed, records)
                    blocks, transfers = signed.header.number + 1, signed.header.tree_size
        added_up = {(currency, code): sums for (currency, code), sums in written.totals.items()}
        if added_up != {(currency, account_number(code)): sums for (currency, code), sums in held.items()}:
            raise BooksDiffer(f"the records add up to {added_up}, the sealed balances to {held}")
        written.finish(
            certificates=[kept.certificate for kept in keys],
            key=opened(keys[-1], secret=self._settings.signing_key_secret),
            account_codes={number: name for name, number in ACCOUNT_NUMBERS.items()},
            transfer_codes=TRANSFER_NAMES,
            made_at=self._clock.now(),
        )
        return blocks, transfers


async def _path(tx: Tx, spans: Sequence[Span]) -> list[str]:
    tiles = await store.tiles(tx, tiles_of(spans))
    return [step.hex() for step in merkle.path(spans, perfect_in(tiles))]


async def _header(tx: Tx, number: int) -> SignedHeader:
    found = await store.blocks(tx, before=number + 1, count_max=1) if 0 <= number < _NUMBER_MAX else []
    if not found or found[0].header.number != number:
        raise NoSuchBlock(number=number)
    return found[0]
