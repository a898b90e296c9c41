"""How the log refuses."""

from __future__ import annotations

from overworld.kernel.refusals import Fault, Refusal


class NotSealed(Refusal):
    """No such transfer is in the log. A new one is sealed within `ledger.seal_interval_s`."""

    code = "ledger.not_sealed"
    status = 404
    public = ("transfer",)


class NoSuchBlock(Refusal):
    """The log has no such block, or not yet."""

    code = "ledger.no_such_block"
    status = 404
    public = ("number",)


class NoLogYet(Refusal):
    """There is no log in this database: no server has run on it yet."""

    code = "ledger.no_log"
    status = 404


class NobodyToForget(Refusal):
    """Nobody of this id has an account, or it is the house, whose accounts are nobody's trace."""

    code = "ledger.nobody_to_forget"
    status = 404
    public = ("owner_id",)


class BooksDiffer(Fault):
    """The records of the log do not add up to the balances that are kept beside it; `overworld ledger check` looks."""

    code = "ledger.books_differ"
    retryable = False
