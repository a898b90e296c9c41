"""How passkeys refuse."""

from __future__ import annotations

from overworld.kernel.refusals import Refusal


class CeremonyOver(Refusal):
    """This was not begun here, is used up, or took too long: begin again."""

    code = "accounts.ceremony_over"
    status = 409


class BadPasskey(Refusal):
    """The passkey does not sign you in.

    Whether it is unknown, signed wrongly or was copied is never told.
    """

    code = "accounts.bad_passkey"
    status = 401


class PasskeyRefused(Refusal):
    """What the authenticator answered cannot be taken as a passkey."""

    code = "accounts.passkey_refused"
    status = 400


class PasskeyKnown(Refusal):
    """This passkey is registered already."""

    code = "accounts.passkey_known"
    status = 409


class TooManyPasskeys(Refusal):
    """You have as many passkeys as an account may have."""

    code = "accounts.too_many_passkeys"
    status = 409
    public = ("passkeys_max",)


class NoSuchPasskey(Refusal):
    """You have no such passkey.

    Passkeys of others are refused alike.
    """

    code = "accounts.no_such_passkey"
    status = 404
    public = ("passkey_id",)
