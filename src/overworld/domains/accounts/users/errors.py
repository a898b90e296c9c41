"""How staff are refused."""

from __future__ import annotations

from overworld.kernel.refusals import Refusal


class BeyondYou(Refusal):
    """You cannot do this to this account, or give it this role.

    Nobody handles an account that may do more than they may themselves, or gives such a role; and accounts of staff
    are handled only by who may give roles.
    """

    code = "accounts.beyond_you"
    status = 403


class NotYourself(Refusal):
    """You cannot do this to your own account: somebody else has to."""

    code = "accounts.not_yourself"
    status = 409
