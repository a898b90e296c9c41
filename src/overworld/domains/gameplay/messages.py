"""The command, the events, and the shapes that clients read."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from msgspec import Meta, Struct

from overworld.domains.gameplay.types import EXPERIENCE_MAX
from overworld.kernel.audit import Staff
from overworld.kernel.events import Event
from overworld.kernel.ids import text_of


class AsOf(Struct, frozen=True, gc=False):
    """Where and when something was done without a network; `sync` has found that it can be true."""

    lat_deg: float
    lng_deg: float
    at_us: int


class ClaimCollectible(Struct, frozen=True, kw_only=True):
    """A player wants a collectible. `key` is the idempotency key: header on HTTP, `request_id` on the socket.

    With `as_of` it is judged as of that place and instant, not as of the last fix and now.
    """

    player_id: UUID
    collectible_id: str
    key: str
    memberships: tuple[str, ...] = ()
    as_of: AsOf | None = None


class CollectBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a claim over HTTP: nothing. What is collected stands in the path, who collects in the token."""


class Collected(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The reply to a claim that won: what was paid, a member's bonus included, and where the player now stands.

    `reduced`: the amount is a share of what it would be, for want of trust. `held`: the collectible is taken, and its
    amount and experience, neither of which is in what is shown, wait for a review. What is not true is left out.
    """

    collectible_id: str
    type: str
    amount: str
    currency: str
    balance: str
    experience: int
    level: int
    reduced: bool = False
    held: bool = False


class CollectibleSeen(Struct, frozen=True, kw_only=True):
    """A collectible that can be taken, as clients read it. `expires_at` is RFC 3339 UTC."""

    id: str
    type: str
    value: str
    currency: str
    lat: float
    lng: float
    expires_at: str


class CollectibleNearby(CollectibleSeen, frozen=True, kw_only=True):
    """The same, with its distance from the place that was asked about."""

    distance_m: float


class CollectibleToPlace(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One collectible that should lie somewhere. What is left out of value, currency and mode is its type's.

    The experience left out is what the value gives in this game; it opens at once and closes at `closes_at`. It is
    paid by the currency's issuance, or by the budget of the campaign `payer_id`.
    """

    type: Annotated[str, Meta(min_length=1, max_length=64)]
    lat: Annotated[float, Meta(ge=-90, le=90)]
    lng: Annotated[float, Meta(ge=-180, le=180)]
    closes_at: Annotated[datetime, Meta(tz=True)]
    opens_at: Annotated[datetime, Meta(tz=True)] | None = None
    value: Annotated[str, Meta(min_length=1, max_length=32)] | None = None
    currency: Annotated[str, Meta(min_length=1, max_length=16)] | None = None
    experience: Annotated[int, Meta(ge=0, le=EXPERIENCE_MAX)] | None = None
    mode: Literal["shared", "personal"] | None = None
    payer_id: UUID | None = None


class PlaceBody(Struct, frozen=True, forbid_unknown_fields=True):
    """What should be placed: all of it or, when something is refused, nothing."""

    items: Annotated[tuple[CollectibleToPlace, ...], Meta(min_length=1, max_length=256)]


class PlaceCollectibles(Struct, frozen=True, kw_only=True):
    """Somebody places collectibles. `key` is the idempotency key, `staff` who it is as the audit log names them."""

    placed_by: UUID
    staff: Staff
    items: tuple[CollectibleToPlace, ...]
    key: str


class PlacedCollectible(Struct, frozen=True, kw_only=True):
    """A collectible that was placed. `opens_at` and `expires_at` are RFC 3339 UTC."""

    id: str
    type: str
    value: str
    currency: str
    experience: int
    mode: str
    lat: float
    lng: float
    opens_at: str
    expires_at: str
    payer_id: UUID | None


class PlacedCollectibles(Struct, frozen=True):
    """What was placed, in the order in which it was asked for."""

    items: list[PlacedCollectible]


class CollectiblePlaced(Event, frozen=True, kw_only=True):
    """Somebody placed a collectible. `cell` is the token of its spawn cell."""

    topic: ClassVar[str] = "events.collectible.placed"

    collectible_id: str
    type: str
    currency: str
    value_minor: int
    experience: int
    mode: str
    cell: str
    lat_deg: float
    lng_deg: float
    opens_at: datetime
    closes_at: datetime
    payer_id: UUID | None
    placed_by: UUID

    @property
    def key(self) -> str:
        return self.cell


class CollectibleWithdrawn(Event, frozen=True, kw_only=True):
    """Somebody took back a collectible that was placed; nobody can collect it any more."""

    topic: ClassVar[str] = "events.collectible.withdrawn"

    collectible_id: str
    cell: str
    withdrawn_by: UUID

    @property
    def key(self) -> str:
        return self.cell


class CollectibleCollected(Event, frozen=True, kw_only=True):
    """A player took a collectible and was paid `amount_minor`. `cell` is the token of its spawn cell.

    When it is `held`, the amount is promised only, and the experience not given: both come with its release.
    """

    topic: ClassVar[str] = "events.collectible.collected"

    player_id: UUID
    collectible_id: str
    type: str
    currency: str
    amount_minor: int
    experience: int
    cell: str
    lat_deg: float
    lng_deg: float
    mode: str = "shared"
    held: bool = False

    @property
    def key(self) -> str:
        return text_of(self.player_id)


class LevelReached(Event, frozen=True, kw_only=True):
    """A player's experience lifted them from one level to a higher one."""

    topic: ClassVar[str] = "events.level.reached"

    player_id: UUID
    level: int
    level_before: int
    experience: int

    @property
    def key(self) -> str:
        return text_of(self.player_id)
