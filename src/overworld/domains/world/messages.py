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


class MovementObserved(Event, frozen=True, kw_only=True):
    """How a player moved in one window of fixes, of at least 60 s of the track's own time by default.

    It is a sample: a crash loses what is not written yet. `refused` counts by reason, with those that occurred alone.

    `steps` are not from fix to fix: one ends where a player has come out of twice the accuracy around the place where
    the one before ended, and none lasts over rest. `moved_m` and `moving_s` are their sums, `straight_m` leads over all
    of them as the crow flies; speeds and turns are of them. `speed_cv` and `interval_cv` are standard deviation over
    mean, 0 for fewer than three. `repeated` counts accepted fixes at exactly the place of the one before.

    `noise_m` is what is left of the receiver's noise: the root mean square of the second difference of three places in
    a row, about its mean; noise of s metres on both axes makes 3.5 s. `smooth_share` is the share of those second
    differences that are below 5 cm, as no receiver's are. `told_speed_gap_m_s` is the root mean square of told speed
    less the smoothed one.

    `clock_offset_s` is the device's clock less the server's, at the least delay seen; `clock_jumps` how often it was
    set by seconds. `shingles` name at most 8 exact stretches of four fixes, each of which moved: equal tracks have
    equal ones; `shingle_ages_s` says, aligned, how long after `began_at` each ended. `refused_streak` is the longest
    run of fixes refused for how the player would have moved. `leaps` counts two such or accepted fixes in a row that
    lie over 1 km apart and are faster than a teleport. What a window cannot tell is 0, `cell` without an accepted fix
    empty.
    """

    topic: ClassVar[str] = "events.movement.observed"

    player_id: UUID
    began_at: datetime
    ended_at: datetime
    fixes: int
    accepted: int
    refused: dict[str, int]
    moved_m: float
    straight_m: float
    moving_s: float
    speed_mean_m_s: float
    speed_cv: float
    turn_rms_deg: float
    noise_m: float
    interval_mean_s: float
    interval_cv: float
    accuracy_mean_m: float
    accuracy_sd_m: float
    repeated: int
    told_speed_gap_m_s: float
    clock_offset_s: float
    clock_jumps: int
    mode: str
    cell: str
    shingles: tuple[int, ...]
    own_timeline: bool
    refused_streak: int = 0
    smooth_share: float = 0.0
    leaps: int = 0
    shingle_ages_s: tuple[float, ...] = ()
    steps: int = 0

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
