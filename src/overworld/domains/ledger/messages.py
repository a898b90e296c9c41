"""The wire shapes of balances, histories and transfers, and what is told of them.

Amounts are decimal strings in the currency's own places.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from msgspec import Meta, Struct

from overworld.domains.ledger.types import Amount
from overworld.kernel.events import Event


class BalanceItem(Struct, frozen=True):
    """What a wallet holds. `pending` is what is promised to it less what it has promised."""

    currency: str
    posted: str
    pending: str


class Balances(Struct, frozen=True):
    """One item for each currency of the game, those never received included."""

    items: list[BalanceItem]


class HistoryItem(Struct, frozen=True):
    """One transfer, `in` to the player's wallet or `out` of it; `reference` names what it was for.

    A gift says also who the other player is, and the note that came with it. Of anything else the other side is the
    game's own business, and both are null.
    """

    id: UUID
    currency: str
    amount: str
    direction: Literal["in", "out"]
    code: str
    reference: str
    at: datetime
    counterparty: UUID | None = None
    note: str | None = None


NOTE_LENGTH_MAX = 140
Note = Annotated[str, Meta(min_length=1, max_length=NOTE_LENGTH_MAX)]


class SendBody(Struct, frozen=True, forbid_unknown_fields=True):
    """What to send to whom: `to` is the account id or the username of a player, `note` a line for them to read."""

    to: Annotated[str, Meta(min_length=1, max_length=64)]
    currency: Annotated[str, Meta(min_length=1, max_length=32)]
    amount: Amount
    note: Note | None = None


class SendTokens(Struct, frozen=True, kw_only=True):
    """A player wants to send something to another one. `key` is the idempotency key."""

    from_id: UUID
    body: SendBody
    key: str


class Sent(Struct, frozen=True, kw_only=True):
    """What was sent: the transfer, whom it reached, and what the sender held after it."""

    id: UUID
    to: UUID
    currency: str
    amount: str
    balance: str
    at: datetime


class TokensSent(Event, frozen=True, kw_only=True):
    """A player sent something to another one; both are told."""

    topic: ClassVar[str] = "events.tokens.sent"

    transfer_id: UUID
    from_id: UUID
    to_id: UUID
    currency: str
    amount_minor: int
    amount: str
    note: str | None = None

    @property
    def key(self) -> str:
        return str(self.from_id)
