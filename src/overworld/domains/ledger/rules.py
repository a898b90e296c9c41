"""Which transfers of a batch may be posted: exact, in the order given, item by item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from overworld.domains.ledger.types import Books, Decision, Posted
from overworld.kernel.money import (
    AMOUNT_MINOR_MAX,
    AccountCode,
    AccountRef,
    Transfer,
    TransferResult,
    TransferStatus,
)


def floored(account: AccountRef) -> bool:
    """Whether the account must not go below zero. Only issuance may: its debt is the supply."""
    return account.code != AccountCode.ISSUANCE


def accounts_named(transfers: Sequence[Transfer]) -> dict[AccountRef, bool]:
    """Every account of the batch, in the order named, and whether it should be opened when it is missing.

    Opened are the accounts of sound transfers that may receive or may go below zero. An empty wallet that only pays
    is not: it could not.
    """
    named: dict[AccountRef, bool] = {}
    for transfer in transfers:
        sound = _fault_in(transfer) is None
        named[transfer.debit] = named.get(transfer.debit, False) or (sound and not floored(transfer.debit))
        named[transfer.credit] = named.get(transfer.credit, False) or sound
    return named


def decide(transfers: Sequence[Transfer], books: Books) -> Decision:
    """Judges each transfer on the books as the transfers before it have left them.

    A refused transfer leaves no mark: its id may be used again later in the same batch. The result's balance is the
    credit account's after the transfer, 0 where there is no account.
    """
    balances = dict(books.balances_minor)
    known = dict(books.existing)
    created: list[Posted] = []
    results: list[TransferResult] = []
    for transfer in transfers:
        row = _row(transfer, books.account_ids)
        debit_minor = balances.get(row.debit_id, 0)
        credit_minor = balances.get(row.credit_id, 0)
        status = _judge(transfer, row, known.get(transfer.id), debit_minor, credit_minor)
        if status is TransferStatus.CREATED:
            credit_minor += transfer.amount_minor
            balances[row.debit_id] = debit_minor - transfer.amount_minor
            balances[row.credit_id] = credit_minor
            known[row.id] = row
            created.append(row)
        results.append(TransferResult(status, credit_minor))
    return Decision(results, created)


def _judge(
    transfer: Transfer, row: Posted, earlier: Posted | None, debit_minor: int, credit_minor: int
) -> TransferStatus:
    if earlier is not None:
        return TransferStatus.EXISTS if earlier == row else TransferStatus.EXISTS_WITH_DIFFERENT_FIELDS
    fault = _fault_in(transfer)
    if fault is not None:
        return fault
    if floored(transfer.debit) and transfer.amount_minor > debit_minor:
        return TransferStatus.EXCEEDS_CREDITS
    if transfer.amount_minor > AMOUNT_MINOR_MAX or credit_minor + transfer.amount_minor > AMOUNT_MINOR_MAX:
        return TransferStatus.EXCEEDS_MAXIMUM
    return TransferStatus.CREATED


def _fault_in(transfer: Transfer) -> TransferStatus | None:
    """What is wrong with a transfer whatever the books say."""
    if transfer.amount_minor <= 0:
        return TransferStatus.AMOUNT_NOT_POSITIVE
    if transfer.debit == transfer.credit:
        return TransferStatus.ACCOUNTS_SAME
    if transfer.debit.currency != transfer.credit.currency:
        return TransferStatus.CURRENCY_MISMATCH
    return None


def _row(transfer: Transfer, account_ids: Mapping[AccountRef, int]) -> Posted:
    return Posted(
        id=transfer.id,
        debit_id=account_ids[transfer.debit],
        credit_id=account_ids[transfer.credit],
        amount_minor=transfer.amount_minor,
        code=transfer.code,
        reference=transfer.reference,
    )
