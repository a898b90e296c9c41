"""How accounts refuses."""

from __future__ import annotations

from overworld.kernel.refusals import Refusal


class BadUsername(Refusal):
    """The username cannot be used."""

    code = "accounts.bad_username"
    status = 400


class BadEmail(Refusal):
    """The e-mail address cannot be used."""

    code = "accounts.bad_email"
    status = 400


class WeakPassword(Refusal):
    """The password is too easy to guess.

    `reason` is `short`, `repeated`, `common` or `named`.
    """

    code = "accounts.weak_password"
    status = 400
    public = ("reason",)


class TooManyRegistrations(Refusal):
    """Too many accounts were asked for from this address; try again later."""

    code = "accounts.too_many_registrations"
    status = 429
    retryable = True
    public = ("retry_after_s",)


class EmailTaken(Refusal):
    """There is already an account with this e-mail address."""

    code = "accounts.email_taken"
    status = 409


class UsernameTaken(Refusal):
    """There is already an account with this username."""

    code = "accounts.username_taken"
    status = 409


class LockedOut(Refusal):
    """Too many failed sign-ins; try again later.

    Counted for every e-mail address alike, known or not.
    """

    code = "accounts.locked_out"
    status = 429
    retryable = True
    public = ("retry_after_s",)


class BadCredentials(Refusal):
    """The e-mail address or the password is wrong.

    Which of the two is never told.
    """

    code = "accounts.bad_credentials"
    status = 401


class BadRefreshToken(Refusal):
    """The refresh token is not good: sign in again.

    Whether it was unknown, over, revoked or used twice is never told.
    """

    code = "accounts.bad_refresh_token"
    status = 401


class RefreshedElsewhere(Refusal):
    """Another page of this browser has refreshed the session just now: its cookies are new already."""

    code = "accounts.refreshed_elsewhere"
    status = 409
    retryable = True


class BadToken(Refusal):
    """The access token is not one of ours."""

    code = "accounts.bad_token"
    status = 401


class TokenExpired(Refusal):
    """The access token is over: get a new one with the refresh token."""

    code = "accounts.token_expired"
    status = 401


class TokenRevoked(Refusal):
    """The access token was revoked: sign in again."""

    code = "accounts.token_revoked"
    status = 401


class SecondFactorNeeded(Refusal):
    """Prove your second factor in this session first."""

    code = "accounts.second_factor_needed"
    status = 403


class AccountSuspended(Refusal):
    """The account is suspended.

    Told to who has proved to be its owner, and to nobody else.
    """

    code = "accounts.suspended"
    status = 403


class NoSuchSession(Refusal):
    """You have no such session.

    Sessions of others are refused alike.
    """

    code = "accounts.no_such_session"
    status = 404
    public = ("session_id",)


class LastWay(Refusal):
    """This is your only way in: link another one first."""

    code = "accounts.last_way"
    status = 409
    public = ("way",)


class NoSuchUser(Refusal):
    """There is no such player."""

    code = "accounts.no_such_user"
    status = 404
    public = ("user_id",)
