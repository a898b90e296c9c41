"""The numbers that stand in records for what accounts are for. Published with every export, and never given anew."""

from __future__ import annotations

from overworld.kernel.money import AccountCode, TransferCode

ACCOUNT_NUMBERS = {
    AccountCode.WALLET: 1,
    AccountCode.ISSUANCE: 2,
    AccountCode.BUDGET: 3,
    AccountCode.ESCROW: 4,
    AccountCode.POOL: 5,
}
TRANSFER_NAMES = {code.value: code.label for code in TransferCode}


def account_number(code: str) -> int:
    """The number of an account code. Raises: KeyError, ValueError for a code that has none."""
    return ACCOUNT_NUMBERS[AccountCode(code)]
