"""Accounts under lock, judged one move after another: so that what a batch decides is what the ledger posts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from msgspec import Struct

from overworld.domains.gameplay.carry.errors import CannotPay
from overworld.domains.gameplay.errors import WalletFrozen, WalletFull
from overworld.kernel.money import AMOUNT_MINOR_MAX, AccountCode, AccountRef, Funds
from overworld.kernel.refusals import Refusal


class Move(Struct, frozen=True):
    """An amount that should go from one account to another."""

    debit: AccountRef
    credit: AccountRef
    amount_minor: int


class Purse:
    """What accounts hold, as the moves so far have left them. `funds` come from `Ledger.locked`, in the transaction."""

    def __init__(self, funds: Mapping[AccountRef, Funds]) -> None:
        self._funds = funds
        self._moved_minor: Counter[AccountRef] = Counter()

    def move(self, moves: Sequence[Move], *, unpaid: Refusal | None = None) -> Refusal | None:
        """Makes all of the moves or, saying why, none; `unpaid` is what to say of who does not hold enough.

        Refused are, for the first that cannot be made, in this order: WalletFrozen, `unpaid` (CannotPay), WalletFull.
        """
        before = self._moved_minor.copy()
        for move in moves:
            refusal = self._refused(move, unpaid)
            if refusal is not None:
                self._moved_minor = before
                return refusal
            self._moved_minor[move.debit] -= move.amount_minor
            self._moved_minor[move.credit] += move.amount_minor
        return None

    def posted_minor(self, account: AccountRef) -> int:
        """What an account holds after the moves so far."""
        return self._funds[account].posted_minor + self._moved_minor[account]

    def _refused(self, move: Move, unpaid: Refusal | None) -> Refusal | None:
        debit, credit = self._funds[move.debit], self._funds[move.credit]
        if debit.frozen or credit.frozen:
            return WalletFrozen(currency=move.debit.currency)
        free_minor = debit.free_minor + self._moved_minor[move.debit]
        if move.debit.code is not AccountCode.ISSUANCE and free_minor < move.amount_minor:
            return unpaid or CannotPay(currency=move.debit.currency)
        if (
            move.credit.code is not AccountCode.ISSUANCE
            and self.posted_minor(move.credit) + move.amount_minor > AMOUNT_MINOR_MAX
        ):
            return WalletFull(currency=move.credit.currency)
        return None
