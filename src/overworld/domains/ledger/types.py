"""What the ledger's rules and store say to each other: rows, what was read under lock, and what was decided."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal
from uuid import UUID

from msgspec import Struct

from overworld.kernel.money import AccountRef, TransferResult


class Posted(Struct, frozen=True):
    """A transfer as it is written: its accounts by row number, everything else as the caller gave it."""

    id: UUID
    debit_id: int
    credit_id: int
    amount_minor: int
    code: str
    reference: str


class Books(Struct, frozen=True):
    """What the database knew under lock: row numbers by account, balances by row number, and the existing transfers.

    An account that is not open has the number 0 and no balance.
    """

    account_ids: Mapping[AccountRef, int]
    balances_minor: Mapping[int, int]
    existing: Mapping[UUID, Posted]


class Decision(Struct, frozen=True):
    """What becomes of a batch: a result for each transfer given, (n,), and the rows to write."""

    results: list[TransferResult]
    created: list[Posted]


class Balance(Struct, frozen=True):
    """A wallet: what it holds, and the net of what is pending for it, in minor units."""

    currency: str
    posted_minor: int
    pending_minor: int


class Movement(Struct, frozen=True):
    """One transfer as the owner of one of its accounts sees it."""

    id: UUID
    currency: str
    amount_minor: int
    direction: Literal["in", "out"]
    code: str
    reference: str
    at: datetime
