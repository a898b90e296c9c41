"""Mail as every floor names it: what is sent, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from overworld.kernel.secretive import Secretive


class Mail(Secretive, frozen=True, kw_only=True):
    """A message of plain text to one address. Every try to send it has the same `id`, which is its Message-ID."""

    id: UUID
    to: str
    subject: str
    text: str


class Carried(Struct, frozen=True, kw_only=True):
    """What came of a mail: taken on by the next server, or not; then whether another try is worth it, and why not.

    `error` names no address and repeats nothing of the mail.
    """

    taken: bool
    again: bool = False
    error: str = ""


TAKEN = Carried(taken=True)


class MailCarrier(Protocol):
    """Hands mails to whoever delivers them."""

    async def carry(self, mails: Sequence[Mail]) -> list[Carried]:
        """What came of each mail, aligned with `mails`, (n,). It raises for none of them."""
        ...
