"""Reports and verdicts, what others see, and the events, in the shapes that clients and consumers read."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

from overworld.kernel.events import Event

PLAYER = "player"


class FixReport(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a client says it is: degrees, metres, and the time of the fix with its offset.

    `accuracy_m` is the radius of 68 % confidence, null when the device does not tell. Degrees are checked by the
    service, so that a wrong one is refused as `world.bad_position` on every transport.
    """

    lat: float
    lng: float
    accuracy_m: Annotated[float, Meta(ge=0, le=1e7)] | None
    timestamp: Annotated[datetime, Meta(tz=True)]
    altitude_m: Annotated[float, Meta(ge=-1e7, le=1e7)] | None = None
    speed_m_s: Annotated[float, Meta(ge=0, le=1e6)] | None = None
    heading_deg: Annotated[float, Meta(ge=0, le=360)] | None = None
    mock: bool = False


class Trigger(Struct, frozen=True, kw_only=True, gc=False):
    """Something that an accepted fix set off at a fence: `type` is zone.entered, .left, .crossed or .dwelt."""

    type: str
    fence_id: UUID
    name: str


class Verdict(Struct, frozen=True, kw_only=True, gc=False):
    """What became of a fix: the room cell it lies in, or the reason why it was refused."""

    accepted: bool
    reason: str | UnsetType = UNSET
    cell: str | None = None
    triggers: tuple[Trigger, ...] = ()


class Fix(Struct, frozen=True):
    """A player's last accepted fix: degrees, and when it was accepted by the server's clock, in microseconds."""

    lat_deg: float
    lng_deg: float
    at_us: int


class PlayerSeen(Struct, frozen=True, kw_only=True):
    """A player as strangers see one: at the centre of a coarse cell."""

    id: UUID
    type: str = PLAYER
    lat: float
    lng: float


class Located(Struct, frozen=True, kw_only=True):
    """Players with their exact places, as columns, (n,); `count` is how many there are, given or not.

    An id, below 2**53, is the player's for as long as this process remembers it; it tells nothing about the account.
    """

    count: int
    id: list[int]
    lat: list[float]
    lng: list[float]


class EntityNearby(Struct, frozen=True, kw_only=True):
    """Something around a place, with its distance in metres. Sources may add fields in a subclass."""

    id: str
    type: str
    lat: float
    lng: float
    distance_m: float


class Visibility(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether others may see a player."""

    visible: bool


class LocationUpdated(Event, frozen=True, kw_only=True):
    """A player moved: sent every 25 m or 60 s by default, with the metres walked since the last one.

    Less movement than the accuracies is rest: 0 metres. `recorded_at` is the time of the fix, `cell` a room cell.
    """

    topic: ClassVar[str] = "events.location.updated"

    player_id: UUID
    lat_deg: float
    lng_deg: float
    accuracy_m: float | None
    speed_m_s: float
    metres: float
    cell: str
    recorded_at: datetime

    @property
    def key(self) -> str:
        return str(self.player_id)


class MovementRejected(Event, frozen=True, kw_only=True):
    """A player's fix was refused: at most one in 10 s and player by default, with how many were refused since."""

    topic: ClassVar[str] = "events.movement.rejected"

    player_id: UUID
    reason: str
    count: int
    lat_deg: float
    lng_deg: float
    accuracy_m: float | None
    recorded_at: datetime

    @property
    def key(self) -> str:
        return str(self.player_id)


class VisibilityChanged(Event, frozen=True, kw_only=True):
    """A player chose to be seen by others again, or no longer. Every server hears of it and reads the choice anew."""

    topic: ClassVar[str] = "events.visibility.changed"

    player_id: UUID
    visible: bool

    @property
    def key(self) -> str:
        return str(self.player_id)
