"""How second factors refuse."""

from __future__ import annotations

from overworld.kernel.refusals import Fault, Refusal


class SecondFactorForStaff(Refusal):
    """Second factors are for staff; add a passkey instead."""

    code = "accounts.second_factor_for_staff"
    status = 403


class SecondFactorSet(Refusal):
    """You have a second factor already: remove it first."""

    code = "accounts.second_factor_set"
    status = 409


class NoSecondFactor(Refusal):
    """You have no second factor, or its set-up took too long: set it up first."""

    code = "accounts.no_second_factor"
    status = 409


class BadCode(Refusal):
    """The code is wrong, over, or was used before.

    Which of these is never told.
    """

    code = "accounts.bad_code"
    status = 403


class TooManyCodes(Refusal):
    """Too many wrong codes; try again later."""

    code = "accounts.too_many_codes"
    status = 429
    retryable = True
    public = ("retry_after_s",)


class SecondFactorLocked(Fault):
    """The second factor in the database cannot be opened with `accounts.signing_key_secret`."""

    code = "accounts.second_factor_locked"
    retryable = False
