"""The tables of the log. Set-based; columns come as bytes, for a row of ten values costs more than its hashes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import numpy as np

from overworld.domains.ledger.audit.blocks import Block, Promise
from overworld.domains.ledger.audit.hashing import rows_of
from overworld.domains.ledger.audit.headers import Certificate, Header, SignedHeader
from overworld.domains.ledger.audit.keys import KeptKey
from overworld.domains.ledger.audit.records import ID_HASH, KEY_BYTES, PREFIX_BYTES, RECORD_BYTES, Rows, id_prefixes
from overworld.domains.ledger.audit.tiles import TileId, edge_of, kept_edge_of
from overworld.domains.ledger.audit.types import NOTHING_SEALED, Mark, Sealed, SealedAccounts, Taken, Waiting
from overworld.kernel.ports import Tx

_LOCK_KEY = 0x6F77_6C73  # "owls": one process seals, turns the key or forgets a player at a time


async def take_turn(tx: Tx) -> bool:
    """Whether it is this transaction's turn to change the log; else another one has it, and this one should end."""
    return bool(await tx.fetchval("SELECT pg_try_advisory_xact_lock($1)", _LOCK_KEY))


async def wait_for_turn(tx: Tx) -> None:
    """Waits until it is this transaction's turn to change the log."""
    await tx.execute("SELECT pg_advisory_xact_lock($1)", _LOCK_KEY)


_HEADER = "number, previous, first_index, count, root, at, key_id, signature"
_END = f"SELECT {_HEADER}, last_stamp, last_settles, last_id FROM ledger.block ORDER BY number DESC LIMIT 1"  # noqa: S608


async def end(tx: Tx) -> Sealed:
    """Where the log ends."""
    row = await tx.fetchrow(_END)
    if row is None:
        return Sealed(None, NOTHING_SEALED)
    return Sealed(_signed(row).header, _mark(row))


_CATCH_UP = """
UPDATE ledger.epoch SET ahead = newest.stamp + 2 - pg_snapshot_xmax(pg_current_snapshot())::text::bigint
FROM (SELECT greatest($1, max(stamp)) AS stamp FROM ledger.transfer WHERE stamp >= $1) AS newest
WHERE newest.stamp >= ahead + pg_snapshot_xmax(pg_current_snapshot())::text::bigint
RETURNING ahead"""


async def catch_up(tx: Tx, mark: Mark) -> int | None:
    """Moves stamps ahead of the newest one when that is of the future, so of another cluster; by how much in all."""
    ahead: int | None = await tx.fetchval(_CATCH_UP, mark.stamp)
    return ahead


_WAITING = """
SELECT count(*) AS count, min(at) AS oldest_at, max(stamp) AS stamp FROM (
    SELECT at, stamp FROM ledger.transfer
    WHERE stamp >= $1 AND (stamp, kind >= 2, id) > ($1, $2, $3)
        AND stamp < ledger.horizon()
    LIMIT $4
) AS waiting"""


async def waiting(tx: Tx, after: Mark, *, count_max: int) -> Waiting:
    """What nothing can slip in front of any more, up to some `count_max` transfers, as they lie in the table."""
    row = await tx.fetchrow(_WAITING, after.stamp, after.settles, after.id, count_max)
    return Waiting(row["count"], row["oldest_at"], row["stamp"] or 0)


_COLUMNS = """
SELECT string_agg(int8send(stamp), '' ORDER BY place) AS stamps, string_agg(uuid_send(id), '' ORDER BY place) AS ids,
    string_agg(int2send(kind), '' ORDER BY place) AS kinds, string_agg(int2send(code), '' ORDER BY place) AS codes,
    string_agg(int8send(amount), '' ORDER BY place) AS amounts,
    string_agg(int8send(debit_id), '' ORDER BY place) AS debit_ids,
    string_agg(int8send(credit_id), '' ORDER BY place) AS credit_ids,
    string_agg(uuid_send(reference), '' ORDER BY place) AS refs,
    string_agg(uuid_send(coalesce(pending_id, '00000000-0000-0000-0000-000000000000')), '' ORDER BY place) AS pendings
FROM (
    SELECT row_number() OVER (ORDER BY stamp, kind >= 2, id) AS place, * FROM ledger.transfer
    WHERE stamp BETWEEN $1 AND $4 AND (stamp, kind >= 2, id) > ($1, $2, $3)"""
