"""Mails to an SMTP server."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from contextlib import suppress
from functools import cache

from aiosmtplib import (
    SMTP,
    SMTPException,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPSenderRefused,
    SMTPServerDisconnected,
)

from overworld.kernel.clock import Clock
from overworld.kernel.mail import TAKEN, Carried, Mail
from overworld.platform.mail.composing import CannotAddress, composed
from overworld.platform.mail.settings import MailSettings

_PERMANENT = 500
_ERROR_LENGTH_MAX = 200
_ENDED = Carried(taken=False, again=True, error="the mail server ended the connection")


@cache
def _trusted() -> ssl.SSLContext:
    """The authorities of the system, read once. Not the context of HTTP, whose protocol clients write into theirs."""
    return ssl.create_default_context()


class SmtpCarrier:
    """Hands mails to the server of the settings, over one connection a batch.

    What the server refuses for good (5xx) is worth no other try; anything else is, also that it cannot be reached or
    does not let us in: an operator can put that right.
    """

    def __init__(
        self, settings: MailSettings, *, sender_name: str, clock: Clock, trusting: ssl.SSLContext | None = None
    ) -> None:
        self._settings = settings
        self._sender_name = sender_name
        self._clock = clock
        self._tls = trusting or _trusted()

    async def carry(self, mails: Sequence[Mail]) -> list[Carried]:
        """What came of each mail, (n,). A connection that is lost ends the batch: the others are for another try."""
        server = self._server()
        try:
            await server.connect()
        except (SMTPException, OSError) as error:
            server.close()
            later = Carried(taken=False, again=True, error=f"cannot use the mail server: {_text(error)}")
            return [later] * len(mails)
        carried: list[Carried] = []
        try:
            for mail in mails:
                if not server.is_connected:
                    carried.append(_ENDED)
                    continue
                carried.append(await self._hand_over(server, mail))
        finally:
            await _leave(server)
        return carried

    def _server(self) -> SMTP:
        chosen = self._settings
        return SMTP(
            hostname=chosen.server,
            port=chosen.port,
            username=chosen.username or None,
            password=chosen.password or None,
            timeout=chosen.timeout_s,
            use_tls=chosen.security == "tls",
            start_tls=chosen.security == "starttls",
            tls_context=None if chosen.security == "none" else self._tls,
        )

    async def _hand_over(self, server: SMTP, mail: Mail) -> Carried:
        chosen = self._settings
        try:
            message = composed(mail, sender=chosen.sender, sender_name=self._sender_name, at=self._clock.now())
            await server.send_message(message, sender=chosen.sender)
        except (CannotAddress, SMTPException, OSError, ValueError) as error:
            if isinstance(error, OSError):
                server.close()
            return _failed(error)
        return TAKEN


def _failed(error: Exception) -> Carried:
    match error:
        case CannotAddress():
            return Carried(taken=False, error=f"no mail can be addressed so: {error}")
        case SMTPSenderRefused():
            return Carried(taken=False, again=True, error=f"the mail server answered {error.code} to our address")
        case SMTPRecipientsRefused():
            return _refused(min(each.code for each in error.recipients))
        case SMTPResponseException():
            return _refused(error.code)
        case SMTPServerDisconnected():
            return _ENDED
    return Carried(taken=False, again=isinstance(error, OSError), error=type(error).__name__)


def _refused(code: int) -> Carried:
    """The server's words stay away: they repeat the address."""
    return Carried(taken=False, again=code < _PERMANENT, error=f"the mail server answered {code}")


async def _leave(server: SMTP) -> None:
    with suppress(SMTPException, OSError):
        await server.quit()
    server.close()


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:_ERROR_LENGTH_MAX]
