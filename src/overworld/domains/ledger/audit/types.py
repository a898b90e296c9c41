"""What the rooms of the audit say to each other."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from overworld.domains.ledger.audit.hashing import Bytes2
from overworld.domains.ledger.audit.headers import Header
from overworld.domains.ledger.audit.records import Rows


class Mark(Struct, frozen=True):
    """A place in the order of the log: a transfer's stamp, whether it settles a promise, its id.

    A promise may be settled in the transaction that made it: then both have one stamp, and the promise goes first.
    """

    stamp: int
    settles: bool
    id: UUID


NOTHING_SEALED = Mark(0, False, UUID(int=0))


class Sealed(Struct, frozen=True):
    """The end of the log: its last header, None before the first block, and the mark."""

    header: Header | None
    mark: Mark


class Waiting(Struct, frozen=True):
    """How many transfers may be sealed, since when the oldest waits, and the highest stamp among them."""

    count: int
    oldest_at: datetime | None
    stamp: int


class Taken(Struct, frozen=True):
    """Transfers to be sealed, in columns, and the stamp of each, int64 (n,)."""

    rows: Rows
    stamps: NDArray[np.int64]


class SealedAccounts(Struct, frozen=True):
    """Accounts in columns by ascending id, (m,); `keys` is uint8 (m, 32), and zeros where there is none yet.

    A key is that of the records in the blocks `from_blocks` and later; an earlier one was destroyed.
    """

    ids: NDArray[np.int64]
    codes: list[str]
    currencies: list[str]
    keys: Bytes2
    has_key: NDArray[np.bool_]
    from_blocks: NDArray[np.int64]