_TAKE = f"{_COLUMNS} ORDER BY stamp, kind >= 2, id LIMIT $5) AS taken"
_TAKE_BETWEEN = f"{_COLUMNS} AND (stamp, kind >= 2, id) <= ($4, $5, $6)) AS taken"


async def take(tx: Tx, after: Mark, *, upto_stamp: int, count_max: int) -> Taken:
    """The first transfers behind the mark, in log order. `upto_stamp` is what `waiting` gave: all below are there.

    It keeps a long backlog from being sorted for each of its blocks.
    """
    row = await tx.fetchrow(_TAKE, after.stamp, after.settles, after.id, upto_stamp, count_max)
    return _columns(row)


async def take_between(tx: Tx, after: Mark, upto: Mark) -> Taken:
    """The transfers behind one mark up to and with another, in log order."""
    marks = after.stamp, after.settles, after.id, upto.stamp, upto.settles, upto.id
    return _columns(await tx.fetchrow(_TAKE_BETWEEN, *marks))


_ACCOUNTS = """
SELECT id, currency, code, coalesce(key, '') AS key, coalesce(from_block, 0) AS from_block
FROM ledger.account LEFT JOIN ledger.account_secret ON account_id = id
WHERE id = ANY ($1::bigint[]) ORDER BY id"""


async def accounts(tx: Tx, ids: Sequence[int]) -> SealedAccounts:
    """What records need of these accounts."""
    rows = await tx.fetch(_ACCOUNTS, ids)
    keys = b"".join(row["key"] or bytes(KEY_BYTES) for row in rows)
    return SealedAccounts(
        ids=np.array([row["id"] for row in rows], np.int64),
        codes=[row["code"] for row in rows],
        currencies=[row["currency"] for row in rows],
        keys=rows_of(keys, KEY_BYTES),
        has_key=np.array([bool(row["key"]) for row in rows], np.bool_),
        from_blocks=np.array([row["from_block"] for row in rows], np.int64),
    )


async def promises(tx: Tx, ids: Sequence[UUID]) -> dict[bytes, Promise]:
    """Of these promises those that are sealed and not settled."""
    rows = await tx.fetch("SELECT id, debit, credit FROM ledger.sealed_promise WHERE id = ANY ($1::uuid[])", ids)
    return {row["id"].bytes: (row["debit"], row["credit"]) for row in rows}


async def edge_tiles(tx: Tx, size: int) -> dict[TileId, bytes]:
    """The last tile of each level of a tree of this size, empty ones included."""
    return dict.fromkeys(edge_of(size), b"") | await tiles(tx, kept_edge_of(size))


_TILES = """
SELECT level, number, hashes FROM ledger.tile
JOIN unnest($1::smallint[], $2::bigint[]) AS wanted (level, number) USING (level, number)"""


async def tiles(tx: Tx, wanted: Iterable[TileId]) -> dict[TileId, bytes]:
    """These tiles, as far as they are there."""
    named = list(wanted)
    rows = await tx.fetch(_TILES, [level for level, _ in named], [number for _, number in named])
    return {(row["level"], row["number"]): row["hashes"] for row in rows}


_KEEP_BLOCKS = """
INSERT INTO ledger.block
    (number, previous, first_index, count, root, at, key_id, signature, last_stamp, last_settles, last_id, records,
    id_prefixes)
SELECT number, previous, first_index, count, root, at, key_id, signature, stamp, settles, last_id, records, id_prefixes
FROM unnest($1::bigint[], $2::bytea[], $3::bigint[], $4::int[], $5::bytea[], $6::timestamptz[], $7::bytea[],
    $8::bytea[], $9::bigint[], $10::boolean[], $11::uuid[], $12::bytea[],
    $13::bytea[])
    AS made (number, previous, first_index, count, root, at, key_id, signature, stamp, settles, last_id, records,
        id_prefixes)"""
