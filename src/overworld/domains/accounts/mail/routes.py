"""Mail's purposes over HTTP: decode, call, encode."""

from __future__ import annotations

from litestar import post, put
from litestar.handlers import HTTPRouteHandler
from litestar.response import Response

from overworld.domains.accounts.errors import AccountSuspended, BadEmail, LockedOut, SecondFactorNeeded, WeakPassword
from overworld.domains.accounts.mail.changes import Changes
from overworld.domains.accounts.mail.errors import (
    BadMailToken,
    MailUnavailable,
    NoPassword,
    NothingToConfirm,
    TooManyMails,
    WrongPassword,
)
from overworld.domains.accounts.mail.messages import (
    ChangeEmail,
    ChangePassword,
    ConfirmEmail,
    ForgetPassword,
    ResetPassword,
)
from overworld.domains.accounts.messages import Grant, InCookies
from overworld.domains.accounts.pages import Pages
from overworld.domains.accounts.routes import origin_of
from overworld.kernel.identity import Scope
from overworld.platform.http import Caller, needs, open_to_all

_ASKED = (MailUnavailable, BadEmail, TooManyMails)
_PROVED = (SecondFactorNeeded, LockedOut, WrongPassword)
_CHANGED = (NoPassword, *_PROVED, WeakPassword, AccountSuspended)


def routes(changes: Changes, *, pages: Pages) -> list[HTTPRouteHandler]:
    """The handlers under `/v1/auth/password` and `/v1/auth/email`."""
    return [*_password(changes, pages), *_email(changes)]


def _password(changes: Changes, pages: Pages) -> list[HTTPRouteHandler]:
    @post("/v1/auth/password/forgot", opt=open_to_all(refusals=_ASKED), status_code=204)
    async def forget_password(caller: Caller, data: ForgetPassword) -> None:
        """Sends a mail with which a new password can be set, if the address is somebody's; the answer never tells."""
        await changes.forget_password(data, origin=origin_of(caller))

    @post("/v1/auth/password/reset", opt=open_to_all(refusals=(BadMailToken, WeakPassword)), status_code=204)
    async def reset_password(caller: Caller, data: ResetPassword) -> None:
        """Sets a new password by the token of a mail, and ends every session."""
        await changes.reset_password(data, origin=origin_of(caller))

    @put(
        "/v1/auth/password",
        opt=needs(Scope.ACCOUNT_SELF, refusals=_CHANGED),
    )
    async def change_password(caller: Caller, data: ChangePassword) -> Response[Grant | InCookies]:
        """Replaces your password, ends every session, and signs you in anew."""
        return pages.renewed(await changes.change_password(caller.principal, data, origin=origin_of(caller)), caller)

    return [forget_password, reset_password, change_password]


def _email(changes: Changes) -> list[HTTPRouteHandler]:
    @put("/v1/auth/email", opt=needs(Scope.ACCOUNT_SELF, refusals=(*_ASKED, *_PROVED)), status_code=204)
    async def change_email(caller: Caller, data: ChangeEmail) -> None:
        """Sends a mail to a new address of yours, unless it is another account's; the answer never tells."""
        await changes.change_email(caller.principal, data, origin=origin_of(caller))

    @post(
        "/v1/auth/email/send",
        opt=needs(Scope.ACCOUNT_SELF, refusals=(MailUnavailable, NothingToConfirm, TooManyMails)),
        status_code=204,
    )
    async def ask_confirmation(caller: Caller) -> None:
        """Sends another mail to the address that you have not confirmed yet."""
        await changes.ask_confirmation(caller.principal.account_id, origin=origin_of(caller))

    @post("/v1/auth/email/confirm", opt=open_to_all(refusals=(BadMailToken,)), status_code=204)
    async def confirm_email(caller: Caller, data: ConfirmEmail) -> None:
        """Confirms an e-mail address by the token of a mail; a new one is the account's from then on."""
        await changes.confirm_email(data, origin=origin_of(caller))

    return [change_email, ask_confirmation, confirm_email]
