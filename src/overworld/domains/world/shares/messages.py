"""Sharing as clients write and read it, over HTTP and on the socket, and its events."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar
from uuid import UUID

from msgspec import Meta, Struct

from overworld.domains.world.shares.types import EXPIRES_MAX_S, EXPIRES_MIN_S, RADIUS_MAX_M, RADIUS_MIN_M, Sight
from overworld.kernel.events import Event


class ShareBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """To whom a place is shown (an account id or a username), how, and for how many seconds."""

    to: Annotated[str, Meta(min_length=1, max_length=64)]
    sight: Sight
    expires_in_s: Annotated[int, Meta(ge=EXPIRES_MIN_S, le=EXPIRES_MAX_S)]


class GrantShare(Struct, frozen=True, kw_only=True):
    """A player shows another one where it is. `key` is the idempotency key."""

    owner_id: UUID
    body: ShareBody
    key: str


class ShareGiven(Struct, frozen=True, kw_only=True):
    """A share, for who gave it."""

    id: UUID
    to: UUID
    sight: Sight
    granted_at: datetime
    expires_at: datetime


class PlaceShown(Struct, frozen=True, kw_only=True):
    """Where somebody is, as far as one may know: `exact`, or somewhere around; `age_s` is how old the fix is."""

    lat: float
    lng: float
    exact: bool
    age_s: float


class SharedWithYou(Struct, frozen=True, kw_only=True):
    """A share, for who got it; there is no place where the last 5 minutes know none."""

    id: UUID
    player_id: UUID
    sight: Sight
    expires_at: datetime
    place: PlaceShown | None


class SharedEvent(Struct, frozen=True):
    """On the viewer's channel: where somebody is now who shows it."""

    data: SharedWithYou
    type: str = "location.shared"


class Ended(Struct, frozen=True):
    """A share that is over."""

    id: UUID


class ShareEndedEvent(Struct, frozen=True):
    """On the viewer's channel: a share is over, by its time or by somebody's wish."""

    data: Ended
    type: str = "location.share_ended"


class HomeBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a player lives, in degrees, and how far around it others are not to know more, in metres."""

    lat: Annotated[float, Meta(ge=-90, le=90)]
    lng: Annotated[float, Meta(ge=-180, le=180)]
    radius_m: Annotated[int, Meta(ge=RADIUS_MIN_M, le=RADIUS_MAX_M)]


class ShareChanged(Event, frozen=True, kw_only=True):
    """A player began to show its place to another one, or ended it; every server reads what holds now."""

    topic: ClassVar[str] = "events.share.changed"

    share_id: UUID
    owner_id: UUID
    viewer_id: UUID
    granted: bool

    @property
    def key(self) -> str:
        return str(self.viewer_id)


class HomeChanged(Event, frozen=True, kw_only=True):
    """A player told its home, another one, or none any more; where it is stands in no event."""

    topic: ClassVar[str] = "events.home.changed"

    player_id: UUID

    @property
    def key(self) -> str:
        return str(self.player_id)
