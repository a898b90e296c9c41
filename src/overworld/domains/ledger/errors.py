"""How the ledger refuses."""

from __future__ import annotations

from overworld.kernel.refusals import Refusal


class UnknownCurrency(Refusal):
    """This game has no such currency."""

    code = "ledger.unknown_currency"
    status = 400
    public = ("currency",)
