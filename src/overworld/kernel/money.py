"""Money: integers in a currency's minor unit inside, decimal strings outside, and the vocabulary of transfers."""

from __future__ import annotations

import re
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

    A budget is what a campaign, its owner, may give away.
    """

    WALLET = "wallet"
    ISSUANCE = "issuance"
    BUDGET = "budget"


class AccountRef(Struct, frozen=True):
    """The public name of an account: who owns it, in which currency, and what for.

    `HOUSE` owns the accounts of the game itself. Issuance accounts may go below zero: their debt is the supply.
    """

    owner_id: UUID
    currency: str
    code: AccountCode = AccountCode.WALLET


HOUSE = UUID(int=0)


class TransferCode(StrEnum):
    """Why value moved. Kept in every transfer and shown in histories; never renamed."""

    COLLECT = "collect"


class Transfer(Struct, frozen=True, kw_only=True):
    """Value that should move from one account to another, once.

    `id` is chosen by the caller and is the transfer's idempotency: the same id with the same fields is the same
    transfer. `reference` names what it is for (a collectible, a sale) and is private to both sides.
    """

    id: UUID
    debit: AccountRef
    credit: AccountRef
    amount_minor: int
    code: TransferCode
    reference: str


class TransferStatus(IntEnum):
    """What became of one transfer of a batch, in the order of precedence in which they are checked."""

    CREATED = 0
    EXISTS = 1
    EXISTS_WITH_DIFFERENT_FIELDS = 2
    AMOUNT_NOT_POSITIVE = 3
    ACCOUNTS_SAME = 4
    CURRENCY_MISMATCH = 5
    EXCEEDS_CREDITS = 6
    EXCEEDS_MAXIMUM = 7


class TransferResult(Struct, frozen=True):
    """The outcome of one transfer and the credit account's posted balance after it, in minor units."""

    status: TransferStatus
    credit_balance_minor: int
