"""The wire shapes of balances and histories. Amounts are decimal strings in the currency's own places."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from msgspec import Struct


class BalanceItem(Struct, frozen=True):
    """What a wallet holds. `pending` is what is promised to it less what it has promised."""

    currency: str
    posted: str
    pending: str


class Balances(Struct, frozen=True):
    """One item for each currency of the game, those never received included."""

    items: list[BalanceItem]


class HistoryItem(Struct, frozen=True):
    """One transfer, `in` to the player's wallet or `out` of it; `reference` names what it was for."""

    id: UUID
    currency: str
    amount: str
    direction: Literal["in", "out"]
    code: str
    reference: str
    at: datetime
