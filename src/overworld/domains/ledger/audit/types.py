"""What the rooms of the audit say to each other, and what an operator may set."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from overworld.domains.ledger.audit.hashing import Bytes2
from overworld.domains.ledger.audit.headers import Header
from overworld.domains.ledger.audit.records import Rows


class LedgerSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an operator may set about the ledger."""

    seal_interval_s: Annotated[
        float, Meta(gt=0, le=86_400, description="Longest that a transfer waits for its block to be sealed.")
    ] = 60.0
    audit_interval_s: Annotated[
        float, Meta(gt=0, le=86_400, description="Time between two looks of the running auditor at the books.")
    ] = 60.0
    signing_key_secret: Annotated[
        str,
        Meta(
            max_length=1_024,
            description="Encrypts the signing key of the log in the database; empty: it is kept as it is.",
            extra={"secret": True},
        ),
    ] = ""


class Mark(Struct, frozen=True):
    """How far the log is sealed: the last transfer in it, in the order (stamp, id); nothing yet is (0, zeros)."""

    stamp: int
    id: UUID


NOTHING_SEALED = Mark(0, UUID(int=0))


class Sealed(Struct, frozen=True):
    """The end of the log: its last header, None before the first block, and the mark."""

    header: Header | None
    mark: Mark


class Waiting(Struct, frozen=True):
    """Transfers that may be sealed, in columns, and the stamp of each, int64 (n,)."""

    rows: Rows
    stamps: NDArray[np.int64]


class SealedAccounts(Struct, frozen=True):
    """Accounts in columns by ascending id, (m,); `keys` is uint8 (m, 32), and zeros where there is none yet."""

    ids: NDArray[np.int64]
    codes: list[str]
    currencies: list[str]
    keys: Bytes2
    has_key: NDArray[np.bool_]
