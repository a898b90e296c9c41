"""Money: integers in a currency's minor unit inside, decimal strings outside, and the vocabulary of transfers."""

from __future__ import annotations

import re
from datetime import datetime
from enum import IntEnum, StrEnum
from uuid import UUID

from msgspec import Struct

AMOUNT_MINOR_MAX = 2**62
_DECIMAL = re.compile(r"\d{1,19}(\.\d{1,18})?", re.ASCII)


class Currency(Struct, frozen=True):
    """A currency of the game: its code (`coin`, `ORE`) and how many decimal places its amounts have (0-18)."""

    code: str
    scale: int = 0

    def format(self, minor: int) -> str:
        """A whole number of minor units as the decimal string clients read: 150 at scale 2 is `1.50`."""
        if self.scale == 0:
            return str(minor)
        sign, digits = ("-", -minor) if minor < 0 else ("", minor)
        whole, part = divmod(digits, 10**self.scale)
        return f"{sign}{whole}.{part:0{self.scale}d}"

    def parse(self, text: str) -> int:
        """Minor units of a decimal string such as `1.5`; no sign, no exponent, no more places than the currency has.

        Raises: ValueError when the text is not such a number, is too precise, or is above `AMOUNT_MINOR_MAX`.
        """
        if not _DECIMAL.fullmatch(text):
            raise ValueError(f"not a decimal amount: {text[:40]!r}")
        whole, _, part = text.partition(".")
        if len(part.rstrip("0")) > self.scale:
            raise ValueError(f"{self.code} has {self.scale} decimal places: {text!r}")
        minor: int = int(whole) * 10**self.scale + int((part + "0" * self.scale)[: self.scale] or 0)
        if minor > AMOUNT_MINOR_MAX:
            raise ValueError(f"amount too large: {text!r}")
        return minor


class AccountCode(StrEnum):
    """What an account is for; with the owner and the currency it names one account.

    A `budget` is what a sponsor or a campaign may give away, `escrow` what a deal holds until it is done, a `pool` what
    waits to be shared out. Only `issuance` may go below zero: its debt is the supply.
    """

    __hash__ = str.__hash__  # the enum's own asks for the name, which costs more than all else in a look-up

    WALLET = "wallet"
    ISSUANCE = "issuance"
    BUDGET = "budget"
    ESCROW = "escrow"
    POOL = "pool"


class AccountRef(Struct, frozen=True):
    """The public name of an account: who owns it, in which currency, and what for.

    `HOUSE` owns the accounts of the game itself.
    """

    owner_id: UUID
    currency: str
    code: AccountCode = AccountCode.WALLET


class Funds(Struct, frozen=True):
    """What an account holds, how much of it nobody was promised, and whether it is frozen; in minor units."""

    posted_minor: int
    free_minor: int
    frozen: bool


HOUSE = UUID(int=0)


class TransferCode(IntEnum):
    """Why value moved. The number is kept in every transfer, the name shown in histories; neither is ever changed.

    COLLECT is exclusive: what its reference names can be had once, and a promise of it takes it for good; RELEASE
    settles such a promise. RESTRIPE moves value between the stripes of one account, and no player ever sees it. REWARD
    is made for a player; UPGRADE, REPAIR and MEMBERSHIP are what players pay for such things.
    """

    __hash__ = int.__hash__  # as above

    COLLECT = 1
    RESTRIPE = 2
    FUND = 3
    GIFT = 4
    MINT = 5
    BURN = 6
    REWARD = 7
    UPGRADE = 8
    REPAIR = 9
    MEMBERSHIP = 10
    RELEASE = 11

    @property
    def label(self) -> str:
        """The name that clients read."""
        return self.name.lower()


EXCLUSIVE_CODES = frozenset({TransferCode.COLLECT})


class TransferKind(IntEnum):
    """Whether value moves now, is promised, or what becomes of a promise. The numbers are kept; never changed."""

    __hash__ = int.__hash__  # as above

    POSTED = 0
    PENDING = 1
    POST_PENDING = 2
    VOID_PENDING = 3


class Transfer(Struct, frozen=True, kw_only=True):
    """Value that should move from one account to another, once.

    `id` is chosen by the caller and is the transfer's idempotency: the same id with the same fields is the same
    transfer. `reference` names what it is for (a collectible, a sale) in 128 bits that are private to both sides;
    `memo` is a number of the caller's that is kept with it.

    A PENDING transfer promises its amount until `expires_at`: it can be spent by nobody else, and has not arrived. A
    POST_PENDING moves as much of the promise `pending_id` as its amount says and lets the rest go; a VOID_PENDING, of
    the whole amount, lets all of it go. Both name the promise's accounts again.

    `linked` ties a transfer to the next one of its batch: a chain ends with the first that is not linked, and either
    all of it is posted or nothing.
    """

    id: UUID
    debit: AccountRef
    credit: AccountRef
    amount_minor: int
    code: TransferCode
    reference: UUID
    memo: int | None = None
    kind: TransferKind = TransferKind.POSTED
    pending_id: UUID | None = None
    expires_at: datetime | None = None
    linked: bool = False


class TransferStatus(IntEnum):
    """What became of one transfer of a batch, in the order of precedence in which they are checked.

    The numbers never change. LINKED_FAILED says that another of the chain was refused; CHAIN_OPEN, that the batch ended
    within the chain.
    """

    __hash__ = int.__hash__  # as above

    CREATED = 0
    EXISTS = 1
    EXISTS_WITH_DIFFERENT_FIELDS = 2
    AMOUNT_NOT_POSITIVE = 3
    ACCOUNTS_SAME = 4
    CURRENCY_MISMATCH = 5
    MALFORMED = 8
    PENDING_NOT_FOUND = 9
    PENDING_HAS_DIFFERENT_FIELDS = 10
    PENDING_ALREADY_POSTED = 11
    PENDING_ALREADY_VOIDED = 12
    PENDING_EXPIRED = 13
    EXCEEDS_PENDING = 14
    ACCOUNT_FROZEN = 15
    REFERENCE_TAKEN = 16
    EXCEEDS_CREDITS = 6
    EXCEEDS_MAXIMUM = 7
    LINKED_FAILED = 17
    CHAIN_OPEN = 18


class TransferResult(Struct, frozen=True):
    """The outcome of one transfer and the credit account's posted balance after it, in minor units."""

    status: TransferStatus
    credit_balance_minor: int
