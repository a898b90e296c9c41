"""What sharing decides over."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Struct

LIVE, COARSE = "live", "coarse"
Sight = Literal["live", "coarse"]

EXPIRES_MIN_S, EXPIRES_MAX_S = 900, 2_592_000
RADIUS_MIN_M, RADIUS_MAX_M = 50, 1_000


class SharingSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many places a player may share, and how often friends are told of them."""

    shares_max: Annotated[
        int, Meta(ge=1, le=200, description="players to whom one player shows its place at a time")
    ] = 50
    told_every_s: Annotated[
        float, Meta(ge=1, le=3_600, description="least time between two `location.shared` of one share")
    ] = 5.0


class Home(Struct, frozen=True, kw_only=True):
    """Where a player lives, and how far around it others are not to know more."""

    lat_deg: float
    lng_deg: float
    radius_m: int


class Zone(Struct, frozen=True, kw_only=True):
    """Around a home: whoever is within `reach_m` of the place is shown at the place."""

    lat_deg: float
    lng_deg: float
    reach_m: float


class Shown(Struct, frozen=True, kw_only=True):
    """A place as another player gets it; `exact` is False for the centre of a cell."""

    lat_deg: float
    lng_deg: float
    exact: bool


class Share(Struct, frozen=True, kw_only=True):
    """A grant: the owner shows its place to the viewer. `home` is the owner's, where it told one."""

    id: UUID
    owner_id: UUID
    viewer_id: UUID
    sight: Sight
    granted_at: datetime
    expires_at: datetime
    home: Home | None = None
