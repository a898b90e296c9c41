"""The messages of `overworld.v1`, as types. `docs/protocol.md` tells what they mean.

Clients' messages refuse unknown fields; the server's may grow.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import UNSET, Meta, Raw, Struct, UnsetType, field

CID_LENGTH_MAX = 64
TRACEPARENT_LENGTH_MAX = 256
Cid = Annotated[str, Meta(max_length=CID_LENGTH_MAX)] | UnsetType
ChannelName = Annotated[str, Meta(min_length=1, max_length=128)]
ChannelNames = Annotated[list[ChannelName], Meta(min_length=1, max_length=256)]


Positions = Literal["list", "packed"]


class ClientMessage(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    """What a client may say. A reply carries the same `cid`."""

    cid: Cid = UNSET


class Auth(ClientMessage, frozen=True, kw_only=True, tag="auth"):
    """Who I am; also sent again with a fresh token before the old one expires."""

    token: Annotated[str, Meta(min_length=1, max_length=8_192)]
    key: Annotated[str, Meta(max_length=256)] | None = None


class Subscribe(ClientMessage, frozen=True, kw_only=True, tag="subscribe"):
    """Send me what happens there.

    `positions` is how the players of all cells held are told from now on; `radius_m` how far around me is around.
    """

    channels: ChannelNames
    positions: Positions | UnsetType = UNSET
    radius_m: Annotated[float, Meta(gt=0, le=3_000)] | UnsetType = UNSET


class Unsubscribe(ClientMessage, frozen=True, kw_only=True, tag="unsubscribe"):
    """No longer."""

    channels: ChannelNames


class LocationUpdate(ClientMessage, frozen=True, kw_only=True, tag="location.update"):
    """Here I am. `data` is the body of `POST /v1/location/update`; `ack` asks for the verdict also when accepted."""

    data: Raw
    ack: bool = False


class GameAction(ClientMessage, frozen=True, kw_only=True, tag="game.action"):
    """Do this. `data` holds an `Action` and what the action itself needs; `traceparent` the trace it is part of."""

    data: Raw
    traceparent: Annotated[str, Meta(max_length=TRACEPARENT_LENGTH_MAX)] | UnsetType = UNSET


class Ping(ClientMessage, frozen=True, kw_only=True, tag="ping"):
    """Are you there?"""


class Resume(ClientMessage, frozen=True, kw_only=True, tag="resume"):
    """Go on with the stream of an earlier connection; `seq` is the last event of it that I have."""

    epoch: Annotated[str, Meta(min_length=1, max_length=64)]
    seq: Annotated[int, Meta(ge=0)]


class ChatText(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to say, and where. Its length is judged by the service, after trimming."""

    channel: ChannelName
    text: str


class PeerPayload(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whatever two clients agree on, for the account `to`."""

    to: UUID
    payload: Any


class ChatMessage(ClientMessage, frozen=True, kw_only=True, tag="chat.message"):
    """Say this to everybody who listens to a chat channel."""

    data: ChatText


class PeerMessage(ClientMessage, frozen=True, kw_only=True, tag="peer.message"):
    """Hand this to one other player."""

    data: PeerPayload


AnyClientMessage = (
    Auth | Resume | Subscribe | Unsubscribe | LocationUpdate | GameAction | Ping | ChatMessage | PeerMessage
)


class Action(Struct, frozen=True, kw_only=True):
    """The head of a `game.action`; the handler decodes the rest."""

    action: Annotated[str, Meta(min_length=1, max_length=64)]
    target: Annotated[str, Meta(max_length=256)] = ""
    request_id: Annotated[str, Meta(min_length=1, max_length=128)] | None = None


class ServerMessage(Struct, frozen=True, kw_only=True, tag_field="type"):
    """What the server answers."""

    cid: str | UnsetType = UNSET


class AuthResult(ServerMessage, frozen=True, kw_only=True, tag="auth_result"):
    """Whether the token was taken. `epoch` names the stream of events; `scopes` is what it may do."""

    success: bool
    epoch: str | UnsetType = UNSET
    user_id: UUID | UnsetType = UNSET
    scopes: list[str] | UnsetType = UNSET
    expires_at: datetime | UnsetType = UNSET
    error: dict[str, Any] | UnsetType = UNSET


class RefusedChannel(Struct, frozen=True):
    """A channel that was not granted, and the code of the refusal."""

    channel: str
    code: str


class Subscribed(ServerMessage, frozen=True, kw_only=True, tag="subscribed"):
    """The channels granted (after `unsubscribe`: those still held), and those refused."""

    channels: list[str]
    refused: list[RefusedChannel] = []


class Resumed(ServerMessage, frozen=True, kw_only=True, tag="resumed"):
    """The stream goes on. `seq` is its last event; those missed follow, then snapshots of the positions."""

    epoch: str
    seq: int
    channels: list[str]


class Resync(ServerMessage, frozen=True, kw_only=True, tag="resync"):
    """What was missed cannot be told. Events go on after `seq` of the `epoch`; snapshots follow of `channels` held."""

    epoch: str
    seq: int
    channels: list[str]


class LocationVerdict(ServerMessage, frozen=True, kw_only=True, tag="location.verdict"):
    """What became of a fix: the reply of `POST /v1/location/update`."""

    data: Any


class GameResult(ServerMessage, frozen=True, kw_only=True, tag="game.result"):
    """What became of an action; `replayed` marks the stored answer of an earlier try."""

    data: Any
    replayed: bool | UnsetType = UNSET


class Pong(ServerMessage, frozen=True, kw_only=True, tag="pong"):
    """I am."""


class Error(ServerMessage, frozen=True, kw_only=True, tag="error"):
    """A refusal: the problem object of HTTP; `replayed` marks the stored answer of an earlier try."""

    error: dict[str, Any]
    replayed: bool | UnsetType = UNSET


class ChatSent(ServerMessage, frozen=True, kw_only=True, tag="chat.sent"):
    """The message went out to the channel under this id."""

    id: UUID
    at: datetime


class PeerSent(ServerMessage, frozen=True, kw_only=True, tag="peer.sent"):
    """The payload was handed to every connection of the other player."""


class Event(Struct, frozen=True):
    """Something that happened: `type` as in `docs/protocol.md`, `data` a Struct or dict."""

    type: str
    data: Any


class Nearby(Struct, frozen=True):
    """A snapshot: everything of one kind in the cells."""

    cells: list[str]
    items: list[Any]


class Unsubscribed(Struct, frozen=True):
    """Channels that were taken away, and the code of the refusal that a new subscription would get now."""

    channels: list[str]
    code: str


class AroundChanged(Struct, frozen=True):
    """The cells that `location:around` holds now, the nearest first."""

    cells: list[str]


class Reconnect(Struct, frozen=True):
    """Come back after this long; another gateway will take you."""

    after_ms: int


class ChatSaid(Struct, frozen=True, kw_only=True):
    """What somebody said in a chat channel; `sender` is the account, `from` on the wire."""

    channel: str
    sender: UUID = field(name="from")
    text: str
    at: datetime
    id: UUID


class PeerSaid(Struct, frozen=True, kw_only=True):
    """What another player sent; `sender` is its account, `from` on the wire."""

    sender: UUID = field(name="from")
    payload: Any
