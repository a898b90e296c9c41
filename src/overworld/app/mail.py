"""Who carries mail for this server, and the loop that hands it over."""

from __future__ import annotations

import logging

from overworld.app.loops import Loops
from overworld.app.settings import Settings
from overworld.domains.accounts.mail.wiring import MailParts
from overworld.kernel.clock import Clock
from overworld.kernel.mail import MailCarrier
from overworld.platform.mail import FolderCarrier, SmtpCarrier

_log = logging.getLogger("overworld.mail")


def carrier_of(settings: Settings, *, game_title: str, clock: Clock) -> MailCarrier | None:
    """The mail server that was set; in development without one a folder; in production without one nobody."""
    sender_name = settings.mail.sender_name or " ".join(game_title.split())
    if settings.mail.server:
        return SmtpCarrier(settings.mail, sender_name=sender_name, clock=clock)
    if settings.mode == "production":
        _log.warning("mail.server is not set: no mail is sent, so nobody can confirm an address or reset a password")
        return None
    folder = settings.data.absolute() / "mail"
    _log.warning("mail.server is not set: mails are written to %s, and nobody else gets them", folder)
    return FolderCarrier(folder, sender=settings.mail.sender, sender_name=sender_name, clock=clock)


def run(loops: Loops, mail: MailParts) -> None:
    """Starts the loop that sends mails, where there is anybody to hand them to."""
    if mail.sender is not None:
        loops.run("mail-sender", mail.sender.run)
