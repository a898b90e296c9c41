"""How mail and what it is for refuse."""

from __future__ import annotations

from overworld.kernel.refusals import Fault, Refusal


class BadMailToken(Refusal):
    """The token of the mail is not good any more: ask for another mail.

    Whether it was unknown, over, used or withdrawn is never told.
    """

    code = "accounts.bad_mail_token"
    status = 400


class TooManyMails(Refusal):
    """Too many mails were asked for; try again later.

    Counted for every e-mail address alike, known or not.
    """

    code = "accounts.too_many_mails"
    status = 429
    retryable = True
    public = ("retry_after_s",)


class MailUnavailable(Fault):
    """This server sends no mail."""

    code = "accounts.mail_unavailable"
    retryable = False


class WrongPassword(Refusal):
    """The current password is wrong."""

    code = "accounts.wrong_password"
    status = 403


class NoPassword(Refusal):
    """The account has no password yet: a mail to its address can set one."""

    code = "accounts.no_password"
    status = 409


class NothingToConfirm(Refusal):
    """The account has no e-mail address that is not confirmed."""

    code = "accounts.nothing_to_confirm"
    status = 409


class BadMailText(Refusal):
    """A text for mails cannot be used."""

    code = "accounts.bad_mail_text"
    status = 503
