"""What the server tells of its own accord, as types to match on, and the queue in which it waits.

async for event in socket.events:
    match event:
        case ChatMessage(data=said):
            print(said.sender, said.text)
        case CollectiblesNearby(data=nearby):
            print(len(nearby.items), "around")
"""

from __future__ import annotations

import asyncio
from collections import deque
from datetime import datetime
from typing import Any, Generic, Self, TypeVar

import msgspec
from msgspec import Struct, field

from overworld.client.codec import Codec
from overworld.client.messages import FixVerdict, Frame, Verdict

T = TypeVar("T")


class Event(Struct, frozen=True, kw_only=True):
    """Any event. One whose type, or whose data, this client does not know is exactly this, with the data as it came."""

    type: str
    seq: int = 0
    channel: str | None = None
    data: Any = None


class Nearby(Struct, Generic[T], frozen=True):
    """Everything of one kind in some cells: replaces what was told before of these cells."""

    cells: list[str]
    items: list[T]


class PlayerSeen(Struct, frozen=True, kw_only=True):
    """A player as strangers see one. `id` is its account."""

    id: str
    lat: float
    lng: float


class CollectibleSeen(Struct, frozen=True, kw_only=True):
    """A collectible that can be taken."""

    id: str
    type: str
    value: str
    currency: str
    lat: float
    lng: float
    expires_at: datetime


class Gone(Struct, frozen=True, kw_only=True):
    """A collectible that somebody else took."""

    id: str
    type: str


class ChannelsLost(Struct, frozen=True, kw_only=True):
    """Channels that were taken away, and the code that says why."""

    channels: list[str]
    code: str


class Cells(Struct, frozen=True, kw_only=True):
    """Cells by their tokens, the nearest first."""

    cells: list[str]


class ComeBack(Struct, frozen=True, kw_only=True):
    """When to come back."""

    after_ms: int


class Said(Struct, frozen=True, kw_only=True):
    """What somebody said in a chat channel; `sender` is an account."""

    channel: str
    sender: str = field(name="from")
    text: str
    at: datetime
    id: str


class Gift(Struct, frozen=True, kw_only=True):
    """Something that one player sent to another; `sender` and `to` are accounts, `note` the sender's words."""

    id: str
    sender: str = field(name="from")
    to: str
    currency: str
    amount: str
    note: str | None
    at: datetime


class Payload(Struct, frozen=True, kw_only=True):
    """What another player's client sent; `sender` is its account."""

    sender: str = field(name="from")
    payload: Any


class Held(Struct, frozen=True, kw_only=True):
    """How many of something are there now."""

    id: str
    type: str
    count: int


class Carried(Struct, frozen=True, kw_only=True):
    """What is not as it was: items as they are now, tools by their ids, badges that are new by their names."""

    items: list[Held]
    tools: list[str]
    badges: list[str]


class Progress(Struct, frozen=True, kw_only=True):
    """How far a run of a quest is: `counts` beside `goals`, one for each objective."""

    id: str
    run: int
    counts: list[int]
    goals: list[int]
    met: bool


class Run(Struct, frozen=True, kw_only=True):
    """Which run of which quest."""

    id: str
    run: int


class Standing(Struct, frozen=True, kw_only=True):
    """Where you stand on a board now, of how many, and where you stood when last told."""

    board: str
    rank: int
    rank_before: int | None
    score: str
    players: int


class Reached(Struct, frozen=True, kw_only=True):
    """A level, the one before, and the experience that lifted you to it."""

    level: int
    level_before: int
    experience: int


class Settled(Struct, frozen=True, kw_only=True):
    """A reward of yours that was held, and what it was for. Amounts are decimal strings in `currency`."""

    id: str
    collectible_id: str
    type: str
    currency: str
    amount: str


class Paid(Settled, frozen=True, kw_only=True):
    """The same of one that was given: what your wallet then held, and the experience that came with it."""

    balance: str
    experience: int


class PlayersNearby(Event, frozen=True, kw_only=True):
    """Everybody in some cells but you."""

    data: Nearby[PlayerSeen]


class CollectiblesNearby(Event, frozen=True, kw_only=True):
    """What you could collect in some cells. `type` begins with what the game calls it: `coins.nearby`."""

    data: Nearby[CollectibleSeen]


class CollectibleCollected(Event, frozen=True, kw_only=True):
    """Somebody else collected something: `coins.collected`."""

    data: Gone


class ChatMessage(Event, frozen=True, kw_only=True):
    """Somebody said something in a chat channel."""

    data: Said


class PeerMessage(Event, frozen=True, kw_only=True):
    """Another player's client sent something."""

    data: Payload


class TokensSent(Event, frozen=True, kw_only=True):
    """A player sent something to another one: you to them, or they to you."""

    data: Gift


class InventoryChanged(Event, frozen=True, kw_only=True):
    """Something that you carry is not as it was."""

    data: Carried


class QuestProgress(Event, frozen=True, kw_only=True):
    """A quest of yours moved on."""

    data: Progress


class QuestCompleted(Event, frozen=True, kw_only=True):
    """You completed a quest and were given its rewards."""

    data: Run


class LeaderboardUpdated(Event, frozen=True, kw_only=True):
    """You have moved on a leaderboard."""

    data: Standing


