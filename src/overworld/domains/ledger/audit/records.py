"""The canonical record of a transfer: the 128 bytes that stand for it in the log, in public and for ever.

Who took part is a pseudonym that changes every month, and what it was for is a keyed hash. Both are made with secret
keys of the accounts; once a key is destroyed, nobody can tell any more whose they were. `docs/ledger-audit.md` is the
format's description for strangers.
"""

from __future__ import annotations

from hashlib import sha256
from struct import Struct as Layout
from typing import NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from overworld.domains.ledger.audit.hashing import Bytes2, beside, hash_rows

RECORD_BYTES = 128
VERSION = 1
KEY_BYTES = 32
CURRENCY_BYTES = 16
PREFIX_BYTES = 4
NO_ID_HASH = bytes(16)
ID_HASH, DEBIT, CREDIT, REFERENCE = slice(32, 48), slice(48, 64), slice(64, 80), slice(80, 96)
"""Where these fields lie in a record: two hashes, with the pseudonyms between them."""

_ID_TAG = b"overworld.ledger.id"
_LAYOUT = Layout(">BBHHHQ16s16s16s16s16s16s16x")
_COLUMNS = np.dtype(
    [
        ("version", "u1"),
        ("kind", "u1"),
        ("code", ">u2"),
        ("debit_code", ">u2"),
        ("credit_code", ">u2"),
        ("amount_minor", ">u8"),
        ("currency", "u1", 16),
        ("id_hash", "u1", 16),
        ("debit", "u1", 16),
        ("credit", "u1", 16),
        ("reference_hash", "u1", 16),
        ("pending_id_hash", "u1", 16),
        ("reserved", "u1", 16),
    ]
)
_INNER_PAD, _OUTER_PAD = np.uint8(0x36), np.uint8(0x5C)


class Rows(Struct, frozen=True):
    """Transfers in columns, in log order, each (n,). Ids and references are uint8 (n, 16); no pending id is zeros."""

    ids: Bytes2
    kinds: NDArray[np.uint8]
    codes: NDArray[np.uint16]
    amounts_minor: NDArray[np.int64]
    debit_ids: NDArray[np.int64]
    credit_ids: NDArray[np.int64]
    references: Bytes2
    pending_ids: Bytes2

    def part(self, first: int, last: int) -> Rows:
        """The rows from `first` up to, not including, `last`; nothing is copied."""
        return Rows(*(getattr(self, name)[first:last] for name in self.__struct_fields__))


class Sides(Struct, frozen=True):
    """Accounts in columns, by ascending id, each (m,): what their records need of them in one month."""

    ids: NDArray[np.int64]
    codes: NDArray[np.uint16]
    currencies: Bytes2
    pseudonyms: Bytes2
    inner_keys: Bytes2
    outer_keys: Bytes2


class Record(NamedTuple):
    """A canonical record taken apart; `currency` without its padding."""

    kind: int
    code: int
    debit_code: int
    credit_code: int
    amount_minor: int
    currency: str
    id_hash: bytes
    debit: bytes
    credit: bytes
    reference_hash: bytes
    pending_id_hash: bytes


def sides(*, ids: NDArray[np.int64], codes: NDArray[np.uint16], currencies: Bytes2, keys: Bytes2, month: str) -> Sides:
    """What the records of a month, such as `2026-11`, need of these accounts; `keys` are uint8 (m, 32).

    A pseudonym is HMAC-SHA256(key, "pseudonym" || month), cut to 16 bytes.
    """
    inner, outer = keys ^ _INNER_PAD, keys ^ _OUTER_PAD
    fill = KEY_BYTES
    inside = hash_rows(beside(inner, bytes([0x36]) * fill, b"pseudonym", month.encode()))
    pseudonyms = hash_rows(beside(outer, bytes([0x5C]) * fill, inside))[:, :16]
    return Sides(ids, codes, currencies, pseudonyms, inner, outer)


def encode(rows: Rows, accounts: Sides) -> Bytes2:
    """The records, uint8 (n, 128). Every account of the rows has to be among `accounts`.

    A reference's hash is HMAC-SHA256(debit key || credit key, "reference" || reference), cut to 16 bytes; the two keys
    fill a block of SHA-256, so each account's half of the padded key is made once.
    """
    payers, payees = np.searchsorted(accounts.ids, rows.debit_ids), np.searchsorted(accounts.ids, rows.credit_ids)
    inner_keys, outer_keys = accounts.inner_keys, accounts.outer_keys
    inside = hash_rows(beside(inner_keys[payers], inner_keys[payees], b"reference", rows.references))
    records = np.zeros(len(rows.ids), _COLUMNS)
    records["version"] = VERSION
    records["kind"] = rows.kinds
    records["code"] = rows.codes
    records["debit_code"] = accounts.codes[payers]
    records["credit_code"] = accounts.codes[payees]
    records["amount_minor"] = rows.amounts_minor
    records["currency"] = accounts.currencies[payers]
    records["id_hash"] = id_hashes(rows.ids)
    records["debit"] = accounts.pseudonyms[payers]
    records["credit"] = accounts.pseudonyms[payees]
    records["reference_hash"] = hash_rows(beside(outer_keys[payers], outer_keys[payees], inside))[:, :16]
    resolving = rows.pending_ids.any(axis=1)
    if resolving.any():
        records["pending_id_hash"][resolving] = id_hashes(rows.pending_ids[resolving])
    return records.view(np.uint8).reshape(-1, RECORD_BYTES)


def id_hashes(ids: Bytes2) -> Bytes2:
    """SHA-256("overworld.ledger.id" || id), cut to 16 bytes, of each id; uint8 (n, 16)."""
    return hash_rows(beside(_ID_TAG, ids))[:, :16]


def id_hash(id: bytes) -> bytes:
    """The same of one id of 16 bytes."""
    return sha256(_ID_TAG + id).digest()[:16]


def id_prefixes(records: Bytes2) -> bytes:
    """The first bytes of each record's id hash, one behind the other, by which records are looked for."""
    return records[:, ID_HASH][:, :PREFIX_BYTES].tobytes()


def leaf_hashes(records: Bytes2) -> bytes:
    """The leaf hash of each record, one behind the other."""
    return hash_rows(beside(b"\x00", records)).tobytes()


def decode(record: bytes) -> Record:
    """A record taken apart. Raises: ValueError when it is none of this version."""
    if len(record) != RECORD_BYTES or record[0] != VERSION:
        raise ValueError(f"not a transfer record of version {VERSION}: {record[:8].hex()}...")
    _, kind, code, debit_code, credit_code, amount, currency, *hashes = _LAYOUT.unpack(record)
    name = currency.rstrip(b"\0").decode("ascii")
    return Record(kind, code, debit_code, credit_code, amount, name, *hashes)


def currency_field(currency: str) -> bytes:
    """A currency's code as it stands in records. Raises: ValueError when it is no ASCII or longer than 16."""
    try:
        field = currency.encode("ascii")
    except UnicodeEncodeError as error:
        raise ValueError(f"a currency of the ledger is plain ASCII: {currency!r}") from error
    if len(field) > CURRENCY_BYTES:
        raise ValueError(f"a currency of the ledger has at most {CURRENCY_BYTES} characters: {currency!r}")
    return field.ljust(CURRENCY_BYTES, b"\0")
