"""The commands of mail and of what it is for."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from overworld.domains.accounts.messages import EmailText, PasswordText
from overworld.kernel.secretive import Secretive

MailTokenText = Annotated[str, Meta(min_length=1, max_length=255)]
KnownPasswordText = Annotated[str, Meta(min_length=1, max_length=1024)]


class ForgetPassword(Secretive, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody wants to set a new password for the account with this e-mail address."""

    email: EmailText


class ResetPassword(Secretive, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody sets a new password and proves by a mail's token that the account is theirs."""

    token: MailTokenText
    password: PasswordText


class ChangePassword(Secretive, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody replaces the password of their account, which they know."""

    current_password: KnownPasswordText
    password: PasswordText


class ChangeEmail(Secretive, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody wants another e-mail address, or a first one.

    `password` is the current one; an account without a password gives none.
    """

    email: EmailText
    password: KnownPasswordText | None = None


class ConfirmEmail(Secretive, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody has read the mail that was sent to an address."""

    token: MailTokenText
