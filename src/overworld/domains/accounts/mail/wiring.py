"""Puts mail together for accounts."""

from __future__ import annotations

from litestar.handlers import HTTPRouteHandler
from msgspec import Struct

from overworld.domains.accounts.crypto.passwords import Passwords
from overworld.domains.accounts.ground import Ground
from overworld.domains.accounts.mail.changes import Changes
from overworld.domains.accounts.mail.letters import read_letters
from overworld.domains.accounts.mail.limits import MailLimits
from overworld.domains.accounts.mail.queue import MailQueue
from overworld.domains.accounts.mail.routes import routes
from overworld.domains.accounts.mail.sender import Sender
from overworld.domains.accounts.pages import Pages
from overworld.domains.accounts.service.lockout import Lockout
from overworld.domains.accounts.service.sessions import Sessions
from overworld.kernel.mail import MailCarrier


class MailParts(Struct, frozen=True, kw_only=True):
    """What mail contributes to accounts; `sender` has a loop to run, and is None where nobody sends mail."""

    changes: Changes
    queue: MailQueue
    sender: Sender | None
    routes: list[HTTPRouteHandler]


def build(
    ground: Ground,
    *,
    sessions: Sessions,
    passwords: Passwords,
    lockout: Lockout,
    pages: Pages,
    carrier: MailCarrier | None,
    game_title: str,
) -> MailParts:
    """Mail on the ground of accounts. Raises: BadMailText."""
    settings = ground.settings
    letters = read_letters(settings.mail_templates, game=game_title, link=settings.mail_link)
    queue = MailQueue(ids=ground.ids, works=carrier is not None, waiting_max=settings.mails_waiting_max)
    changes = Changes(
        database=ground.database,
        clock=ground.clock,
        outbox=ground.outbox,
        sessions=sessions,
        passwords=passwords,
        lockout=lockout,
        limits=MailLimits(limiter=ground.limiter, enabled=ground.limits_enabled, settings=settings),
        queue=queue,
        password_length_min=settings.password_length_min,
    )
    sender = (
        None
        if carrier is None
        else Sender(
            database=ground.database,
            clock=ground.clock,
            carrier=carrier,
            letters=letters,
            settings=settings,
            random=ground.random,
        )
    )
    return MailParts(changes=changes, queue=queue, sender=sender, routes=routes(changes, pages=pages))
