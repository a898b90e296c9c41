"""What is held, and what becomes of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import IntEnum
from typing import Literal
from uuid import UUID

from msgspec import Struct

from overworld.domains.gameplay.claim import Claim
from overworld.domains.gameplay.rules import Win
from overworld.kernel.money import HOUSE, AccountCode, AccountRef

PROMISE_OUTLIVES = timedelta(days=366)
"""How much longer than the time of a hold its promise lasts: the player's favour must never lose to the ledger's clock,
not even after a year in which no server ran or their wallet was frozen."""


class HoldState(IntEnum):
    """What became of a hold. The numbers are kept; never changed."""

    HELD = 1
    RELEASED = 2
    DENIED = 3

    @property
    def wire(self) -> Literal["held", "released", "denied"]:
        """The name that clients read."""
        if self is HoldState.HELD:
            return "held"
        return "released" if self is HoldState.RELEASED else "denied"


class Hold(Struct, frozen=True, kw_only=True):
    """The reward of a claim that is held: the promise of its transfer, and the experience that comes with it."""

    transfer_id: UUID
    player_id: UUID
    collectible_id: str
    type: str
    reference: UUID
    payer_id: UUID | None
    currency: str
    amount_minor: int
    experience: int
    lat_deg: float
    lng_deg: float
    held_at: datetime
    expires_at: datetime
    state: HoldState = HoldState.HELD
    settled_at: datetime | None = None

    @property
    def payer(self) -> AccountRef:
        """The account that has promised it."""
        if self.payer_id is None:
            return AccountRef(HOUSE, self.currency, AccountCode.ISSUANCE)
        return AccountRef(self.payer_id, self.currency, AccountCode.BUDGET)

    @property
    def wallet(self) -> AccountRef:
        """The account that it is promised to."""
        return AccountRef(self.player_id, self.currency)


class Order(Struct, frozen=True, kw_only=True):
    """What shall become of all that is held of a player and was held by an instant: released, or denied."""

    player_id: UUID
    release: bool
    held_by: datetime


def hold_of(claim: Claim, win: Win, *, at: datetime, expires_at: datetime) -> Hold:
    """What a claim that won leaves to be decided."""
    spawn = win.spawn
    return Hold(
        transfer_id=claim.id,
        player_id=win.player_id,
        collectible_id=spawn.id,
        type=spawn.kind.type,
        reference=claim.reference,
        payer_id=spawn.payer_id,
        currency=spawn.kind.currency.code,
        amount_minor=win.amount_minor,
        experience=spawn.kind.experience,
        lat_deg=spawn.lat_deg,
        lng_deg=spawn.lng_deg,
        held_at=at,
        expires_at=expires_at,
    )