_KEEP_TILES = """
INSERT INTO ledger.tile (level, number, hashes)
SELECT level, number, hashes FROM unnest($1::smallint[], $2::bigint[], $3::bytea[]) AS made (level, number, hashes)
ORDER BY level, number
ON CONFLICT (level, number) DO UPDATE SET hashes = excluded.hashes"""


async def keep_blocks(tx: Tx, blocks: Sequence[tuple[Block, Mark]], changed: Mapping[TileId, bytes]) -> None:
    """Writes blocks with their marks, and the tiles that changed. Two round trips."""
    headers = [block.signed.header for block, _ in blocks]
    await tx.execute(
        _KEEP_BLOCKS,
        [header.number for header in headers],
        [header.previous for header in headers],
        [header.first_index for header in headers],
        [header.count for header in headers],
        [header.root for header in headers],
        [datetime.fromtimestamp(header.time_s, UTC) for header in headers],
        [header.key_id for header in headers],
        [block.signed.signature for block, _ in blocks],
        [mark.stamp for _, mark in blocks],
        [mark.settles for _, mark in blocks],
        [mark.id for _, mark in blocks],
        [block.records for block, _ in blocks],
        [id_prefixes(rows_of(block.records, RECORD_BYTES)) for block, _ in blocks],
    )
    ids = list(changed)
    await tx.execute(_KEEP_TILES, [level for level, _ in ids], [number for _, number in ids], list(changed.values()))


_KEEP_ACCOUNT_KEYS = """
INSERT INTO ledger.account_secret (account_id, from_block, key)
SELECT account_id, $3, key FROM unnest($1::bigint[], $2::bytea[]) AS made (account_id, key)"""


async def keep_account_keys(tx: Tx, ids: Sequence[int], keys: Sequence[bytes], *, from_block: int) -> None:
    """Writes the keys of accounts that have none."""
    await tx.execute(_KEEP_ACCOUNT_KEYS, ids, keys, from_block)


async def keep_promises(tx: Tx, made: Mapping[bytes, Promise], settled: Iterable[bytes]) -> None:
    """Writes promises that were sealed, and forgets those that were settled."""
    await tx.execute(
        "INSERT INTO ledger.sealed_promise SELECT * FROM unnest($1::uuid[], $2::bytea[], $3::bytea[])",
        [UUID(bytes=promise_id) for promise_id in made],
        [debit for debit, _ in made.values()],
        [credit for _, credit in made.values()],
    )
    await tx.execute(
        "DELETE FROM ledger.sealed_promise WHERE id = ANY ($1::uuid[])",
        [UUID(bytes=promise_id) for promise_id in settled],
    )


_FOLD = """
INSERT INTO ledger.sealed_balance AS sealed
SELECT * FROM ledger.changes($1, $2, $3, $4, $5, $6)
ORDER BY account_id
ON CONFLICT (account_id) DO UPDATE SET
    debits_posted = sealed.debits_posted + excluded.debits_posted,
    credits_posted = sealed.credits_posted + excluded.credits_posted,
    debits_pending = sealed.debits_pending + excluded.debits_pending,
    credits_pending = sealed.credits_pending + excluded.credits_pending"""


async def fold(tx: Tx, after: Mark, upto: Mark) -> None:
    """Adds the transfers between two marks, the second included, to the sealed balances."""
    await tx.execute(_FOLD, after.stamp, after.settles, after.id, upto.stamp, upto.settles, upto.id)


_BLOCKS = f"SELECT {_HEADER} FROM ledger.block WHERE number < $1 ORDER BY number DESC LIMIT $2"  # noqa: S608


async def blocks(tx: Tx, *, before: int, count_max: int) -> list[SignedHeader]:
    """The headers below a number, the newest first."""
    return [_signed(row) for row in await tx.fetch(_BLOCKS, before, count_max)]


_BODIES = f"""
SELECT {_HEADER}, records, last_stamp, last_settles, last_id FROM ledger.block
WHERE number >= $1 ORDER BY number LIMIT $2"""  # noqa: S608


