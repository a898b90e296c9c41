"""What goes over the wire, as types. Replies may grow: unknown fields are ignored."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Generic, TypeVar

from msgspec import UNSET, Raw, Struct, UnsetType

T = TypeVar("T")


class User(Struct, frozen=True, kw_only=True):
    """The account that a session belongs to."""

    id: str
    username: str
    level: int
    experience: int
    memberships: list[Any] = []


class Session(Struct, frozen=True, kw_only=True):
    """The tokens of a sign-in. `expires_in` is the access token's life in seconds."""

    access_token: str
    refresh_token: str
    expires_in: int
    user: User


class Fix(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A position: the body of `POST /v1/location/update`. `accuracy_m` is None when the device does not tell."""

    lat: float
    lng: float
    accuracy_m: float | None
    timestamp: datetime
    altitude_m: float | UnsetType = UNSET
    speed_m_s: float | UnsetType = UNSET
    heading_deg: float | UnsetType = UNSET
    mock: bool | UnsetType = UNSET


class Verdict(Struct, frozen=True, kw_only=True):
    """What became of a fix."""

    accepted: bool
    reason: str | None = None
    cell: str | None = None
    triggers: list[Any] = []


class FixVerdict(Struct, frozen=True, kw_only=True):
    """What became of a fix in a packed frame: `at` is the fix's own time, `tick` the pass that judged it."""

    at: datetime
    accepted: bool
    reason: str | None = None
    tick: int = 0


class Collected(Struct, frozen=True, kw_only=True):
    """What a claim brought. Amounts are decimal strings in `currency`.

    `reduced`: the amount is a share of what it would be. `held`: it waits for a review, and is not in the balance yet.
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


class Acted(Struct, Generic[T], frozen=True):
    """What an action answered, and whether that was the stored answer of an earlier try."""

    value: T
    replayed: bool


class Page(Struct, Generic[T], frozen=True):
    """A piece of a list; `cursor` asks for the next, None at the end."""

    items: list[T]
    cursor: str | None = None


class RefusedChannel(Struct, frozen=True):
    """A channel that was not granted, and why."""

    channel: str
    code: str


class Subscribed(Struct, frozen=True, kw_only=True):
    """The channels granted, and those refused."""

    channels: list[str]
    refused: list[RefusedChannel] = []


class AuthResult(Struct, frozen=True, kw_only=True):
    """Whether the socket took the token, and until when it holds."""

    success: bool
    epoch: str = ""
    user_id: str = ""
    scopes: list[str] = []
    expires_at: datetime | None = None
    error: dict[str, Any] = {}


class Resumed(Struct, frozen=True, kw_only=True):
    """The stream of events that goes on, its last event, and the channels it holds.

    `type` is `resumed`, and the events that were missed follow, or `resync`: they are lost.
    """

    type: str
    epoch: str
    seq: int = 0
    channels: list[str] = []


class ChatSent(Struct, frozen=True, kw_only=True):
    """A chat message went out, under this id."""

    id: str
    at: datetime


class Start(Struct, frozen=True, kw_only=True):
    """What `GET /v1/start` tells, as far as a client of any game needs it."""

    addresses: StartAddresses
    game: StartGame


class StartAddresses(Struct, frozen=True, kw_only=True):
    """Where else the server listens."""

    realtime: str


class StartGame(Struct, frozen=True, kw_only=True):
    """What the game calls its collectibles, from how far they can be taken, and the level of the cells of channels."""

    collectibles: str
    reach_m: float
    room_level: int


class Frame(Struct, frozen=True, kw_only=True):
    """The head of any frame of the server: enough to know whose it is."""

    type: str
    cid: str | None = None
    seq: int = 0
    channel: str | None = None
    data: Raw = Raw(b"null")
    error: dict[str, Any] | None = None
    replayed: bool = False
