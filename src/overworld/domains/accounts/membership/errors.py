"""How memberships refuse."""

from __future__ import annotations

from overworld.kernel.refusals import Refusal


class NoSuchMembership(Refusal):
    """The game has no such membership."""

    code = "accounts.no_such_membership"
    status = 404


class ProofUnavailable(Refusal):
    """This membership asks for an account elsewhere, which cannot be proved here yet.

    Until accounts of that kind can be linked, nobody gets a number.
    """

    code = "accounts.proof_unavailable"
    status = 409
    public = ("membership", "proof")


class ProofMissing(Refusal):
    """This membership asks for an account elsewhere that is linked to yours."""

    code = "accounts.proof_missing"
    status = 409
    public = ("membership", "proof")


class AlreadyMember(Refusal):
    """You are a member already."""

    code = "accounts.already_member"
    status = 409
    public = ("membership", "number")


class ProofUsed(Refusal):
    """The account elsewhere has a number in this membership already.

    Whose it is, is never told.
    """

    code = "accounts.proof_used"
    status = 409
    public = ("membership", "proof")


class MembershipFull(Refusal):
    """Every number of this membership is given."""

    code = "accounts.membership_full"
    status = 409
    public = ("membership", "cap")


class PaidAhead(Refusal):
    """This membership is paid for years ahead already."""

    code = "accounts.paid_ahead"
    status = 409
    public = ("membership", "ends_at")


class PriceFrozen(Refusal):
    """Your wallet is frozen, so the price cannot be paid."""

    code = "accounts.wallet_frozen"
    status = 409
    public = ("membership",)


class PriceNotHeld(Refusal):
    """Your wallet does not hold the price of this membership."""

    code = "accounts.price_not_held"
    status = 409
    public = ("membership", "price", "currency")
