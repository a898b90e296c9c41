"""How the ledger refuses."""

from __future__ import annotations

from overworld.kernel.refusals import Refusal


class UnknownCurrency(Refusal):
    """This game has no such currency."""

    code = "ledger.unknown_currency"
    status = 400
    public = ("currency",)


class BadAmount(Refusal):
    """The amount is not above zero, or has more decimal places than the currency."""

    code = "ledger.bad_amount"
    status = 400
    public = ("currency", "scale")


class NotSendable(Refusal):
    """In this game players cannot send each other this currency."""

    code = "ledger.not_sendable"
    status = 403
    public = ("currency",)


class NoSuchPlayer(Refusal):
    """There is no player with this id or username."""

    code = "ledger.no_such_player"
    status = 404


class ToOneself(Refusal):
    """Nobody can send something to themselves."""

    code = "ledger.to_oneself"
    status = 400


class LowTrust(Refusal):
    """The player is not trusted enough to send anything.

    How much trust they have, and how much it takes, stays in our logs.
    """

    code = "ledger.low_trust"
    status = 403


class LevelTooLow(Refusal):
    """The player has to reach a higher level before they can send anything."""

    code = "ledger.level_too_low"
    status = 403
    public = ("level_min",)


class OverLimit(Refusal):
    """It is more than the game lets a player send at once, or in a day.

    `limit` says which: `per_transfer_max`, `per_day_count` or `per_day_max`. Those of a day begin anew at `resets_at`.
    """

    code = "ledger.over_limit"
    status = 409
    public = ("limit", "max", "currency", "resets_at")


class AccountFrozen(Refusal):
    """The player's wallet, or that of the other one, is frozen: nothing goes in or out."""

    code = "ledger.account_frozen"
    status = 409
    public = ("currency",)


class Insufficient(Refusal):
    """The player does not hold that much, or has promised it to somebody."""

    code = "ledger.insufficient"
    status = 409
    public = ("currency",)


class WalletFull(Refusal):
    """The other player's wallet holds as much of this currency as a wallet can."""

    code = "ledger.wallet_full"
    status = 409
    public = ("currency",)
