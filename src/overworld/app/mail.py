"""Who carries mail for this server, and the loop that hands it over."""

from __future__ import annotations

from pathlib import Path

import structlog

from overworld.app.loops import Loops
from overworld.app.settings import Settings
from overworld.domains.accounts.mail.wiring import MailParts
from overworld.kernel.clock import Clock
from overworld.kernel.mail import MailCarrier
from overworld.platform.mail import FolderCarrier, SmtpCarrier


def carrier_of(settings: Settings, *, game_title: str, clock: Clock) -> MailCarrier | None:
    """The mail server that was set; in development without one a folder; in production without one nobody."""
    chosen = settings.mail
    sender_name = chosen.sender_name or " ".join(game_title.split())
    if chosen.server:
        return SmtpCarrier(chosen, sender_name=sender_name, clock=clock)
    if settings.mode == "production":
        return None
    return FolderCarrier(_folder(settings), sender=chosen.sender, sender_name=sender_name, clock=clock)


def run(loops: Loops, mail: MailParts, settings: Settings) -> None:
    """Starts the loop that sends mails, and says so loudly where nobody will get any."""
    if not settings.mail.server:
        becomes = f"mails are written to {_folder(settings)}, and nobody gets them"
        becomes = becomes if mail.sender else "nobody can confirm an address or replace a lost password"
        structlog.get_logger("overworld.mail").warning(f"mail.server is not set: {becomes}")
    if mail.sender is not None:
        loops.run("mail-sender", mail.sender.run)


def _folder(settings: Settings) -> Path:
    return settings.data.absolute() / "mail"