class LevelReached(Event, frozen=True, kw_only=True):
    """You reached a level."""

    data: Reached


class StandingOf(Struct, frozen=True):
    """How far you are trusted: `gate` is normal, reduced, review or refused; `meaning` says it in words."""

    gate: str
    gate_before: str
    meaning: str


class StandingChanged(Event, frozen=True, kw_only=True):
    """How far you are trusted changed."""

    data: StandingOf


class RewardReleased(Event, frozen=True, kw_only=True):
    """A reward of yours that was held has been given."""

    data: Paid


class RewardDenied(Event, frozen=True, kw_only=True):
    """A reward of yours that was held will not be given."""

    data: Settled


class AtFence(Struct, frozen=True, kw_only=True):
    """A fence, and when you were there; of leaving and dwelling since when, of leaving also why."""

    fence_id: str
    name: str
    at: str
    entered_at: str | None = None
    reason: str | None = None


class ZoneTold(Event, frozen=True, kw_only=True):
    """You entered, left, crossed or dwelt in a fence, as `type` says."""

    data: AtFence


class Unsubscribed(Event, frozen=True, kw_only=True):
    """Channels were taken away; subscribe again once you are near."""

    data: ChannelsLost


class AroundChanged(Event, frozen=True, kw_only=True):
    """The cells that `location:around` now stands for."""

    data: Cells


class Reconnect(Event, frozen=True, kw_only=True):
    """The server is about to leave; a Player comes back by itself."""

    data: ComeBack


class LocationVerdict(Event, frozen=True, kw_only=True):
    """A streamed fix was refused."""

    data: Verdict


class Problem(Event, frozen=True, kw_only=True):
    """Something that was sent without waiting for a reply was refused; the data is the problem object."""

    data: dict[str, Any]


class FixesJudged(Event, frozen=True, kw_only=True):
    """Verdicts on packed fixes that nobody waits for: those refused."""

    type: str = "packed.verdicts"
    data: list[FixVerdict]


class SurroundingsChanged(Event, frozen=True, kw_only=True):
    """`surroundings` have changed. However often they do, only one of these waits to be taken."""

    type: str = "packed.surroundings"


_TYPES: dict[str, type[Event]] = {
    "players.nearby": PlayersNearby,
    "chat.message": ChatMessage,
    "peer.message": PeerMessage,
    "tokens.sent": TokensSent,
    "inventory.changed": InventoryChanged,
    "quest.progress": QuestProgress,
    "quest.completed": QuestCompleted,
    "leaderboard.updated": LeaderboardUpdated,
    "level.reached": LevelReached,
    "standing.changed": StandingChanged,
    "reward.released": RewardReleased,
    "reward.denied": RewardDenied,
    **dict.fromkeys(("zone.entered", "zone.left", "zone.crossed", "zone.dwelt"), ZoneTold),
    "unsubscribed": Unsubscribed,
    "around.changed": AroundChanged,
    "reconnect": Reconnect,
    "location.verdict": LocationVerdict,
}
_TYPES_OF_NOUN: dict[str, type[Event]] = {"nearby": CollectiblesNearby, "collected": CollectibleCollected}


def event_of(frame: Frame, payload: bytes, codec: Codec) -> Event:
    """The event in a message whose head was read, typed if it is a known one."""
    if frame.error is not None:
        return Problem(type=frame.type, seq=frame.seq, channel=frame.channel, data=frame.error)
    known = _TYPES.get(frame.type) or _TYPES_OF_NOUN.get(frame.type.partition(".")[2])
    try:
        event: Event = codec.decode(payload, type=known or Event)
    except msgspec.ValidationError:
        event = codec.decode(payload, type=Event)
    return event


class Events:
    """A queue of events to iterate over; when nobody takes from it, the oldest make room, and `dropped` counts them.

    It ends with what ended the connection: then, after the last event, taking raises that, and iterating too, unless
    this side closed.
    """

    def __init__(self, *, most: int = 10_000) -> None:
        self.dropped = 0
        self._most = most
        self._waiting: deque[Event] = deque()
        self._news = asyncio.Event()
        self._ended: Exception | None = None
        self._is_closed = False
        self._change_waits = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        try:
            return await self.get()
        except Exception:
            if self._is_closed:
                raise StopAsyncIteration from None
            raise

    async def get(self) -> Event:
        """The next event, as soon as there is one. Raises: what ended the connection."""
        while not self._waiting:
            if self._ended is not None:
                raise self._ended
            self._news.clear()
            await self._news.wait()
        return self._take()

    def waiting(self) -> list[Event]:
        """Takes all that wait, without waiting for more."""
        return [self._take() for _ in range(len(self._waiting))]

    def put(self, event: Event) -> None:
        """Puts an event behind the others."""
        if isinstance(event, SurroundingsChanged):
            if self._change_waits:
                return
            self._change_waits = True
        if len(self._waiting) == self._most:
            self._take()
            self.dropped += 1
        self._waiting.append(event)
        self._news.set()

    def end(self, error: Exception, *, closed: bool) -> None:
        """Nothing more will come; `closed` when this side wanted it so."""
        self._ended, self._is_closed = error, closed
        self._news.set()

    def _take(self) -> Event:
        event = self._waiting.popleft()
        if isinstance(event, SurroundingsChanged):
            self._change_waits = False
        return event
