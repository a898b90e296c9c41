"""What the ledger's rules and store say to each other: rows, what was read under lock, and what was decided."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Struct

from overworld.kernel.money import AccountCode, AccountRef, TransferCode, TransferKind, TransferResult

STRIPES: Mapping[AccountCode, int] = {AccountCode.ISSUANCE: 8, AccountCode.BUDGET: 8}
"""In how many rows the accounts of a code are kept; one where it is not named. It may grow, never shrink."""


class LedgerSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an operator may set about the ledger."""

    account_ids_cached_max: Annotated[
        int, Meta(ge=1, le=10_000_000, description="Account numbers kept in memory, about 250 bytes each")
    ] = 200_000
    seal_interval_s: Annotated[
        float, Meta(gt=0, le=86_400, description="Longest that a transfer waits for its block to be sealed")
    ] = 60.0
    audit_interval_s: Annotated[
        float, Meta(gt=0, le=86_400, description="Time between two looks of the running auditor at the books")
    ] = 60.0
    signing_key_secret: Annotated[
        str,
        Meta(
            max_length=1_024,
            description="Encrypts the signing key of the log in the database; empty: it is kept as it is",
            extra={"secret": True},
        ),
    ] = ""
    transfer_lanes: Annotated[
        int, Meta(ge=1, le=16, description="Batches of transfers between players in flight at once")
    ] = 2
    transfer_batch_max: Annotated[
        int, Meta(ge=1, le=2_048, description="Most transfers between players in one transaction")
    ] = 256
    transfer_queue_max: Annotated[
        int, Meta(ge=1, le=65_536, description="Most transfers between players that wait in one lane")
    ] = 4_096
    expire_interval_s: Annotated[
        float, Meta(gt=0, le=3_600, description="Time between two looks for promises whose time is over")
    ] = 1.0


Amount = Annotated[str, Meta(pattern=r"^[0-9]{1,19}(\.[0-9]{1,18})?$", max_length=40)]


class CurrencyTransferRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `[transfers.currencies.CODE]` of game.toml: how much of it a player may send, at once and in a UTC day."""

    per_transfer_max: Amount
    per_day_max: Amount
    per_day_count: Annotated[int, Meta(ge=1, le=10_000)] = 20


class TransferRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `[transfers]` of game.toml: what players may send each other.

    Only the currencies that are named can be sent; none, where nothing is said. Who is trusted less than `trust_min`,
    or has not reached `level_min`, sends nothing.
    """

    trust_min: Annotated[float, Meta(ge=0, le=1)] = 0.3
    level_min: Annotated[int, Meta(ge=1, le=1_000)] = 1
    currencies: Annotated[dict[str, CurrencyTransferRules], Meta(max_length=64)] = {}


class SendLimits(Struct, frozen=True):
    """How much of a currency a player may send, in minor units."""

    per_transfer_max_minor: int
    per_day_max_minor: int
    per_day_count: int


class SentToday(Struct, frozen=True, gc=False):
    """How often and how much an account has sent since a day began."""

    count: int = 0
    amount_minor: int = 0


class KnownGift(Struct, frozen=True):
    """A transfer that was made under a gift's id before: as much of it as its answer says."""

    reference: UUID
    code: TransferCode
    to_id: UUID
    currency: str
    amount_minor: int
    balance_minor: int | None
    at: datetime


class Row(Struct, frozen=True, gc=False):
    """A transfer as it is written: its accounts by row number, everything else as the caller gave it."""

    id: UUID
    debit_id: int
    credit_id: int
    amount_minor: int
    code: TransferCode
    kind: TransferKind
    reference: UUID
    memo: int | None = None
    pending_id: UUID | None = None


class Held(Struct, frozen=True, gc=False):
    """One row of an account under lock: what it holds, how much of that is promised away, and whether it is frozen."""

    posted_minor: int
    promised_minor: int = 0
    frozen: bool = False


class Books(Struct, frozen=True, kw_only=True):
    """What the database knew under lock.

    `account_ids` gives an account's row numbers, a number for each of its stripes, none when it is not open; `held`
    is by row number, and `fresh` the numbers of rows that this transaction made. `existing` are the transfers with
    an id of the batch or of a promise it settles, by id; `settled` what settled a promise, by the promise's id;
    `open_until` the promises that are still open; `taken` the references of exclusive codes that somebody has.
    """

    account_ids: Mapping[AccountRef, tuple[int, ...]]
    held: Mapping[int, Held]
    fresh: AbstractSet[int] = frozenset()
    existing: Mapping[UUID, Row] = {}
    settled: Mapping[UUID, Row] = {}
    open_until: Mapping[UUID, datetime] = {}
    taken: AbstractSet[UUID] = frozenset()


class Effect(Struct, frozen=True, gc=False):
    """What a written row does beside moving value: it releases a promise whole, or opens one until an instant.

    `balance_minor` is the credit account's after it, kept where the caller keeps a memo and the account has a floor.
    """

    released_minor: int = 0
    expires_at: datetime | None = None
    balance_minor: int | None = None


class Decision(Struct, frozen=True):
    """What becomes of a batch: a result for each transfer given, (n,), and the rows to write with effects, (m,)."""

    results: list[TransferResult]
    created: list[Row]
    effects: list[Effect]


class Balance(Struct, frozen=True):
    """A wallet: what it holds, and the net of what is pending for it, in minor units."""

    currency: str
    posted_minor: int
    pending_minor: int


class Holding(Struct, frozen=True, kw_only=True):
    """What an owner has in one currency for one purpose, in minor units; all stripes of it together."""

    currency: str
    code: AccountCode
    posted_minor: int
    pending_minor: int
    frozen: bool


class Movement(Struct, frozen=True):
    """One transfer as the owner of one of its accounts sees it.

    `counterparty_id` and `note` are those of a gift between players, None for everything else.
    """

    id: UUID
    currency: str
    amount_minor: int
    direction: Literal["in", "out"]
    code: TransferCode
    reference: UUID
    at: datetime
    counterparty_id: UUID | None = None
    note: str | None = None