async def bodies(tx: Tx, *, first: int, count_max: int) -> list[tuple[SignedHeader, bytes, Mark]]:
    """Blocks from a number on, with their records and marks."""
    return [(_signed(row), row["records"], _mark(row)) for row in await tx.fetch(_BODIES, first, count_max)]


_FIND = f"""
SELECT {_HEADER}, id_prefixes FROM ledger.block
WHERE (last_stamp, last_settles, last_id) >= (
    SELECT stamp, kind >= 2, id FROM ledger.transfer WHERE id = $1
)
ORDER BY last_stamp, last_settles, last_id LIMIT 1"""  # noqa: S608
_RECORDS = """
SELECT place, substr(records, 128 * place + 1, 128) AS record FROM ledger.block CROSS JOIN unnest($2::int[]) AS place
WHERE number = $1"""


async def find(tx: Tx, id: UUID, hash: bytes) -> tuple[SignedHeader, int, bytes] | None:
    """The block that a transfer is sealed in, its index in the log, and its record; `hash` is its id's."""
    row = await tx.fetchrow(_FIND, id)
    if row is None:
        return None
    signed = _signed(row)
    prefixes = rows_of(row["id_prefixes"], PREFIX_BYTES)
    places = np.flatnonzero((prefixes == np.frombuffer(hash[:PREFIX_BYTES], np.uint8)).all(axis=1))
    for place, record in await tx.fetch(_RECORDS, signed.header.number, places.tolist()):
        if record[ID_HASH] == hash:
            return signed, signed.header.first_index + place, record
    return None


_KEYS = """
SELECT number, from_block, made_at, public_key, issuer_id, signature, private_pem
FROM ledger.signing_key ORDER BY number"""


async def signing_keys(tx: Tx) -> list[KeptKey]:
    """Every signing key, the newest last."""
    return [
        KeptKey(
            Certificate(
                number=row["number"],
                from_block=row["from_block"],
                made_at_s=int(row["made_at"].timestamp()),
                public_key=row["public_key"],
                issuer_id=row["issuer_id"],
                signature=row["signature"],
            ),
            row["private_pem"],
        )
        for row in await tx.fetch(_KEYS)
    ]


_KEEP_KEY = """
INSERT INTO ledger.signing_key (number, from_block, made_at, public_key, issuer_id, signature, private_pem)
VALUES ($1, $2, $3, $4, $5, $6, $7)"""


async def keep_signing_key(tx: Tx, key: KeptKey) -> None:
    """Writes a signing key; the private half of the one before it is destroyed."""
    await tx.execute("UPDATE ledger.signing_key SET private_pem = NULL WHERE private_pem IS NOT NULL")
    made = key.certificate
    await tx.execute(
        _KEEP_KEY,
        made.number,
        made.from_block,
        datetime.fromtimestamp(made.made_at_s, UTC),
        made.public_key,
        made.issuer_id,
        made.signature,
        key.private_pem,
    )


def _mark(row: Any) -> Mark:
    return Mark(row["last_stamp"], row["last_settles"], row["last_id"])


def _signed(row: Any) -> SignedHeader:
    return SignedHeader(
        Header(
            number=row["number"],
            previous=row["previous"],
            first_index=row["first_index"],
            count=row["count"],
            tree_size=row["first_index"] + row["count"],
            root=row["root"],
            time_s=int(row["at"].timestamp()),
            key_id=row["key_id"],
        ),
        row["signature"],
    )


def _columns(row: Any) -> Taken:
    def numbers(name: str, kind: str) -> Any:
        return np.frombuffer(row[name] or b"", kind).astype(np.int64)

    rows = Rows(
        ids=rows_of(row["ids"] or b"", 16),
        kinds=numbers("kinds", ">i2").astype(np.uint8),
        codes=numbers("codes", ">i2").astype(np.uint16),
        amounts_minor=numbers("amounts", ">i8"),
        debit_ids=numbers("debit_ids", ">i8"),
        credit_ids=numbers("credit_ids", ">i8"),
        references=rows_of(row["refs"] or b"", 16),
        pending_ids=rows_of(row["pendings"] or b"", 16),
    )
    return Taken(rows, numbers("stamps", ">i8"))
